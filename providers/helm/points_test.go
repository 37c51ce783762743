//go:build linux

package helm_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/backout-dev/backout/providers/helm"
	"github.com/backout-dev/backout/rollback"
)

// wire lies between the writer and the API server, and kills the writer at one of its writes: before it arrives, or after it
// had its effect and before it is answered.
type wire struct {
	to     http.Handler
	writer string // the path of its program

	mu     sync.Mutex
	at     int // which write; 0 is none
	after  bool
	writes int
	killed bool
}

func (w *wire) arm(at int, after bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at, w.after, w.writes, w.killed = at, after, 0, false
}

func (w *wire) disarmed() (killed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = 0
	return w.killed
}

func (w *wire) ServeHTTP(out http.ResponseWriter, q *http.Request) {
	now, after := w.counts(q)
	if now && !after {
		w.kill()
		return
	}
	if now {
		answer := httptest.NewRecorder()
		w.to.ServeHTTP(answer, q)
		w.kill()
		return
	}
	w.to.ServeHTTP(out, q)
}

// counts reports whether this is the write to kill at. What the API server does not keep is no write.
func (w *wire) counts(q *http.Request) (now, after bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q.Method == http.MethodGet || q.URL.Query().Has("dryRun") || strings.Contains(q.URL.Path, "selfsubject") || w.at == 0 || w.killed {
		return false, false
	}
	if w.writes++; w.writes != w.at {
		return false, false
	}
	w.killed = true
	return true, w.after
}

// kill ends every process of the writer's program, as kill -9 does.
func (w *wire) kill() {
	links, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, l := range links {
		if path, err := os.Readlink(l); err == nil && path == w.writer {
			if pid, err := strconv.Atoi(strings.Split(l, "/")[2]); err == nil {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// through makes a kubeconfig that leads through a wire.
func (r *release) through(t *testing.T, writer string) (*wire, string) {
	t.Helper()
	w := &wire{writer: writer}
	return w, r.c.Between(t, func(on *httputil.ReverseProxy) http.Handler {
		w.to = on
		return w
	})
}

// R3: the writer is killed at each of its writes in turn, before and after it had its effect. What comes next tells what is
// so, finishes the operation, with every object and every deletion, and leaves no lock; it asks nobody to delete anything.
func killedAtEveryPoint(t *testing.T, r *release) {
	program := filepath.Join(t.TempDir(), "backout-helm")
	if err := os.Link(r.program, program); err != nil {
		t.Fatal(err)
	}
	one, two := values("a=1", "b=1"), values("a=2", "b=2", "new=2")
	r.deploy(t, "1.0.0", one)
	w, kubeconfig := r.through(t, program)
	p := r.provider(t, func(s map[string]any) { s["kubeconfig"], s["program"] = kubeconfig, program })
	for at := 1; ; at++ {
		for _, after := range []bool{false, true} {
			r.deploy(t, "1.1.0", two)
			to := labelled(t, r.observe(t, p), "v1")
			prop, err := p.Plan(t.Context(), r.observe(t, p), to)
			if err != nil || len(prop.Missing) > 0 {
				t.Fatalf("%+v %v", prop, err)
			}
			op := fmt.Sprintf("op%d%t", at, after)
			w.arm(at, after)
			first := r.apply(t, p, op, prop.Steps[0])
			if !w.disarmed() {
				if at < 6 || first.Outcome != rollback.Applied {
					t.Errorf("only %d writes: %+v", at-1, first)
				}
				t.Logf("killed before and after each of %d writes", at-1)
				return
			}
			r.finished(t, p, op, prop.Steps[0], first, to)
		}
	}
}

// finished looks that an operation whose writer was killed ends well the next time.
func (r *release) finished(t *testing.T, p *helm.Provider, op string, step rollback.Step, first rollback.Result, to rollback.Revision) {
	t.Helper()
	if first.Outcome != rollback.OutcomeUnknown || strings.Contains(first.Detail, "delete") {
		t.Errorf("%s: %+v", op, first)
	}
	if obs := r.observe(t, p); obs.Stamp == op && obs.Current.Digest != to.Digest {
		t.Errorf("%s: it is its own record and not its content: %+v", op, obs)
	}
	again := r.apply(t, p, op, step)
	if again.Outcome != rollback.Applied && again.Outcome != rollback.AlreadyApplied {
		t.Fatalf("%s: %+v, and before %+v", op, again, first)
	}
	r.holds(t, "a=1", "b=1", "new=-")
	obs := r.observe(t, p)
	if obs.Stamp != op || obs.InFlight != "" || obs.Current.Digest != to.Digest {
		t.Errorf("%s: %+v", op, obs)
	}
	passed(t, r.converged(t, p, to))
}
