package rollouts_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os/exec"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/providers/rollouts"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// job is what a process of its own is to apply.
type job struct {
	Kubeconfig, Namespace string
	Op                    rollback.Operation
	Step                  rollback.Step
}

func alone(j job) error {
	p, err := rollouts.Factory().New(providers.Environment{
		Name: "rollouts", Dir: "/", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: &providertest.Archive{},
	}, func(into any) error {
		return yaml.Unmarshal(fmt.Appendf(nil, "kubeconfig: %s\nnamespaces: [%s]\nmin_soak: 1ms\n", j.Kubeconfig, j.Namespace), into)
	})
	if err != nil {
		return err
	}
	res, err := p.(rollback.Reverser).Apply(context.Background(), j.Op, j.Step)
	if err == nil && res.Outcome != rollback.Applied {
		return fmt.Errorf("%+v", res)
	}
	return err
}

// wire lies between a process that applies and the API server, and kills the process at one of its writes: before it arrives,
// or after it had its effect and before it is answered.
type wire struct {
	to         http.Handler
	kubeconfig string

	mu     sync.Mutex
	at     int
	after  bool
	writes int
	victim *exec.Cmd
	killed bool
}

func newWire(t *testing.T, w *world) *wire {
	t.Helper()
	out := &wire{}
	out.kubeconfig = w.Between(t, func(on *httputil.ReverseProxy) http.Handler {
		out.to = on
		return out
	})
	return out
}

// through sets what is behind the wire.
func (w *wire) through(to http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = to
}

func (w *wire) ServeHTTP(out http.ResponseWriter, q *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q.Method != http.MethodPatch || q.URL.Query().Has("dryRun") || w.killed {
		w.to.ServeHTTP(out, q)
		return
	}
	if w.writes++; w.writes != w.at {
		w.to.ServeHTTP(out, q)
		return
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	if q.Body = io.NopCloser(bytes.NewReader(body)); w.after {
		w.to.ServeHTTP(httptest.NewRecorder(), q)
	}
	w.killed = true
	_ = w.victim.Process.Kill()
}

// kill applies a step in a process of its own and kills that at a write. It is false when there are fewer writes.
func (w *wire) kill(t *testing.T, s *shop, at int, after bool, op string, step rollback.Step) bool {
	t.Helper()
	cmd, err := rollbacktest.Command(t.Context(), job{w.kubeconfig, s.ns, rollback.Operation{ID: op, Fence: 1}, step})
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	w.mu.Lock()
	w.at, w.after, w.writes, w.victim, w.killed = at, after, 0, cmd, false
	err = cmd.Start()
	w.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.killed && err != nil {
		t.Fatalf("%s was not killed at write %d, and ended with %v: %s", op, at, err, &said)
	}
	return w.killed
}

// The process that applies is killed at each of its writes in turn, before and after the write had its effect: the three of an
// abort, the one of an undo. What comes next finishes the operation, once.
func killedAtEveryPoint(t *testing.T, w *world) {
	s := w.shop(t, "killed")
	wire := newWire(t, w)
	s.apply("cart:1")
	s.until("Healthy")
	s.apply("cart:2")
	s.until("Paused")
	to := s.revision("rev1")
	writes := s.killed(wire, "abort", to, func() {
		if s.get(".status.abort") == "true" {
			s.argo("retry", "rollout", "cart")
		}
		s.until("Paused")
	})
	if writes != 3 {
		t.Errorf("an abort has %d writes", writes)
	}
	n := 2
	writes = s.killed(wire, "undo", to, func() {
		n++
		s.apply(fmt.Sprint("cart:", n), strategy(obj{"canary": obj{}}))
		s.until("Healthy")
	})
	if writes != 1 {
		t.Errorf("an undo has %d writes", writes)
	}
}

func (s *shop) killed(wire *wire, action string, to rollback.Revision, ready func()) int {
	s.t.Helper()
	for at := 1; ; at++ {
		for _, after := range []bool{false, true} {
			ready()
			prop, err := s.p.Plan(s.t.Context(), s.observe(), to)
			if err != nil || len(prop.Steps) != 1 || prop.Steps[0].Action != action {
				s.t.Fatalf("%+v %v", prop, err)
			}
			op := fmt.Sprintf("%s-%d-%t", action, at, after)
			if !wire.kill(s.t, s, at, after, op, prop.Steps[0]) {
				return at - 1
			}
			if res := s.try(op, prop.Steps[0]); res.Outcome != rollback.Applied && res.Outcome != rollback.AlreadyApplied {
				s.t.Fatalf("%s: %+v", op, res)
			}
			if obs := s.observe(); obs.Stamp != op || obs.Current.Digest != to.Digest {
				s.t.Errorf("%s: %+v", op, obs)
			}
			if res := s.try(op, prop.Steps[0]); res.Outcome != rollback.AlreadyApplied {
				s.t.Errorf("%s, once more: %+v", op, res)
			}
		}
	}
}
