//go:build unix

package releases

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// job is what a child process is asked to apply.
type job struct {
	Base string
	Op   rollback.Operation
	Step rollback.Step
}

// TestMain lets this binary be the process that applies and is killed.
func TestMain(m *testing.M) {
	rollbacktest.Child(alone)
	os.Exit(m.Run())
}

func alone(j job) error {
	p, err := tryMake(&providertest.Archive{}, (&shop{base: j.Base}).settings())
	if err != nil {
		return err
	}
	// At each point of the switch there is a moment to be killed in.
	p.host.(*local).at = func(string) { time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond) }
	fmt.Println("begin")
	res, err := p.Apply(context.Background(), j.Op, j.Step)
	fmt.Println(res.Outcome, err)
	return nil
}

// kill runs one apply in a process and kills it at a random moment.
func (s *shop) kill(ctx context.Context, op rollback.Operation, step rollback.Step) error {
	cmd, err := rollbacktest.Command(ctx, job{s.base, op, step})
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		return fmt.Errorf("the child did not begin: %w", err)
	}
	time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond) // the instant of the kill is what is random
	_ = cmd.Process.Kill()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// A process applies and is killed at a random moment, while another deploys without asking. However they meet: current
// always leads to a release, the last deploy is never lost, and the next one who locks leaves nothing half done.
func TestKilledWhileOthersDeploy(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	needExchange(t, p)
	s.release("r43", "app.txt", "hotfix")
	for round := range 60 {
		step := way(t, p, "r41")
		op := rollback.Operation{ID: fmt.Sprintf("op%d", round), Fence: 1}
		deployed := make(chan error, 1)
		go func() {
			time.Sleep(time.Duration(rand.IntN(6000)) * time.Microsecond) // the order of the two is what is random
			deployed <- s.tryDeploy("releases/r43")
		}()
		if err := s.kill(t.Context(), op, step); err != nil {
			t.Fatal(err)
		}
		if err := <-deployed; err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(s.base, "current", "app.txt")); err != nil {
			t.Fatalf("round %d: current leads nowhere: %v", round, err)
		}
		release, err := p.Lock(t.Context(), pricing, op, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.target(); got != "releases/r43" {
			t.Fatalf("round %d: the deploy is lost, current is %s", round, got)
		}
		res := apply(t, p, op.ID, step)
		if res.Outcome != rollback.PreconditionFailed {
			t.Fatalf("round %d: applied again, it gave %+v", round, res)
		}
		if err := release(t.Context()); err != nil {
			t.Fatal(err)
		}
		noLeftovers(t, s)
		s.deploy("r42")
	}
}
