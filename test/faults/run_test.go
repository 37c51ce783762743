//go:build unix

package faults

import (
	"encoding/json"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// hold sets how long a run watches.
func (w *world) hold(d string) {
	w.t.Helper()
	w.write("backout.yaml", strings.Replace(w.read("backout.yaml"), "hold: 200ms", "hold: "+d, 1))
}

// contains reports whether what a command says holds the text.
func (w *world) contains(command, text string) bool {
	return strings.Contains(w.run(strings.Fields(command)...).stdout, text)
}

// journaled is what these tests read of a run.
type journaled struct {
	ID, State, Executor string
	Alive               bool
}

// journal reads the runs, newest first.
func (w *world) journal() []journaled {
	w.t.Helper()
	var out []journaled
	for line := range strings.Lines(w.run("runs", "list", "--output", "jsonl").stdout) {
		var j journaled
		if err := json.Unmarshal([]byte(line), &j); err != nil {
			w.t.Fatalf("%v in %s", err, line)
		}
		out = append(out, j)
	}
	return out
}

// busy reports whether somebody works on a run.
func (w *world) busy(id string) bool {
	for _, j := range w.journal() {
		if j.ID == id {
			return j.Alive
		}
	}
	return false
}

// kill kills the process that works on a run.
func (w *world) kill(id string) {
	w.t.Helper()
	for _, j := range w.journal() {
		if _, pid, ok := strings.Cut(j.Executor, ":"); ok && j.ID == id {
			n, err := strconv.Atoi(pid)
			w.must(err)
			w.must(syscall.Kill(n, syscall.SIGKILL))
			return
		}
	}
	w.t.Fatalf("nobody works on %s", id)
}

// until waits for a condition.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			w.t.Fatalf("not %s after %s: %s", what, patience, w.run("runs", "show", "RUN-0001"))
		case <-tick.C:
		}
	}
}
