//go:build unix

package faults

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// screen is the console in a real terminal, in tmux on a socket of its own.
type screen struct {
	w      *world
	socket string
	raw    string // the file that everything the program writes goes to
}

func (w *world) open(args ...string) *screen {
	w.t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") == "true" {
			w.t.Fatal("tmux is not on PATH: CI must have it")
		}
		w.t.Skip("SKIPPED: tmux is not on PATH, so the console was not looked at in a real terminal")
	}
	dir, err := os.MkdirTemp(w.dir, "tmux-")
	w.must(err)
	s := &screen{w: w, socket: filepath.Join(dir, "socket"), raw: filepath.Join(dir, "raw")}
	w.must(os.WriteFile(s.raw, nil, 0o600))
	quoted := make([]string, 0, len(args)+1)
	for _, a := range append([]string{program}, args...) {
		quoted = append(quoted, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	// The program waits until everything that it writes is caught.
	s.tmux("-f", os.DevNull, "new-session", "-d", "-s", "x", "-x", "120", "-y", "36", "-c", w.dir, "env", "TERM=xterm-256color", "sh", "-c",
		"read go; "+strings.Join(quoted, " ")+"; echo EXIT $?; exec cat")
	s.tmux("pipe-pane", "-t", "x", "cat > '"+s.raw+"'")
	s.tmux("send-keys", "-t", "x", "Enter")
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("last screen:\n%s", s.text())
		}
		s.tmux("kill-server")
	})
	return s
}

func (s *screen) tmux(args ...string) string {
	s.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // also used while the test is cleaned up
	defer cancel()
	cmd := exec.CommandContext(ctx, "tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Env = s.w.env
	out, err := cmd.CombinedOutput()
	if err != nil && args[0] != "kill-server" {
		s.w.t.Logf("tmux %v: %v: %s", args, err, out)
	}
	return strings.TrimRight(string(out), "\n")
}

func (s *screen) text() string { return s.tmux("capture-pane", "-p", "-t", "x") }

// waits until the screen holds all of the texts.
func (s *screen) waits(texts ...string) string {
	s.w.t.Helper()
	var text string
	s.w.until("on the screen: "+strings.Join(texts, ", "), func() bool {
		text = s.text()
		for _, t := range texts {
			if !strings.Contains(text, t) {
				return false
			}
		}
		return true
	})
	return text
}

// press sends keys as a person would, one at a time: quicker ones count as a paste, which is dropped.
func (s *screen) press(keys ...string) {
	s.w.t.Helper()
	for _, k := range keys {
		s.tmux("send-keys", "-t", "x", k)
		<-time.After(30 * time.Millisecond)
	}
}

// quit ends the console, which writes down what it knows.
func (s *screen) quit() {
	s.w.t.Helper()
	s.press("q")
	s.waits("EXIT 0")
}

// Two consoles on one state directory: each shows what the other one does, and a unit is held by one run.
func TestTwoConsolesOnOneRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("  releases: {units: [" + w.releases("shop") + "]}\n")
	w.hold("3s")
	one, two := w.open(), w.open()
	one.waits("release r2", "LIVE")
	two.waits("release r2", "LIVE")
	w.run("note", "seen by both").ends(fine)
	one.waits("seen by both")
	two.waits("seen by both")

	w.rollBack("shop", "--to", "r1", "--detach").ends(fine)
	one.waits("RUN-0001 verifying")
	two.waits("RUN-0001 verifying")
	w.rollBack("shop", "--to", "r1").ends(locked).says("RUN-0001 holds releases:local/shop: follow it .*or stop it")
	other := w.command("runs", "attach", "RUN-0001") // two who follow it are no trouble either
	w.must(other.Start())
	w.run("runs", "attach", "RUN-0001").ends(fine).shows("succeeded")
	w.must(other.Wait())
	one.waits("RUN-0001 succeeded", "rollback")
	two.waits("RUN-0001 succeeded", "rollback")
	one.quit()
	two.waits("LIVE") // what one does at its end leaves the other alone
	two.quit()
	w.run("ledger", "verify").ends(fine).shows("the chain holds")
}

// Many commands at once write one chain.
func TestManyWritersOfOneRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("  releases: {units: [" + w.releases("shop") + "]}\n")
	const n = 8
	results := make(chan result, n)
	for range n {
		cmd := w.command("note", "one of many")
		go func() { results <- w.end(cmd) }()
	}
	for range n {
		(<-results).ends(fine)
	}
	w.run("ledger", "verify").ends(fine).shows("^8 entries, the chain holds")
}

// The console shows what it has at once, with its age, while a source hangs; nothing hostile reaches the terminal; and a
// record that is lost is said.
func TestTheConsoleOnEverythingBroken(t *testing.T) {
	t.Parallel()
	needGit(t)
	w := newWorld(t)
	m := newMonitoring(t, alertmanager(1))
	w.repository("repo", hostile, "pricing: begin", "\x1b]0;owned\x07")
	others := "  git: {path: repo}\n  releases: {units: [" + w.releases("shop") + "]}\n"
	w.configure(m.settings() + others)
	w.run("timeline", "--strict").ends(fine).shows("ALERT firing +shop0")
	m.set(hang)
	w.configure(m.waiting("500ms") + others)
	w.must(os.RemoveAll(w.path("shop")))
	w.must(os.WriteFile(w.path("state/backout.db"), []byte("no database, for sure"), 0o600))
	s := w.open()
	s.waits("evil title", "READ-ONLY", "too many errors", "alerts FAIL", "releases FAIL", "git ok", "showing its data from")
	s.quit()
	raw, err := os.ReadFile(s.raw)
	w.must(err)
	if len(raw) < 1000 {
		t.Fatalf("only %d bytes were caught", len(raw))
	}
	for _, bad := range []string{"\x1b]52;c;aGk=", "]0;owned", "\x9b", "\u202e", "\x0b"} {
		if strings.Contains(string(raw), bad) {
			t.Errorf("%q reached the terminal", bad)
		}
	}
}

// Before any source has answered, what was known last is there, with its age.
func TestTheConsoleBeforeAnyAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := newMonitoring(t, alertmanager(1))
	w.configure(m.waiting("3s"))
	w.run("timeline", "--strict").ends(fine).shows("ALERT firing +shop0")
	m.set(hang)
	s := w.open()
	s.waits("CACHED", "too many errors", "alerts FAIL", "showing its data from")
	m.set(alertmanager(1))
	s.waits("LIVE 2/2", "alerts ok")
	s.quit()
}
