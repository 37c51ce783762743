//go:build linux

package helm_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// The process is killed at a random instant, again and again. Its writer dies with it, and who comes next finishes the same
// operation: once, and without anybody's hand.
func killedRollbackIsFinished(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1"), "b.yaml": config("b", "1")})
	r.deploy(t, "1.1.0", map[string]string{"a.yaml": config("a", "2"), "b.yaml": config("b", "2")})
	// It looks whether its writer runs, so it has one to itself.
	mine := *r.world
	mine.program = filepath.Join(t.TempDir(), "writer")
	if err := os.Link(r.program, mine.program); err != nil {
		t.Fatal(err)
	}
	r.world = &mine
	p := r.writing(t, nil)
	begun := 0
	for n := range 4 {
		obs := r.observe(t, p)
		to := obs.History[0]
		for _, h := range obs.History { // the newest with other content
			if h.Digest != obs.Current.Digest {
				to = h
				break
			}
		}
		prop, err := p.Plan(t.Context(), obs, to)
		if err != nil || len(prop.Missing) > 0 {
			t.Fatalf("%+v, %v", prop, err)
		}
		op := rollback.Operation{ID: "kill" + string(rune('a'+n))}
		// The program takes some 200 ms until it writes, and as long again until it is through.
		r.applyAndKill(t, op, prop.Steps[0], time.Duration(rand.IntN(700))*time.Millisecond)
		r.orphansEnd(t)
		if r.observe(t, p).Stamp == op.ID {
			begun++
		}
		res := r.apply(t, p, op.ID, prop.Steps[0])
		if res.Outcome != rollback.Applied && res.Outcome != rollback.AlreadyApplied {
			t.Fatalf("kill %d: %+v", n, res)
		}
		after := r.observe(t, p)
		if after.Current.Digest != to.Digest || after.Stamp != op.ID || after.InFlight != "" {
			t.Errorf("kill %d: %+v", n, after)
		}
		r.converged(t, p, to)
	}
	t.Logf("%d of 4 were killed after they had begun to write", begun)
}

func (r *release) applyAndKill(t *testing.T, op rollback.Operation, step rollback.Step, after time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), after) // then it is killed
	defer cancel()
	cmd, err := rollbacktest.Command(ctx, job{map[string]any{
		"kubeconfig": r.c.Kubeconfig, "namespaces": []string{r.namespace}, "program": r.program, "min_soak": "1ms",
	}, op, step})
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Run()
}

// orphansEnd waits until no writer of this release runs any more.
func (r *release) orphansEnd(t *testing.T) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); ; {
		links, _ := filepath.Glob("/proc/[0-9]*/exe")
		alive := false
		for _, l := range links {
			if path, err := os.Readlink(l); err == nil && path == r.program {
				alive = true
			}
		}
		if !alive {
			return
		}
		if time.Now().After(until) {
			t.Fatal("the writer outlives who started it")
		}
	}
}
