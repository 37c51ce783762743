//go:build unix

package git_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/git"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// job is what a child process is asked to apply. Stop: the point that it waits at, to be killed there.
type job struct {
	Dir  string
	Op   rollback.Operation
	Step rollback.Step
	Stop string
}

// TestMain lets this binary be the process that applies and is killed.
func TestMain(m *testing.M) {
	rollbacktest.Child(alone)
	os.Exit(m.Run())
}

func alone(j job) error {
	p, err := makeProvider(j.Dir, reverting("branch", "main", "history", "1000"))
	if err != nil {
		return err
	}
	git.At(p, func(point string) {
		if point == j.Stop {
			fmt.Println("at " + point)
			select {}
		}
	})
	if j.Stop == "" {
		fmt.Println("begin")
	}
	res, err := p.(rollback.Reverser).Apply(context.Background(), j.Op, j.Step)
	fmt.Println(res.Outcome, err)
	return nil
}

// spawn runs one apply in a process of its own and kills that, with what it started, once it has told where it is.
func (f *fleet) spawn(ctx context.Context, j job, wait func()) error {
	j.Dir = f.mine.dir
	cmd, err := rollbacktest.Command(ctx, j)
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, "TMPDIR="+f.theirs.t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	_, err = out.Read(make([]byte, 16))
	wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	var exit *exec.ExitError
	if ended := cmd.Wait(); ended != nil && !errors.As(ended, &exit) {
		return ended
	}
	return err
}

// foreign lands a content as somebody else would, whatever stands there: with something in between, so that it is a
// change also where the content is there already.
func (f *fleet) foreign(content string) error {
	f.theirs.now = f.theirs.now.Add(time.Minute)
	run := func(args ...string) error {
		if out, err := f.theirs.try("", args...); err != nil {
			return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	for {
		if err := errors.Join(run("fetch", "-q", "origin", "main"), run("reset", "-q", "--hard", "FETCH_HEAD")); err != nil {
			return err
		}
		for _, text := range []string{"in between\n", content} {
			f.theirs.write("services/pricing/app.txt", text)
			if err := run("commit", "-q", "-a", "--allow-empty", "-m", "pricing: by somebody else"); err != nil {
				return err
			}
		}
		switch err := run("push", "-q", "origin", "HEAD:main"); {
		case err == nil:
			return nil
		case strings.Contains(err.Error(), "rejected"):
		default:
			return err
		}
	}
}

// twoContents is a fleet whose pricing goes between two contents.
func twoContents(t testing.TB) (f *fleet, contents map[string]string) {
	f = newFleet(t)
	f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
	r := f.provider()
	obs := observed(t, r, pricing)
	return f, map[string]string{obs.Current.Digest: "bad\n", obs.History[0].Digest: "one\ntwo\nthree\nfour\nfive\nsix\n"}
}

func (f *fleet) state(context.Context) (string, error) {
	return f.theirs.try("", "-C", f.bare, "for-each-ref")
}

func TestReverterKeepsThePromises(t *testing.T) {
	f, contents := twoContents(t)
	rollbacktest.Run(t, rollbacktest.Suite{
		Reverser: f.provider("history", "1000"), Unit: pricing, Timeout: 20 * time.Second, State: f.state,
		Few:     os.Getenv("CI") != "true", // each round is a hundred calls of git
		Foreign: func(_ context.Context, to rollback.Revision) error { return f.foreign(contents[to.Digest]) },
		Relabel: func(context.Context) error {
			_, err := f.theirs.try("", "-C", f.bare, "branch", "-f", "again", "main")
			return err
		},
		// The instant of the kill is what is random.
		Kill: func(ctx context.Context, op rollback.Operation, step rollback.Step) error {
			return f.spawn(ctx, job{Op: op, Step: step}, func() { time.Sleep(time.Duration(rand.IntN(120)) * time.Millisecond) })
		},
	})
}

// Killed between the commit and the push, nothing has happened, here and there; killed after the push, it is found.
func TestKilledAroundThePush(t *testing.T) {
	for point, want := range map[string]rollback.Outcome{"built": rollback.Applied, "pushed": rollback.AlreadyApplied} {
		t.Run(point, func(t *testing.T) {
			f := newFleet(t)
			good := f.tip("main")
			bad := f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
			r := f.provider()
			step := wayBack(t, r, pricing, good[:10])
			before := everything(t, f.mine.dir)
			if err := f.spawn(t.Context(), job{Op: op("OP1"), Step: step, Stop: point}, func() {}); err != nil {
				t.Fatal(err)
			}
			if point == "built" && f.tip("main") != bad {
				t.Error("something was pushed")
			}
			if everything(t, f.mine.dir) != before {
				t.Error("the clone is not as it was")
			}
			if res := applied(t, r, op("OP1"), step); res.Outcome != want {
				t.Errorf("asked again: %+v", res)
			}
			if n := f.theirs.git("-C", f.bare, "rev-list", "--count", "--grep=Backout-Op: OP1", "main"); n != "1" {
				t.Errorf("%s commits", n)
			}
		})
	}
}

// Somebody pushes between the commit and the push, on the same files or on others.
func TestSomebodyPushesInBetween(t *testing.T) {
	for path, want := range map[string]rollback.Outcome{"services/pricing/app.txt": rollback.PreconditionFailed, "services/orders/app.txt": rollback.Applied} {
		t.Run(path, func(t *testing.T) {
			f := newFleet(t)
			good := f.tip("main")
			f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
			r := f.provider()
			step := wayBack(t, r, pricing, good[:10])
			var once sync.Once
			git.At(r.(providers.Provider), func(point string) {
				if point == "built" {
					once.Do(func() { f.land("by somebody else", path, "theirs\n") })
				}
			})
			if res := applied(t, r, op("OP1"), step); res.Outcome != want {
				t.Errorf("got %+v", res)
			}
			if f.show("main", path) != "theirs" {
				t.Error("what somebody else pushed is lost")
			}
		})
	}
}

// Two operators and somebody who lands things, in any order: of the two at most one takes effect, nothing that somebody
// landed is lost, and each is told the truth.
func TestRivalsInAnyOrder(t *testing.T) {
	rounds := 4
	if n, err := strconv.Atoi(os.Getenv("BACKOUT_TEST_ROUNDS")); err == nil {
		rounds = n
	}
	f := newFleet(t)
	rivals := []rollback.Reverser{f.provider(), f.provider()}
	for round := range rounds {
		f.theirs.git("pull", "-q", "--no-edit", "origin", "main")
		bad := f.land("pricing: bad", "services/pricing/app.txt", fmt.Sprintf("bad %d\n", round))
		step := wayBack(t, rivals[0], pricing, f.theirs.git("rev-parse", bad+"^1")[:10])
		paths := []string{"services/pricing/app.txt", "services/orders/app.txt"}
		path, text := paths[rand.IntN(2)], fmt.Sprintf("theirs %d\n", round)
		var got [2]rollback.Outcome
		var wg sync.WaitGroup
		for i, r := range rivals {
			delay := time.Duration(rand.IntN(100)) * time.Millisecond
			wg.Go(func() {
				time.Sleep(delay) // the order of the three is what is random
				got[i] = applied(t, r, op(fmt.Sprintf("OP-%d-%d", round, i)), step).Outcome
			})
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond)
		f.theirs.now = f.theirs.now.Add(time.Minute)
		mine := f.theirs.commit("by somebody else", path, text)
		_, pushed := f.theirs.try("", "push", "-q", "origin", "main")
		wg.Wait()
		n := 0
		for _, o := range got {
			switch o {
			case rollback.Applied:
				n++
			case rollback.PreconditionFailed:
			default:
				t.Fatalf("round %d: a rival got %q", round, o)
			}
		}
		commits := f.theirs.git("-C", f.bare, "rev-list", "--count", fmt.Sprintf("--grep=Backout-Op: OP-%d-", round), "main")
		if n > 1 || commits != strconv.Itoa(n) || (n == 0 && pushed != nil) {
			t.Fatalf("round %d: %v, and the branch has %s reverts (theirs: %v)", round, got, commits, pushed)
		}
		if pushed != nil {
			f.theirs.git("reset", "-q", "--hard", "HEAD^")
		} else if f.theirs.git("-C", f.bare, "rev-list", "--count", mine+"^.."+mine, "main"); f.show("main", path) != strings.TrimSpace(text) {
			t.Fatalf("round %d: what somebody else landed on %s is lost: %v", round, path, got)
		}
	}
}

// Over the network, with a server that takes the push and whose answer never comes: unknown, and then found.
func TestAnAnswerThatIsLostIsUnknownAndThenFound(t *testing.T) {
	f := newFleet(t)
	good := f.tip("main")
	f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
	f.mine.git("remote", "set-url", "origin", f.daemon())
	r := f.provider()
	step := wayBack(t, r, pricing, good[:10])
	gate := filepath.Join(t.TempDir(), "gate")
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hook := "#!/bin/sh\nwhile [ -e '" + gate + "' ]; do sleep .05; done\n" // it may never begin: whoever pushed is killed
	if err := os.WriteFile(filepath.Join(f.bare, "hooks", "post-receive"), []byte(hook), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tip := f.tip("main")
	go func() {
		for f.tip("main") == tip && t.Context().Err() == nil {
			time.Sleep(time.Millisecond) // between two looks at the remote
		}
		cancel() // it has arrived, and its answer waits for the gate
	}()
	res, err := r.Apply(ctx, op("OP1"), step)
	if err != nil || res.Outcome != rollback.OutcomeUnknown {
		t.Fatalf("got %+v %v", res, err)
	}
	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	if obs := observed(t, r, pricing); obs.Stamp != "OP1" || obs.Current.Digest != step.To {
		t.Errorf("observed %+v", obs)
	}
	if res := applied(t, r, op("OP1"), step); res.Outcome != rollback.AlreadyApplied {
		t.Errorf("again: %+v", res)
	}
}

// daemon serves the remote over the git protocol and gives its address.
func (f *fleet) daemon() string {
	f.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	dir := filepath.Dir(f.bare)
	cmd := exec.Command("git", "daemon", "--reuseaddr", "--listen=127.0.0.1", "--port="+strconv.Itoa(port), "--base-path="+dir,
		"--export-all", "--enable=receive-pack", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	address := fmt.Sprintf("git://127.0.0.1:%d/shop.git", port)
	for f.t.Context().Err() == nil {
		if _, err := f.theirs.try("", "ls-remote", address); err == nil {
			return address
		}
		time.Sleep(10 * time.Millisecond) // between two questions to a server that is starting
	}
	f.t.Fatal("git daemon does not serve")
	return ""
}
