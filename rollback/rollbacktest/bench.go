package rollbacktest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// begin finds the two revisions that the checks go between.
func (b *bench) begin(ctx context.Context) bool {
	b.tag = "conf" + strings.ToLower(rand.Text()[:12])
	obs, ok := b.observe(ctx)
	if !ok {
		return false
	}
	b.unit, b.from = obs.Unit, obs.Current
	for _, r := range obs.History {
		if r.Digest != "" && r.Digest != b.from.Digest && (b.To == "" || r.Digest == b.To) {
			b.to = r
			return true
		}
	}
	if b.To != "" {
		b.fault("the history of %s has no revision %s beside the current one", b.Unit, b.To)
		return false
	}
	return true
}

// operation makes one that was never used before, also not by an earlier run of the suite.
func (b *bench) operation() rollback.Operation {
	b.ops++
	return rollback.Operation{ID: fmt.Sprintf("%s-%d", b.tag, b.ops), Fence: int64(b.ops)}
}

// observe looks once and checks what every observation must have.
func (b *bench) observe(ctx context.Context) (rollback.Observation, bool) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	obs, err := b.Reverser.Observe(ctx, b.Unit)
	switch {
	case err != nil:
		b.fault("observe %s: %v", b.Unit, err)
	case obs.Unit.ID != b.Unit:
		b.fault("asked to observe %s, it observed %s", b.Unit, obs.Unit.ID)
	case obs.Current.Digest == "" || obs.Token == "":
		b.fault("an observation without a digest (%q) or a token (%q)", obs.Current.Digest, obs.Token)
	case obs.Unit.CAS != rollback.CASAtomic && obs.Unit.CAS != rollback.CASNone:
		b.fault("compare-and-set declared as %q, which is neither atomic nor none", obs.Unit.CAS)
	case obs.At.IsZero():
		b.fault("an observation without a time")
	default:
		return obs, true
	}
	return obs, false
}

// state is everything that a look must leave as it was.
func (b *bench) state(ctx context.Context) string {
	obs, _ := b.observe(ctx)
	s := fmt.Sprintf("%s %s stamp %q", obs.Current.Digest, obs.Token, obs.Stamp)
	if b.State != nil {
		more, err := b.State(ctx)
		if err != nil {
			b.fault("read the target's state: %v", err)
		}
		s += " " + more
	}
	return s
}

// home puts the unit back to where the suite found it.
func (b *bench) home(ctx context.Context) bool {
	if !b.atRest(ctx) {
		return false
	}
	obs, ok := b.observe(ctx)
	if !ok {
		return false
	}
	if obs.Current.Digest == b.from.Digest {
		return true
	}
	steps, ok := b.steps(ctx, obs, b.from)
	if !ok {
		return false
	}
	if got, detail := b.apply(ctx, b.operation(), steps); got != rollback.Applied {
		b.fault("back to %s for the next check: %s %s", name(b.from), got, detail)
		return false
	}
	return b.serves(ctx, b.from, "after going back for the next check") && b.atRest(ctx)
}

func (b *bench) atRest(ctx context.Context) bool {
	if b.Settled == nil {
		return true
	}
	err := b.Settled(ctx)
	if err != nil {
		b.fault("the target does not come to rest: %v", err)
	}
	return err == nil
}

// ready brings the unit home and plans the way to the other revision.
func (b *bench) ready(ctx context.Context) (rollback.Observation, []rollback.Step, bool) {
	if !b.home(ctx) {
		return rollback.Observation{}, nil, false
	}
	obs, ok := b.observe(ctx)
	if !ok {
		return obs, nil, false
	}
	steps, ok := b.steps(ctx, obs, b.to)
	return obs, steps, ok
}

// once plans the way from home to the other revision, and goes it: what did so, and by which steps.
func (b *bench) once(ctx context.Context) (op rollback.Operation, steps []rollback.Step, ok bool) {
	if _, steps, ok = b.ready(ctx); !ok {
		return op, nil, false
	}
	op = b.operation()
	if got, detail := b.apply(ctx, op, steps); got != rollback.Applied {
		b.fault("apply gave %q (%s), want %q", got, detail, rollback.Applied)
		return op, nil, false
	}
	return op, steps, true
}

func (b *bench) steps(ctx context.Context, obs rollback.Observation, to rollback.Revision) ([]rollback.Step, bool) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	p, err := b.Reverser.Plan(ctx, obs, to)
	switch {
	case err != nil:
		b.fault("plan to %s: %v", name(to), err)
	case len(p.Missing) > 0:
		b.fault("plan to %s cannot run: %s", name(to), strings.Join(p.Missing, "; "))
	case len(p.Steps) == 0:
		b.fault("plan from %s to %s has no step", name(obs.Current), name(to))
	default:
		return p.Steps, true
	}
	return nil, false
}

// apply applies the steps in order and stops at the first that is not applied; an error without an outcome is unknown.
func (b *bench) apply(ctx context.Context, op rollback.Operation, steps []rollback.Step) (rollback.Outcome, string) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	return applyAll(ctx, b.Reverser, op, steps)
}

func applyAll(ctx context.Context, r rollback.Reverser, op rollback.Operation, steps []rollback.Step) (rollback.Outcome, string) {
	last, detail := rollback.OutcomeUnknown, "there was no step"
	for _, step := range steps {
		res, err := r.Apply(ctx, op, step)
		last, detail = res.Outcome, res.Detail
		if err != nil {
			detail = strings.TrimSpace(detail + " " + err.Error())
			if last == "" {
				last = rollback.OutcomeUnknown
			}
		}
		if last != rollback.Applied && last != rollback.AlreadyApplied {
			break
		}
	}
	return last, detail
}

// serves checks that the unit is at a revision now.
func (b *bench) serves(ctx context.Context, want rollback.Revision, when string) bool {
	obs, ok := b.observe(ctx)
	if ok && obs.Current.Digest != want.Digest {
		b.fault("%s the unit is at %s, not at %s", when, name(obs.Current), name(want))
		return false
	}
	return ok
}

// outsider makes a change from outside.
func (b *bench) outsider(ctx context.Context, to rollback.Revision) bool {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	if err := b.Foreign(ctx, to); err != nil {
		b.fault("the change from outside did not work: %v", err)
		return false
	}
	return true
}

// within runs f and reports when it took longer than limit.
func (b *bench) within(limit time.Duration, what string, f func()) {
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		b.fault("%s took %s, allowed are %s", what, took.Round(time.Millisecond), limit)
	}
}

func name(r rollback.Revision) string {
	if r.Label != "" {
		return r.Label
	}
	return r.Digest
}
