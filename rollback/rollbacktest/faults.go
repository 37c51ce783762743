package rollbacktest

import (
	"context"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// foreignFirst: what somebody changed between the look and the apply stays.
func (b *bench) foreignFirst(ctx context.Context) {
	_, steps, ok := b.ready(ctx)
	if !ok || !b.outsider(ctx, b.to) || !b.outsider(ctx, b.from) {
		return
	}
	// The same content again, but somebody acted in between: the plan saw another state.
	before := b.state(ctx)
	if got, detail := b.apply(ctx, b.operation(), steps); got != rollback.PreconditionFailed {
		b.fault("two changes from outside since the plan, and apply gave %q (%s)", got, detail)
	}
	if after := b.state(ctx); after != before {
		b.fault("a change from outside was overwritten: %s, then %s", before, after)
	}
}

// lateDuplicate: a call that arrives again, after somebody changed the target since it was first applied, has no effect.
func (b *bench) lateDuplicate(ctx context.Context) {
	op, steps, ok := b.once(ctx)
	if !ok {
		return
	}
	if !b.outsider(ctx, b.from) {
		return
	}
	before := b.state(ctx)
	if got, detail := b.apply(ctx, op, steps); got != rollback.PreconditionFailed && got != rollback.AlreadyApplied {
		b.fault("a duplicate after a change from outside gave %q (%s)", got, detail)
	}
	if after := b.state(ctx); after != before {
		b.fault("a duplicate overwrote a change from outside: %s, then %s", before, after)
	}
}

// foreignRace: whoever came first, the change from outside is what stands in the end: it was made without a condition,
// and ours only on the condition that nobody else had been there.
func (b *bench) foreignRace(ctx context.Context) {
	if b.unit.CAS == rollback.CASNone {
		b.skip("not promised: the target has no compare-and-set")
		return
	}
	for range b.rounds(20) {
		_, steps, ok := b.ready(ctx)
		if !ok {
			return
		}
		op := b.operation()
		done := make(chan bool, 1)
		go func() { done <- b.Foreign(ctx, b.from) == nil }()
		got, detail := b.apply(ctx, op, steps)
		if !<-done {
			b.fault("the change from outside did not work")
			return
		}
		if got != rollback.Applied && got != rollback.PreconditionFailed {
			b.fault("apply beside a change from outside gave %q (%s)", got, detail)
		}
		obs, ok := b.observe(ctx)
		if ok && (obs.Stamp == op.ID || obs.Current.Digest != b.from.Digest) {
			b.fault("apply said %q, and the change from outside is gone: at %s by %q", got, name(obs.Current), obs.Stamp)
		}
	}
}

// killed: after a kill the target is where it was or where it should go, it says which, and applying again finishes it.
func (b *bench) killed(ctx context.Context) {
	for range b.rounds(10) {
		before, steps, ok := b.ready(ctx)
		if !ok {
			return
		}
		op := b.operation()
		call, cancel := context.WithTimeout(ctx, b.Timeout)
		for _, step := range steps {
			if err := b.Kill(call, op, step); err != nil {
				b.fault("kill a process in the middle: %v", err)
			}
		}
		cancel()
		obs, ok := b.observe(ctx)
		if !ok {
			return
		}
		applied := obs.Current.Digest == b.to.Digest && obs.Stamp == op.ID
		untouched := obs.Current.Digest == b.from.Digest && obs.Token == before.Token
		if len(steps) == 1 && !applied && !untouched {
			b.fault("after a kill the unit is at %s by %q, neither as before nor as asked", name(obs.Current), obs.Stamp)
		}
		want := rollback.Applied
		if len(steps) == 1 && applied {
			want = rollback.AlreadyApplied
		}
		if got, detail := b.apply(ctx, op, steps); got != want && len(steps) == 1 {
			b.fault("applied again after a kill gave %q (%s), want %q", got, detail, want)
		}
		b.serves(ctx, b.to, "applied again after a kill,")
	}
}

// hang: a call that gets no answer is unknown, in time, and what arrives late does no harm.
func (b *bench) hang(ctx context.Context) {
	_, steps, ok := b.ready(ctx)
	if !ok {
		return
	}
	release := b.Hang()
	op := b.operation()
	var got rollback.Outcome
	var detail string
	b.within(300*time.Millisecond+grace/2, "a call that hangs", func() {
		call, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		got, detail = applyAll(call, b.Reverser, op, steps)
	})
	if got != rollback.OutcomeUnknown {
		b.fault("a call that got no answer gave %q (%s), want %q", got, detail, rollback.OutcomeUnknown)
	}
	late := b.unit.CAS == rollback.CASAtomic && b.Foreign != nil
	if late && !b.outsider(ctx, b.from) {
		late = false
	}
	release()
	if late {
		b.serves(ctx, b.from, "after a change from outside and then a late effect")
		return
	}
	if got, detail := b.apply(ctx, op, steps); got != rollback.Applied && got != rollback.AlreadyApplied {
		b.fault("asked again after a lost answer, it gave %q (%s)", got, detail)
	}
	b.serves(ctx, b.to, "asked again after a lost answer,")
}

// garbage: nonsense is an error or unknown, never a good state.
func (b *bench) garbage(ctx context.Context) {
	_, steps, ok := b.ready(ctx)
	if !ok {
		return
	}
	restore := b.Garbage()
	b.nonsense(ctx, steps)
	restore()
	b.observe(ctx)
}

func (b *bench) nonsense(ctx context.Context, steps []rollback.Step) {
	call, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	if obs, err := b.Reverser.Observe(call, b.Unit); err == nil {
		b.fault("nonsense was observed as %s", name(obs.Current))
	}
	if c, err := b.Reverser.Status(call, b.Unit, b.to); err == nil && c.Done {
		b.fault("nonsense was a status that is done: %s", c.Detail)
	}
	checks, err := b.Reverser.Verify(call, b.Unit, b.to)
	for _, c := range checks {
		if err == nil && c.State == rollback.CheckPass {
			b.fault("nonsense passed the check %q", c.Name)
		}
	}
	if got, detail := b.apply(ctx, b.operation(), steps); got != rollback.OutcomeUnknown {
		b.fault("nonsense as the answer to apply gave %q (%s), want %q", got, detail, rollback.OutcomeUnknown)
	}
}
