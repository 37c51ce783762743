package git_test

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/git"
)

// noon is when the histories of these tests begin.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// repository is a real one, made by the git program.
type repository struct {
	t   testing.TB
	dir string
	env []string
	now time.Time
}

func needGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the git program is missing, and CI must not skip")
		}
		t.Skip("SKIPPED: the git program is not on PATH, nothing of this provider was tested")
	}
}

func newRepository(t testing.TB, initArgs ...string) *repository {
	t.Helper()
	needGit(t)
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := &repository{t: t, dir: dir, now: noon}
	r.as("Ada Quist", "ada@example.org")
	r.git(append([]string{"init", "-q", "-b", "main"}, initArgs...)...)
	return r
}

// as makes somebody else the author and committer of what follows.
func (r *repository) as(name, email string) {
	r.env = []string{
		"GIT_AUTHOR_NAME=" + name, "GIT_AUTHOR_EMAIL=" + email, "GIT_COMMITTER_NAME=" + name, "GIT_COMMITTER_EMAIL=" + email,
		"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "HOME=" + r.dir, "PATH=" + os.Getenv("PATH"), "GIT_EDITOR=true",
	}
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	out, err := r.try("", args...)
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (r *repository) try(stdin string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	stamp := r.now.Format(time.RFC3339)
	cmd.Dir, cmd.Env, cmd.Stdin = r.dir, append(r.env, "GIT_AUTHOR_DATE="+stamp, "GIT_COMMITTER_DATE="+stamp), strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (r *repository) write(path, text string) {
	r.t.Helper()
	full := filepath.Join(r.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// commit writes files (path, text, path, text ...), commits them a minute later, and gives the hash.
func (r *repository) commit(message string, files ...string) string {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	for i := 0; i+1 < len(files); i += 2 {
		r.write(files[i], files[i+1])
	}
	r.git("add", "-A")
	if out, err := r.try(message, "commit", "-q", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim", "-F", "-"); err != nil {
		r.t.Fatalf("commit: %v\n%s", err, out)
	}
	return r.git("rev-parse", "HEAD")
}

// merge merges branches a minute later and gives the hash.
func (r *repository) merge(message string, branches ...string) string {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	r.git(append([]string{"merge", "-q", "--no-ff", "-m", message}, branches...)...)
	return r.git("rev-parse", "HEAD")
}

type options map[string]any

func newProvider(t testing.TB, dir string, set options) providers.Provider {
	t.Helper()
	p, err := makeProvider(dir, set)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func makeProvider(dir string, set options) (providers.Provider, error) {
	if set == nil {
		set = options{}
	}
	if set["path"] == nil {
		set["path"] = dir
	}
	data, err := yaml.Marshal(set)
	if err != nil {
		return nil, err
	}
	env := providers.Environment{
		Name: "repo", Environment: "prod", Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}
	return git.Factory().New(env, func(into any) error {
		dec := yaml.NewDecoder(strings.NewReader(string(data)))
		dec.KnownFields(true)
		return dec.Decode(into)
	})
}

// read gives the changes of a window in the order in which they came.
func read(t testing.TB, p providers.Provider, w providers.Window) []providers.Change {
	t.Helper()
	list, err := tryRead(t.Context(), p, w)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func tryRead(ctx context.Context, p providers.Provider, w providers.Window) ([]providers.Change, error) {
	var list []providers.Change
	for c, err := range p.(providers.ChangeSource).Changes(ctx, w) {
		if err != nil {
			return list, err
		}
		list = append(list, c)
	}
	return list, nil
}

// one finds the change with this id.
func one(t testing.TB, list []providers.Change, id string) providers.Change {
	t.Helper()
	for _, c := range list {
		if c.ID == id {
			return c
		}
	}
	t.Fatalf("no change %s among %s", id, titles(list))
	return providers.Change{}
}

func titles(list []providers.Change) string {
	var b strings.Builder
	for _, c := range list {
		b.WriteString("\n" + c.LandedAt.Format(time.RFC3339) + " " + c.ID + " " + c.Title)
	}
	return b.String()
}
