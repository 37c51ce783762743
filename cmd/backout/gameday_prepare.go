package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/gameday"
	"github.com/backout-dev/backout/rollback/ledger"
)

// conductor is one process that conducts a game day.
type conductor struct {
	a        *app
	s        *opened
	scenario *gameday.Scenario
	targets  []gameday.Target
	steady   []rollback.DeclaredCheck
	guards   []rollback.DeclaredCheck
	lease    interface {
		Renew(ctx context.Context) error
		Close(ctx context.Context, over bool) error
	}
	id     string
	ranked bool

	renewed time.Time // its lease
}

// prepareGame works out what would be done, and refuses what may not be. Nothing is altered.
func (a *app) prepareGame(ctx context.Context, s *opened, scenario *gameday.Scenario, dir string) (*conductor, error) {
	c := &conductor{a: a, s: s, scenario: scenario}
	if err := a.person(s.settings, "conduct a game day"); err != nil {
		return nil, err
	}
	if err := s.Engine.Writable(); err != nil {
		return nil, err
	}
	if err := c.quiet(ctx); err != nil {
		return nil, err
	}
	if err := c.checks(dir); err != nil {
		return nil, refusal("%v", err)
	}
	units, err := s.Engine.Units(ctx)
	if err != nil {
		a.warn("not every unit could be listed: %v", err)
	}
	for i := range scenario.Fault {
		t, err := c.target(ctx, &scenario.Fault[i], units)
		if err != nil {
			return nil, refusal("step %d of the fault: %v", i+1, err)
		}
		for _, arg := range slices.Concat(t.Do, t.Undo) {
			if ledger.Scrub(arg) != arg {
				return nil, refusal("step %d of the fault: an argument looks like a secret, which the record does not keep, so that nobody could undo it from there: have the program read it from a file", i+1)
			}
		}
		c.targets = append(c.targets, t)
	}
	return c, c.well(ctx)
}

// checks makes the checks of the steady state and of the stop conditions. Programs of a scenario are found from its directory.
func (c *conductor) checks(dir string) (err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if c.steady, err = c.s.GameChecks(c.scenario.Steady.Checks, "steady", dir); err != nil {
		return fmt.Errorf("steady: %w", err)
	}
	if c.guards, err = c.s.GameChecks(c.scenario.Stop.Checks, "stop", dir); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// target works out one step of the fault: only a unit that the configuration allows, only with a program that it names.
func (c *conductor) target(ctx context.Context, step *gameday.Step, units []rollback.Unit) (gameday.Target, error) {
	i := slices.IndexFunc(units, func(u rollback.Unit) bool { return string(u.ID) == step.Unit() })
	if i < 0 {
		return gameday.Target{}, fmt.Errorf("there is no unit %s, see 'backout units'", step.Unit())
	}
	u := units[i]
	t := gameday.Target{Unit: string(u.ID), Service: u.Service, Environment: u.Environment}
	allowed, program := c.program(step, u)
	switch {
	case !allowed:
		return t, fmt.Errorf("the configuration does not allow game days on %s in %q: gamedays in backout.yaml says where they may break something", u.ID, u.Environment)
	case program == nil:
		return t, fmt.Errorf("the configuration names no program %q for game days on %s", step.Program(), u.ID)
	}
	if step.Exec != nil {
		t.Do, t.Undo = slices.Concat(filled(program, &t, ""), step.Exec.Args), slices.Concat(filled(program, &t, ""), step.Exec.Undo)
		return t, nil
	}
	obs, err := c.s.Engine.Observe(ctx, u.ID)
	if err != nil {
		return t, err
	}
	at := slices.IndexFunc(obs.History, func(r rollback.Revision) bool { return r.Label == step.Release.Revision })
	switch {
	case obs.Current.Label == step.Release.Revision:
		return t, fmt.Errorf("%s serves %s already", u.ID, step.Release.Revision)
	case obs.Current.Label == "":
		return t, fmt.Errorf("%s does not say what its revision is called, so the fault could not be undone", u.ID)
	case at < 0:
		return t, fmt.Errorf("%s has no revision %q", u.ID, step.Release.Revision)
	case obs.History[at].Digest == obs.Current.Digest:
		return t, fmt.Errorf("%s of %s has the content that is served already: nothing would break", step.Release.Revision, u.ID)
	case obs.InFlight != "" || obs.Frozen != "":
		return t, fmt.Errorf("%s must not be switched now: %s", u.ID, strings.TrimSpace(obs.InFlight+" "+obs.Frozen))
	}
	t.Before, t.BeforeLabel, t.After, t.Commit = obs.Current.Digest, obs.Current.Label, obs.History[at].Digest, obs.History[at].Commit
	t.Bystander = step.Release.Bystander
	t.Do, t.Undo = filled(program, &t, step.Release.Revision), filled(program, &t, t.BeforeLabel)
	return t, nil
}

// program finds what the configuration lets a step run on a unit: whether it allows game days there at all, and the argument
// list, with a relative program found from the configuration's directory.
func (c *conductor) program(step *gameday.Step, u rollback.Unit) (allowed bool, argv []string) {
	for i := range c.s.settings.GameDays {
		g := &c.s.settings.GameDays[i]
		if !g.Matches(string(u.ID), u.Environment) {
			continue
		}
		allowed = true
		at := slices.IndexFunc(g.Programs, func(p config.Program) bool { return p.Name == step.Program() })
		if at < 0 {
			continue
		}
		argv = slices.Clone(g.Programs[at].Argv)
		if p := argv[0]; strings.ContainsRune(p, filepath.Separator) && !filepath.IsAbs(p) {
			argv[0] = filepath.Join(g.Dir, p)
		}
		return true, argv
	}
	return allowed, nil
}

// filled puts what is meant for a step into an argument list.
func filled(argv []string, t *gameday.Target, revision string) []string {
	out := make([]string, len(argv))
	for i, arg := range argv {
		out[i] = strings.NewReplacer("{unit}", t.Unit, "{service}", t.Service, "{revision}", revision).Replace(arg)
	}
	return out
}

// quiet refuses while something is going on.
func (c *conductor) quiet(ctx context.Context) error {
	runs, err := c.s.Engine.Runs(ctx)
	if err != nil {
		return err
	}
	for i := range runs {
		if !runs[i].State.Final() {
			return refusal("%s is %s: no game day begins while a run is under way", runs[i].ID, runs[i].State)
		}
	}
	book, err := c.s.Games(ctx)
	if err != nil {
		return err
	}
	if g := book.Current(); g != nil {
		return &coded{code: codeLocked, err: fmt.Errorf("%s is under way: 'backout gameday list' shows it; where its conductor is gone, 'backout gameday resume %s' goes on with it", g.ID, g.ID)}
	}
	if firing := firing(c.s); len(firing) > 0 {
		return refusal("%s: a game day begins only where all is well", strings.Join(firing, ", "))
	}
	return nil
}

// well refuses where the steady state, or a stop condition, does not hold.
func (c *conductor) well(ctx context.Context) error {
	for _, part := range []struct {
		name   string
		checks []rollback.DeclaredCheck
	}{{"the steady state", c.steady}, {"a stop condition", c.guards}} {
		if verdict, why := c.s.LookAll(ctx, part.checks); verdict != gameday.Good {
			return refusal("%s does not hold before anything was broken (%s): %s", part.name, verdict, why)
		}
	}
	return nil
}

// firing names the alerts that are open now, up to some.
func firing(s *opened) []string {
	const most = 5
	var out []string
	for _, alert := range s.Timeline.Snapshot().Alerts(providers.Window{}) {
		if alert.EndsAt.IsZero() && (alert.State == providers.AlertFiring || alert.State == providers.AlertUnknown || alert.State == "") && len(out) < most {
			out = append(out, fmt.Sprintf("alert %s fires", providers.Clean(alert.Name)))
		}
	}
	return out
}

// clock is the time of the record: in UTC.
func (c *conductor) clock() time.Time { return c.a.now().UTC() }
