package rollbacktest

import (
	"context"
	"strings"

	"github.com/backout-dev/backout/rollback"
)

// units: the unit is listed, once, and ids have the form that commands read.
func (b *bench) units(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	seen := map[rollback.UnitID]int{}
	for u, err := range b.Reverser.Units(ctx) {
		if err != nil {
			b.fault("list units: %v", err)
			return
		}
		seen[u.ID]++
		provider, rest, ok := strings.Cut(string(u.ID), ":")
		scope, unit, ok2 := strings.Cut(rest, "/")
		if !ok || !ok2 || provider == "" || scope == "" || unit == "" {
			b.fault("unit id %q is not provider:scope/name", u.ID)
		}
		if u.ID == b.Unit && u.CAS != b.unit.CAS {
			b.fault("listed with compare-and-set %q, observed with %q", u.CAS, b.unit.CAS)
		}
	}
	if seen[b.Unit] != 1 {
		b.fault("%s is listed %d times", b.Unit, seen[b.Unit])
	}
}

// looks: observing, planning, asking for the status and verifying leave everything as it was, and tell the same twice.
func (b *bench) looks(ctx context.Context) {
	before := b.state(ctx)
	obs, ok := b.observe(ctx)
	if !ok {
		return
	}
	if b.to.Digest != "" {
		b.look(ctx, "plan", func(ctx context.Context) error { _, err := b.Reverser.Plan(ctx, obs, b.to); return err })
	}
	b.look(ctx, "status", func(ctx context.Context) error {
		c, err := b.Reverser.Status(ctx, b.Unit, b.from)
		if err == nil && c.Done && c.Failed {
			b.fault("a status that is done and failed at once: %s", c.Detail)
		}
		return err
	})
	if b.to.Digest != "" {
		b.look(ctx, "status", func(ctx context.Context) error {
			c, err := b.Reverser.Status(ctx, b.Unit, b.to)
			if err == nil && c.Done {
				b.fault("at %s, and the status of %s is done: %s", name(b.from), name(b.to), c.Detail)
			}
			return err
		})
	}
	b.look(ctx, "verify", func(ctx context.Context) error {
		checks, err := b.Reverser.Verify(ctx, b.Unit, b.from)
		b.checkStates(checks)
		return err
	})
	if after := b.state(ctx); after != before {
		b.fault("only looked at, and yet it changed: %s, then %s", before, after)
	}
}

func (b *bench) look(ctx context.Context, what string, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	if err := f(ctx); err != nil {
		b.fault("%s: %v", what, err)
	}
}

func (b *bench) checkStates(checks []rollback.Check) {
	for _, c := range checks {
		switch c.State {
		case rollback.CheckPass, rollback.CheckFail, rollback.CheckUnknown:
		default:
			b.fault("check %q has the state %q", c.Name, c.State)
		}
	}
}

// identity: the same content under another label is the same revision.
func (b *bench) identity(ctx context.Context) {
	call, cancel := context.WithTimeout(ctx, b.Timeout)
	defer cancel()
	before, ok := b.observe(ctx)
	if !ok {
		return
	}
	if err := b.Relabel(call); err != nil {
		b.fault("put the content under another label: %v", err)
		return
	}
	after, ok := b.observe(ctx)
	if !ok {
		return
	}
	if after.Current.Digest != before.Current.Digest {
		b.fault("the current digest went from %s to %s without a switch", before.Current.Digest, after.Current.Digest)
	}
	labels := func(o rollback.Observation) map[string]string {
		m := map[string]string{}
		for _, r := range o.History {
			m[r.Label] = r.Digest
		}
		return m
	}
	known := labels(before)
	for label, digest := range labels(after) {
		if _, old := known[label]; !old && digest != before.Current.Digest {
			b.fault("the same content is %s as %s and %s as %s", before.Current.Digest, before.Current.Label, digest, label)
		}
	}
}

// plan: the steps are bound to what was observed.
func (b *bench) plan(ctx context.Context) {
	obs, steps, ok := b.ready(ctx)
	if !ok {
		return
	}
	numbers := map[int]bool{}
	for _, s := range steps {
		if numbers[s.N] {
			b.fault("two steps have the number %d", s.N)
		}
		numbers[s.N] = true
		if s.Unit != b.Unit || s.Title == "" {
			b.fault("step %d is for %q with the title %q", s.N, s.Unit, s.Title)
		}
	}
	first, last := steps[0], steps[len(steps)-1]
	if first.Token != obs.Token {
		b.fault("the first step compares with %q, observed was %q", first.Token, obs.Token)
	}
	if first.From != obs.Current.Digest || last.To != b.to.Digest {
		b.fault("the steps go from %s to %s, not from %s to %s", first.From, last.To, obs.Current.Digest, b.to.Digest)
	}
}
