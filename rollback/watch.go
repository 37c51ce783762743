package rollback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/store"
)

// blink is how long, beside the poll, may lie between two looks for them to count as without a break: one write to a busy
// journal takes a while.
const blink = 10 * time.Second

// arrival is how far the units of a run are, at one look.
type arrival struct {
	done    bool
	vacuous bool
	details []string
	over    ending
}

// watch waits for all units to arrive and then for all to be well from outside, for the plan's hold and within its
// deadline. It only looks, so it may be repeated as often as a run is resumed.
func (x *execution) watch(ctx context.Context) (ending, error) {
	started := time.Now()
	if over, err := x.converge(ctx, x.run.Plan.Units); err != nil || over.state != "" {
		return over, err
	}
	if x.run.ConvergedAt.IsZero() {
		x.run.ConvergedAt = x.e.cfg.Now().UTC() // journaled with the first look of the verification
	}
	return x.verify(ctx, started)
}

// converge waits until the units serve their targets.
func (x *execution) converge(ctx context.Context, units []UnitPlan) (ending, error) {
	started := time.Now()
	for n := 0; ; n++ {
		a := x.arrived(ctx, units)
		switch {
		case ctx.Err() != nil:
			return ending{}, context.Cause(ctx)
		case a.over.state != "" || a.done:
			return a.over, nil
		}
		a.details = append(a.details, x.fallen(ctx)...)
		if err := x.enter(ctx, RunConverging, strings.Join(a.details, "; ")); err != nil {
			return ending{}, err
		}
		if by, err := x.stopAsked(ctx); err != nil || by != "" {
			return x.unfinished(units, "nobody watches it any more, as "+by+" asked", a.details), err
		}
		if time.Since(started) >= x.run.Plan.Deadline {
			return x.unfinished(units, fmt.Sprintf("it did not arrive within %s", x.run.Plan.Deadline), a.details), nil
		}
		if err := sleep(ctx, x.e.soon(n)); err != nil {
			return ending{}, err
		}
	}
}

// soon is how long after the n-th look at units that move the next one comes. Most arrive within seconds, so the first looks
// come sooner than the poll.
func (e *Engine) soon(n int) time.Duration { return e.cfg.Poll >> max(3-n, 0) }

// unfinished ends a run in the middle of its convergence: half way where other units have still to move.
func (x *execution) unfinished(units []UnitPlan, why string, details []string) ending {
	text := why + ": " + strings.Join(details, "; ")
	if len(units) < len(x.run.Plan.Units) {
		return x.halt("%s", text)
	}
	return end(RunUnverified, "applied; %s", text)
}

// arrived looks at every unit once: what it serves, and what its own status says.
func (x *execution) arrived(ctx context.Context, units []UnitPlan) arrival {
	a := arrival{done: true}
	for _, u := range units {
		id := u.Unit.ID
		o, err := x.e.observe(ctx, id)
		if err == nil && (x.replaced(o, u) || x.switchedBack(o, u)) {
			a.over = end(RunSuperseded, "applied, but somebody has since switched %s to %s: it was left alone", id, name(o.Current))
			return a
		}
		c, statusErr := x.status(ctx, u)
		switch {
		case err != nil || statusErr != nil:
			a.done = false
			a.details = append(a.details, fmt.Sprintf("%s cannot be seen: %v", id, errors.Join(err, statusErr)))
		case c.Failed:
			a.over = end(RunNeedsHuman, "applied, but %s does not get there: %s", id, c.Detail)
			return a
		default:
			a.done = a.done && c.Done && o.Current.Digest == u.To.Digest
			a.vacuous = a.vacuous || c.Vacuous
			a.details = append(a.details, fmt.Sprintf("%s: %s", id, c.Detail))
		}
	}
	return a
}

// replaced reports that somebody switched a unit after this run did. The old content under the old stamp is only late.
func (x *execution) replaced(o Observation, u UnitPlan) bool {
	switch o.Current.Digest {
	case u.To.Digest:
		return false
	case u.From.Digest:
		return o.Stamp != u.Observed.Stamp && !strings.HasPrefix(o.Stamp, x.op)
	default:
		return true
	}
}

// switchedBack reports that a unit serves its old content again under a token that is neither the one before this run's
// effect nor the one after it: people who deploy by hand leave no stamp.
func (x *execution) switchedBack(o Observation, u UnitPlan) bool {
	if o.Current.Digest != u.From.Digest || u.Unit.CAS != CASAtomic || (o.Stamp != "" && strings.HasPrefix(o.Stamp, x.op)) {
		return false
	}
	known := false
	for _, s := range x.run.Steps {
		if s.Unit != u.Unit.ID || s.Result == nil || s.Result.Token == "" {
			continue
		}
		if o.Token == s.Token || o.Token == s.Result.Token {
			return false
		}
		known = true
	}
	return known
}

func (x *execution) status(ctx context.Context, u UnitPlan) (Convergence, error) {
	r, err := x.e.reverser(u.Unit.ID)
	if err != nil {
		return Convergence{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout(r))
	defer cancel()
	return r.Status(ctx, u.Unit.ID, u.To)
}

// verify looks from outside until all was well without a break for the hold. Unknown is never well.
func (x *execution) verify(ctx context.Context, started time.Time) (ending, error) {
	x.look(ctx)
	defer x.looking.end()
	var wellSince, looked time.Time
	for {
		if x.stoodStill(looked) {
			wellSince = time.Time{} // nobody saw how it was meanwhile
		}
		bad, over := x.inspect(ctx)
		looked = time.Now()
		switch {
		case ctx.Err() != nil:
			return ending{}, context.Cause(ctx)
		case over.state != "":
			return over, nil
		}
		wellSince = x.well(wellSince, bad)
		if !wellSince.IsZero() && time.Since(wellSince) >= x.run.Plan.Hold {
			return end(RunSucceeded, "%s; %s, for %s", x.done(), x.wellness(), x.run.Plan.Hold), nil
		}
		if err := x.progress(ctx, bad); err != nil {
			return ending{}, err
		}
		if by, err := x.stopAsked(ctx); err != nil || by != "" {
			return end(RunUnverified, "applied; nobody watches it any more, as %s asked", by), err
		}
		if time.Since(started) >= x.run.Plan.Deadline {
			if len(bad) == 0 {
				bad = []string{fmt.Sprintf("all was well, but not for %s", x.run.Plan.Hold)}
			}
			return end(RunUnverified, "applied, not verified within %s: %s", x.run.Plan.Deadline, strings.Join(bad, "; ")), nil
		}
		if err := sleep(ctx, x.e.cfg.Poll); err != nil {
			return ending{}, err
		}
	}
}

// well is since when all has been well, after one more look; zero: it is not.
func (x *execution) well(since time.Time, bad []string) time.Time {
	switch {
	case len(bad) > 0:
		return time.Time{}
	case x.broken() || since.IsZero():
		return time.Now()
	default:
		return since
	}
}

// broken reports that a check that is well was not so all the time since the last look, by what the target tells of it. Only
// its own words are compared: its clock may be another than ours.
func (x *execution) broken() bool {
	broken, now := false, make(map[string]time.Time, len(x.run.Checks))
	for i := range x.run.Checks {
		c := &x.run.Checks[i]
		before, known := x.steady[c.Name]
		broken = broken || known && c.Since.After(before)
		now[c.Name] = c.Since
	}
	x.steady = now
	return broken
}

// stoodStill reports that more lies between the last look and now than waiting and writing take.
func (x *execution) stoodStill(looked time.Time) bool {
	return !looked.IsZero() && time.Since(looked) > x.e.cfg.Poll+blink
}

// inspect looks once at everything and says what is not well.
func (x *execution) inspect(ctx context.Context) (bad []string, over ending) {
	a := x.arrived(ctx, x.run.Plan.Units)
	if a.over.state != "" {
		return nil, a.over
	}
	if !a.done {
		bad = append(bad, a.details...)
	}
	if a.vacuous {
		bad = append(bad, "nothing serves, so nothing is verified: "+strings.Join(a.details, "; "))
	}
	x.opened(ctx)
	x.run.Checks, x.run.Symptoms = append(x.check(ctx), x.unseenNewcomers()...), x.symptoms(ctx)
	x.trace(x.run.Checks, x.run.Symptoms)
	bad = append(bad, unwell(x.run.Checks, x.run.Symptoms, x.run.AppliedAt)...)
	bad = append(bad, x.fallen(ctx)...)
	if len(bad) == 0 && !seenFromOutside(x.run.Checks, x.run.Plan.Alerts) {
		return nil, end(RunUnverified, "%s, but %s", x.done(), notSeen)
	}
	return bad, ending{}
}

// check runs the units' checks and the extra ones. One that cannot be run is unknown.
func (x *execution) check(ctx context.Context) []Check {
	var checks []Check
	var services []string
	for _, u := range x.run.Plan.Units {
		services = append(services, u.Unit.Service)
		r, err := x.e.reverser(u.Unit.ID)
		var mine []Check
		if err == nil {
			callCtx, cancel := context.WithTimeout(ctx, lookTimeout(r))
			mine, err = r.Verify(callCtx, u.Unit.ID, u.To)
			cancel()
		}
		for _, c := range mine {
			c.Name = x.run.Plan.of(u.Unit.ID, c.Name)
			checks = append(checks, c)
		}
		if err != nil {
			checks = append(checks, Check{Name: "checks of " + string(u.Unit.ID), State: CheckUnknown, Observed: err.Error()})
		}
	}
	if x.e.cfg.Checks != nil {
		sort.Strings(services)
		callCtx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		more, err := x.e.cfg.Checks(callCtx, compact(services))
		checks = append(checks, more...)
		if err != nil {
			checks = append(checks, Check{Name: "outside checks", State: CheckUnknown, Observed: err.Error()})
		}
	}
	if x.looking != nil {
		checks = append(checks, x.looking.take()...)
	} else {
		checks = append(checks, x.glance(ctx)...)
	}
	for i := range checks {
		c := &checks[i]
		c.Name, c.Observed = providers.Clean(c.Name), providers.Clean(c.Observed)
		c.Value, c.Limit = finite(c.Value), finite(c.Limit)
	}
	return checks
}

// of is the name of a unit's check among those of the whole plan: several units may call a check the same.
func (p *Plan) of(unit UnitID, check string) string {
	if len(p.Units) > 1 && !strings.Contains(check, segment(unit)) {
		return segment(unit) + ": " + check
	}
	return check
}

// segment is the last part of a unit's id.
func segment(id UnitID) string {
	s := string(id)
	return s[strings.LastIndexAny(s, "/:")+1:]
}

// symptoms asks how the plan's alerts stand.
func (x *execution) symptoms(ctx context.Context) []Symptom {
	alerts := slices.Concat(x.run.Plan.Alerts, x.newer)
	if len(alerts) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return x.e.symptoms(ctx, alerts)
}

// unwell says what is not well. A resolved alert counts only if its source gave a complete answer after the effect.
func unwell(checks []Check, symptoms []Symptom, applied time.Time) []string {
	var bad []string
	for _, c := range checks {
		if c.State == CheckPass {
			continue
		}
		text := fmt.Sprintf("check %s: %s", c.Name, c.State)
		switch {
		case c.Observed != "" && c.Goal != "":
			text += " (" + c.Observed + ", goal: " + c.Goal + ")"
		case c.Observed != "":
			text += " (" + c.Observed + ")"
		}
		bad = append(bad, text)
	}
	for _, s := range symptoms {
		who := s.Name
		if who == "" {
			who = s.ID
		}
		switch {
		case s.State == providers.AlertResolved && s.SeenAt.IsZero():
			bad = append(bad, fmt.Sprintf("alert %s: unknown (its source does not say when it looked)", who))
		case s.State == providers.AlertResolved && s.SeenAt.Before(applied):
			bad = append(bad, fmt.Sprintf("alert %s: unknown (last seen before the rollback)", who))
		case s.State != providers.AlertResolved:
			bad = append(bad, strings.TrimSuffix(fmt.Sprintf("alert %s: %s (%s)", who, s.State, s.Detail), " ()"))
		}
	}
	return bad
}

// wellness says what was well; a run that had no alert to cure does not speak of alerts.
func (x *execution) wellness() string {
	var parts []string
	if n := len(x.run.Symptoms); n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s resolved", n, plural(n, "alert", "alerts")))
	}
	if n := len(x.run.Checks); n > 0 {
		parts = append(parts, fmt.Sprintf("%d %s passed", n, plural(n, "check", "checks")))
	}
	return strings.Join(parts, ", ")
}

// progress shows the last look to whoever follows the run.
func (x *execution) progress(ctx context.Context, bad []string) error {
	detail := x.wellness() + ": holding"
	if len(bad) > 0 {
		detail = strings.Join(bad, "; ")
	}
	subject, now := states(x.run.Checks, x.run.Symptoms)
	if slices.Equal(now, x.shown) && !x.grew && x.run.State == RunVerifying && x.run.Detail == providers.Clean(detail) {
		return nil
	}
	x.shown, x.grew = now, false
	return x.show(ctx, RunVerifying, detail, fmt.Sprintf("%d not well; %s", len(bad), subject))
}

// states is what of checks and symptoms the log tells of, and with what was observed, what is worth a write.
func states(checks []Check, symptoms []Symptom) (subject string, observed []string) {
	told := make([]string, 0, len(checks)+len(symptoms))
	for _, c := range checks {
		told = append(told, c.Name+"="+string(c.State))
		observed = append(observed, c.Name+"="+string(c.State)+" "+c.Observed)
	}
	for _, s := range symptoms {
		told = append(told, s.Provider+"/"+s.ID+"="+string(s.State))
	}
	return strings.Join(told, "; "), append(observed, told...)
}

// stopAsked reads who asked the run to stop, from any process.
func (x *execution) stopAsked(ctx context.Context) (string, error) {
	by, _, err := x.e.cfg.Store.AbortRequested(ctx, x.run.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("read %s: %w", x.run.ID, err)
	}
	x.run.AbortBy = by
	return by, nil
}
