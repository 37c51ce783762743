//go:build unix

package console

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/test/oncall"
)

// program is the backout executable that the tests drive.
var program string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "backout-console-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := readSources(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if program, err = oncall.Build(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil { // these tests wait for somebody most of the time
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// readSources looks at every source file, because the test cache does not know that the program under test is made of
// them, and would call a result its own that is another program's.
func readSources() error {
	return filepath.WalkDir(filepath.Join("..", ".."), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".go" {
			_, err = os.Stat(path)
		}
		return err
	})
}

// terminal is a real terminal of a real size, in tmux on a socket of its own.
type terminal struct {
	t      *testing.T
	socket string
	keys   int
}

// open starts args in a terminal of that size.
func open(t *testing.T, cols, rows int, env []string, args ...string) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("tmux is not on PATH: CI must have it")
		}
		t.Skip("SKIPPED: tmux is not on PATH, so the console was not driven in a real terminal")
	}
	term := &terminal{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	command := append([]string{"env", "-u", "TMUX", "TERM=xterm-256color", "LANG=C.UTF-8", "XDG_STATE_HOME=" + t.TempDir(), "XDG_CACHE_HOME=" + t.TempDir(), "XDG_CONFIG_HOME=" + t.TempDir()}, env...)
	command = append(command, args...)
	term.tmux(append([]string{
		"-f", "/dev/null", "new-session", "-d", "-s", "x", "-x", fmt.Sprint(cols), "-y", fmt.Sprint(rows),
		strings.Join(quoteAll(command), " ") + "; echo EXIT $?; exec cat",
	}, ";", "set", "-g", "status", "off")...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("last screen:\n%s", term.screen())
		}
		term.tmux("kill-server")
	})
	return term
}

func quoteAll(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return out
}

func (term *terminal) tmux(args ...string) string {
	term.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // also used while the test is cleaned up
	defer cancel()
	cmd := exec.CommandContext(ctx, "tmux", append([]string{"-S", term.socket}, args...)...)
	cmd.Env = oncall.Environ() // the server's, and so that of what runs in it
	out, err := cmd.CombinedOutput()
	if err != nil && args[0] != "kill-server" {
		term.t.Logf("tmux %v: %v: %s", args, err, out)
	}
	return string(bytes.TrimRight(out, "\n"))
}

// press sends keys as a person would, one at a time, and counts them.
func (term *terminal) press(keys ...string) {
	term.t.Helper()
	for _, k := range keys {
		term.keys++
		term.tmux("send-keys", "-t", "x", k)
		<-time.After(30 * time.Millisecond) // a person's fastest; quicker ones count as a paste, which is dropped
	}
}

func (term *terminal) screen() string { return term.tmux("capture-pane", "-p", "-t", "x") }

// waitFor waits until the screen matches the expression.
func (term *terminal) waitFor(within time.Duration, expr string) string {
	term.t.Helper()
	re := regexp.MustCompile(expr)
	return term.until(within, expr, func(screen string) bool { return re.MatchString(screen) })
}

// wait waits until the screen holds all of the texts.
func (term *terminal) wait(within time.Duration, texts ...string) string {
	term.t.Helper()
	return term.until(within, strings.Join(texts, " and "), func(screen string) bool {
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				return false
			}
		}
		return true
	})
}

func (term *terminal) until(within time.Duration, what string, ok func(screen string) bool) string {
	term.t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		screen := term.screen()
		if ok(screen) {
			return screen
		}
		select {
		case <-deadline:
			term.t.Fatalf("after %s the screen does not show %s:\n%s", within, what, screen)
		case <-tick.C:
		}
	}
}
