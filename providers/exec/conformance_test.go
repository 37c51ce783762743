//go:build unix

package exec_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

const twoEvents = `
case $BACKOUT_METHOD in
changes)
echo '{"type":"change","id":"c1","title":"one","effective_from":"2026-08-01T10:00:00+02:00"}'
echo '{"type":"change","id":"c2","title":"two \u001b[31mred\u202e","effective_from":"2026-08-01T12:00:00Z"}'
;;
alerts)
echo '{"type":"alert","id":"a1","name":"old","starts_at":"2026-08-01T07:00:00Z","ends_at":"2026-08-01T07:30:00Z"}'
echo '{"type":"alert","id":"a2","name":"open","starts_at":"2026-08-01T11:55:00Z"}'
;;
esac
`

const twentyThousand = `i=0
while [ $i -lt 20000 ]; do
echo '{"type":"change","id":"'$i'","effective_from":"2026-08-01T12:00:00Z"}'
i=$((i+1))
done`

func TestProviderKeepsTheContract(t *testing.T) {
	with := func(body string) func(t *testing.T) providers.Provider {
		return func(t *testing.T) providers.Provider {
			argv := program(t, body)
			return made(t, obj{"commands": obj{"changes": argv, "alerts": argv}, "timeout": "20s"})
		}
	}
	at := time.Date(2026, 8, 1, 11, 30, 0, 0, time.UTC)
	providertest.Run(t, providertest.Suite{
		New:    with(twoEvents),
		Window: providers.Window{Since: at, Until: at.Add(time.Hour)},
		Hang:   with("sleep 600"),
		Faults: map[string]providertest.Fault{
			"garbage":  {New: with("echo '<html>'"), Class: providers.ClassPermanent},
			"bad exit": {New: with("echo no such host >&2; exit 3"), Class: providers.ClassRetryable},
			"too much": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				argv := program(t, "yes '{\"type\":\"change\",\"id\":\"x\"}'")
				return made(t, obj{"commands": obj{"changes": argv}, "timeout": "60s", "max_output": 256 << 10})
			}},
			"long line": {New: with("head -c 2000000 /dev/zero | tr '\\0' x"), Class: providers.ClassPermanent},
			"not there": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				return made(t, obj{"commands": obj{"changes": []string{"/nonexistent/program"}}})
			}},
		},
		Big: func(t *testing.T) providers.Provider {
			return made(t, obj{"commands": obj{"changes": program(t, twentyThousand)}})
		},
		BigEvents: 20000,
	})
}

func (a *app) suite(p providers.Provider) rollbacktest.Suite {
	return rollbacktest.Suite{
		Reverser: p.(rollback.Reverser), Unit: unit, Timeout: 20 * time.Second, State: a.state,
		Foreign: func(_ context.Context, to rollback.Revision) error { return a.deploy(to.Label) },
		Relabel: func(context.Context) error {
			return os.WriteFile(filepath.Join(a.dir, "versions", "again"), []byte("content of r42"), 0o600)
		},
		Kill: a.kill,
	}
}

// kill runs the script as the provider would, and kills it with its children.
func (a *app) kill(ctx context.Context, op rollback.Operation, step rollback.Step) error {
	argv := a.command()
	cmd := osexec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "BACKOUT_METHOD=apply", "BACKOUT_OPERATION="+op.ID, fmt.Sprint("BACKOUT_STEP=", step.N),
		"BACKOUT_TOKEN="+step.Token, "BACKOUT_TO="+step.To, "BACKOUT_TO_LABEL="+step.Args["label"])
	if err := cmd.Start(); err != nil {
		return err
	}
	time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond) // the instant of the kill is what is random
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait()
	return nil
}

// The example in the docs is a reverser that keeps every promise, with a compare-and-set of its own.
func TestTheExampleScriptKeepsThePromises(t *testing.T) {
	a := newApp(t)
	p := made(t, a.settings())
	for u, err := range p.(rollback.Reverser).Units(t.Context()) {
		if err != nil || u.CAS != rollback.CASAtomic || u.Environment != "prod" {
			t.Errorf("unit %+v, %v", u, err)
		}
	}
	rollbacktest.Run(t, a.suite(p))
}

// A program in front of the script misbehaves on demand.
func TestPromisesHoldWhenTheProgramMisbehaves(t *testing.T) {
	a := newApp(t)
	mood := filepath.Join(t.TempDir(), "mood")
	front := program(t, `
case "$(cat '`+mood+`' 2>/dev/null) $BACKOUT_METHOD" in
"hang apply") exec sleep 600 ;;
garbage*) echo '{"outcome":"done!","done":"yes","checks":7,"token":"","current":{}}'; exit 0 ;;
esac
APP_DIR='`+a.dir+`' exec /bin/sh '`+a.script+`' backout
`)
	set := func(m string) func() {
		if err := os.WriteFile(mood, []byte(m), 0o600); err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.Remove(mood) }
	}
	p := made(t, obj{"commands": obj{"units": front, "observe": front, "apply": front}})
	s := a.suite(p)
	s.Kill, s.Relabel = nil, nil
	s.Hang = func() func() { return set("hang") }
	s.Garbage = func() func() { return set("garbage") }
	rollbacktest.Run(t, s)
}

// The command has nothing but the provider and the user's program: the faults come from the provider itself.
func TestFaultsCanBeTriedOnAnyProgram(t *testing.T) {
	a := newApp(t)
	p := made(t, a.settings())
	for _, problem := range rollbacktest.Check(t.Context(), rollbacktest.Suite{Reverser: p.(rollback.Reverser), Unit: unit, Timeout: 20 * time.Second}) {
		if !problem.Skipped || problem.Check == "hang" || problem.Check == "nonsense" {
			t.Errorf("%s", problem)
		}
	}
}
