package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

func TestWorldRefusesToBeUsedOutOfTurn(t *testing.T) {
	t.Parallel()
	w := build(t, "")
	if err := w.Break(t.Context()); err == nil {
		t.Error("a shop that does not run is broken")
	}
	if w.Truth().Happened || !w.BrokenAt().IsZero() {
		t.Error("something is said to have happened")
	}
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(t.Context()); err == nil {
		t.Error("it starts twice")
	}
	if err := w.Restart(t.Context(), "kitchen"); err == nil {
		t.Error("a process that there is none of restarts")
	}
	if err := w.Break(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.BrokenAt().IsZero() {
		t.Error("it is not said when it broke")
	}
	if err := w.Break(t.Context()); err == nil {
		t.Error("it breaks twice")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Restart(t.Context(), shop.PriceDB); err == nil {
		t.Error("a process of a closed shop restarts")
	}
}

// A demo may be started from a git hook, which hands its own repository down, and by somebody whose git signs or has hooks.
func TestUsersGitSettingsDoNotReachTheRepository(t *testing.T) {
	needGit(t)
	home := t.TempDir()
	settings := "[commit]\n\tgpgsign = true\n[core]\n\thooksPath = /nowhere\n\tautocrlf = true\n[user]\n\tname = Somebody\n"
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("GIT_DIR", filepath.Join(home, "other"))
	t.Setenv("GIT_AUTHOR_NAME", "Somebody")
	w := build(t, "")
	if names := strings.Join(gitLines(t, w, "log", "--format=%an %cn"), "\n"); strings.Contains(names, "Somebody") {
		t.Errorf("the user's name is in the history:\n%s", names)
	}
	if _, err := os.Stat(filepath.Join(w.Dir(), "repo", ".git", "HEAD")); err != nil {
		t.Error(err)
	}
}

func TestExecutableThatIsNoShopIsToldApart(t *testing.T) {
	t.Parallel()
	needGit(t)
	w, err := New(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "world"), Self: "git"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "pricedb.log") {
		t.Errorf("error %v, want one that names the log", err)
	}
}
