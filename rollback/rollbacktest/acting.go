package rollbacktest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// stale: a token that the target never had is refused and nothing happens.
func (b *bench) stale(ctx context.Context) {
	_, steps, ok := b.ready(ctx)
	if !ok {
		return
	}
	before := b.state(ctx)
	steps = slices.Clone(steps)
	steps[0].Token += "-stale"
	if got, detail := b.apply(ctx, b.operation(), steps); got != rollback.PreconditionFailed {
		b.fault("a stale token gave %q (%s), want %q", got, detail, rollback.PreconditionFailed)
	}
	if after := b.state(ctx); after != before {
		b.fault("a stale token changed the target: %s, then %s", before, after)
	}
}

// expired: a call without time left says that it does not know, or that nothing happened where that is true.
func (b *bench) expired(ctx context.Context) {
	_, steps, ok := b.ready(ctx)
	if !ok {
		return
	}
	before := b.state(ctx)
	over, cancel := context.WithCancel(ctx)
	cancel()
	var got rollback.Outcome
	var detail string
	b.within(grace/2, "a call without time left", func() { got, detail = applyAll(over, b.Reverser, b.operation(), steps) })
	switch got {
	case rollback.OutcomeUnknown:
	case rollback.Failed, rollback.PreconditionFailed:
		if after := b.state(ctx); after != before {
			b.fault("%q says that nothing happened, but it went from %s to %s", got, before, after)
		}
	default:
		b.fault("a call without time left gave %q (%s)", got, detail)
	}
}

// twice: the same operation and step has one effect, and the second call says so.
func (b *bench) twice(ctx context.Context) {
	op, steps, ok := b.once(ctx)
	if !ok {
		return
	}
	obs, ok := b.observe(ctx)
	if !ok {
		return
	}
	if obs.Current.Digest != b.to.Digest {
		b.fault("applied, and the unit is at %s, not at %s", name(obs.Current), name(b.to))
	}
	if obs.Stamp != op.ID {
		b.fault("applied by %q, and the target says it was %q", op.ID, obs.Stamp)
	}
	before := b.state(ctx)
	if got, detail := b.apply(ctx, op, steps); got != rollback.AlreadyApplied {
		b.fault("the same operation again gave %q (%s), want %q", got, detail, rollback.AlreadyApplied)
	}
	if after := b.state(ctx); after != before {
		b.fault("the same operation again had a second effect: %s, then %s", before, after)
	}
	b.settled(ctx)
}

// settled: after an apply the status becomes done by itself.
func (b *bench) settled(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	for {
		c, err := b.Reverser.Status(ctx, b.Unit, b.to)
		if err == nil && c.Done && !c.Failed {
			return
		}
		select {
		case <-ctx.Done():
			b.fault("applied, and the status did not become done: %q %v", c.Detail, err)
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// second: another operation that still holds the token of before the first one is refused.
func (b *bench) second(ctx context.Context) {
	_, steps, ok := b.once(ctx)
	if !ok {
		return
	}
	before := b.state(ctx)
	if got, detail := b.apply(ctx, b.operation(), steps); got != rollback.PreconditionFailed {
		b.fault("another operation with the old token gave %q (%s), want %q", got, detail, rollback.PreconditionFailed)
	}
	if after := b.state(ctx); after != before {
		b.fault("another operation with the old token changed the target: %s, then %s", before, after)
	}
}

// race: of several operations that hold the same token exactly one wins. Without a compare-and-set only this is asked:
// the target is where it was asked to be, by one of those that say so.
func (b *bench) race(ctx context.Context) {
	const rivals = 4
	rounds := 3
	if b.unit.CAS == rollback.CASNone {
		rounds = 1 // little is asked, and such targets are slow
	}
	for range b.rounds(rounds) {
		_, steps, ok := b.ready(ctx)
		if !ok {
			return
		}
		var ops [rivals]rollback.Operation
		var got [rivals]rollback.Outcome
		var wg sync.WaitGroup
		for i := range rivals {
			ops[i] = b.operation()
			wg.Go(func() { got[i], _ = b.apply(ctx, ops[i], steps) })
		}
		wg.Wait()
		var winners []string
		for i, o := range got {
			switch {
			case o == rollback.Applied:
				winners = append(winners, ops[i].ID)
			case o == rollback.PreconditionFailed, b.unit.CAS == rollback.CASNone && o == rollback.Failed:
			default:
				b.fault("a rival got %q", o)
			}
		}
		obs, ok := b.observe(ctx)
		if !ok {
			return
		}
		if len(winners) == 0 || (b.unit.CAS == rollback.CASAtomic && len(winners) > 1) {
			b.fault("%d of %d rivals won", len(winners), rivals)
		}
		if obs.Current.Digest != b.to.Digest || !slices.Contains(winners, obs.Stamp) {
			b.fault("the winners are %v, the target is at %s by %q", winners, name(obs.Current), obs.Stamp)
		}
	}
}
