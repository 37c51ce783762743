package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/probe"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

// maxSaid is how much a check's program may write.
const maxSaid = 1 << 20

// plainVariables are what every program is given; they hold no secret.
func plainVariables() []string { return []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"} }

// Look implements [rollback.Verifier].
func (s *Session) Look(ctx context.Context, u rollback.Unit, c rollback.DeclaredCheck) rollback.Check {
	switch {
	case c.PromQL != nil:
		return s.threshold(ctx, c.PromQL)
	case c.HTTP != nil:
		return seen(probe.Ask(ctx, question(c.HTTP, c.Guest), s.opts.Now))
	case c.Command != nil && !c.Guest: // whatever a plan says, nothing that was read from a target is run
		return s.run(ctx, u, &c)
	}
	return rollback.Check{State: rollback.CheckUnknown, Observed: "there is nothing to look at"}
}

func seen(r providers.CheckResult) rollback.Check {
	return rollback.Check{State: checkState(string(r.State)), Observed: r.Observed, Value: r.Value, Limit: r.Limit}
}

func (s *Session) threshold(ctx context.Context, q *rollback.PromQLCheck) rollback.Check {
	for _, p := range s.providers {
		if source, ok := p.(providers.ThresholdSource); ok && p.Name() == q.Provider {
			return seen(source.Threshold(ctx, providers.Threshold{Query: q.Query, Max: q.Max, Min: q.Min, Window: q.Window}))
		}
	}
	return rollback.Check{State: rollback.CheckUnknown, Observed: fmt.Sprintf("there is no provider %q that can be asked PromQL", q.Provider)}
}

// run runs a check's program. Only one that ended by itself has said anything.
func (s *Session) run(ctx context.Context, u rollback.Unit, c *rollback.DeclaredCheck) rollback.Check {
	env := process.Environ(append(plainVariables(), c.Command.Env...)...)
	env = append(env, "BACKOUT_UNIT="+string(u.ID), "BACKOUT_SERVICE="+u.Service, "BACKOUT_ENVIRONMENT="+u.Environment, "BACKOUT_CHECK="+c.Name)
	var mask []string
	for _, name := range c.Command.Env {
		if v := os.Getenv(name); v != "" && !slices.Contains(plainVariables(), name) {
			mask = append(mask, v)
		}
	}
	began := s.opts.Now()
	_, err := process.Program{Argv: c.Command.Argv, Dir: c.Command.Dir, Env: env, MaxOutput: maxSaid, Mask: mask}.Run(ctx)
	var exit *process.ExitError
	switch {
	case err == nil:
		return rollback.Check{State: rollback.CheckPass, Observed: "exit code 0 in " + s.opts.Now().Sub(began).Round(time.Millisecond).String()}
	case errors.As(err, &exit) && exit.Code > 0:
		return rollback.Check{State: rollback.CheckFail, Observed: exit.Error()}
	case errors.As(err, &exit):
		return rollback.Check{State: rollback.CheckUnknown, Observed: "was ended by a signal: " + exit.Stderr}
	case errors.Is(err, context.DeadlineExceeded):
		return rollback.Check{State: rollback.CheckUnknown, Observed: "did not end within " + c.Timeout.String()}
	default:
		return rollback.Check{State: rollback.CheckUnknown, Observed: "cannot be run: " + err.Error()}
	}
}
