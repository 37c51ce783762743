package releases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// Units implements rollback.Reverser.
func (p *Provider) Units(context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		for _, u := range p.units {
			if !yield(p.describe(u), nil) {
				return
			}
		}
	}
}

// LookTimeout implements rollback.Watchful: the setting timeout.
func (p *Provider) LookTimeout() time.Duration { return p.timeout }

func (p *Provider) describe(u *unit) rollback.Unit {
	return rollback.Unit{ID: u.id, Kind: "release directory", Service: u.service, Environment: p.environment, CAS: p.host.cas(u)}
}

// Observe implements rollback.Reverser. The stamp is the id of the operation that made the current link.
func (p *Provider) Observe(ctx context.Context, id rollback.UnitID) (obs rollback.Observation, err error) {
	u, err := p.unit(id)
	if err != nil {
		return obs, err
	}
	ctx, done := p.bounded(ctx)
	defer func() { done(err) }()
	s, digests, err := p.survey(ctx, u)
	if err != nil {
		return obs, err
	}
	now := p.now().UTC()
	ts, recorded := terms(p.history(ctx, u, s), s.log, now), recordedSince(s)
	obs = rollback.Observation{Unit: p.describe(u), At: now, Token: s.link.token(), Stamp: s.link.op, InFlight: underWay(s, now)}
	type dated struct {
		rollback.Revision
		key time.Time
	}
	var others []dated
	for _, r := range s.releases {
		digest, ok := digests[r.label]
		if !ok {
			continue
		}
		rev := u.revision(r, digest, ts, recorded)
		if r.label == s.link.label {
			obs.Current = rev
			continue
		}
		others = append(others, dated{rev, cmp.Or(rev.Since, r.made)})
	}
	slices.SortStableFunc(others, func(a, b dated) int { return b.key.Compare(a.key) })
	for _, o := range others {
		obs.History = append(obs.History, o.Revision)
	}
	obs.Unit.CAS = p.host.cas(u)
	return obs, nil
}

// survey looks at a unit and identifies every release that can be read. The current one must be.
func (p *Provider) survey(ctx context.Context, u *unit) (sight, map[string]string, error) {
	s, err := p.host.look(ctx, u)
	if err != nil {
		return s, nil, fmt.Errorf("%s: %w", u.id, p.explain(u, err))
	}
	if !s.link.inside {
		return s, nil, fmt.Errorf("%s: current points to %q, which is not in %s: switch it to a release first", u.id, providers.Clean(s.link.target), u.releases)
	}
	p.notice(ctx, u, s.link)
	digests := map[string]string{}
	for _, r := range s.releases {
		digest, err := p.digests.seen(ctx, p.host, u, r.label, r.print)
		switch {
		case err == nil:
			digests[r.label] = digest
		case ctx.Err() != nil:
			return s, nil, fmt.Errorf("%s: read the releases: %w", u.id, ctx.Err())
		case r.label == s.link.label:
			return s, nil, fmt.Errorf("%s: what serves cannot be identified: %w", u.id, err)
		}
	}
	if digests[s.link.label] == "" {
		return s, nil, fmt.Errorf("%s: current points to release %s, whose directory is gone: nothing can serve from it; deploy it again or switch to another release", u.id, providers.Clean(s.link.label))
	}
	return s, digests, nil
}

// explain says what a user can do about a unit that cannot be seen.
func (p *Provider) explain(u *unit, err error) error {
	switch {
	case errors.Is(err, errNotLink):
		return providers.Permanent(fmt.Errorf("%w: a release is switched through a link; move what is there into %s and link to it", err, u.releases))
	case errors.Is(err, errGone):
		return fmt.Errorf("%w; is path %s right?", err, u.base)
	case errors.Is(err, os.ErrPermission):
		return providers.Permanent(fmt.Errorf("%w: run backout as a user who may read it", err))
	default:
		return err
	}
}

// underWay says what somebody else has begun on the unit and not ended.
func underWay(s sight, now time.Time) string {
	for _, o := range s.left {
		if o.link.op != o.op {
			return fmt.Sprintf("operation %s was cut off in its switch; what it replaced is kept as %s", o.op, providers.Clean(o.name))
		}
	}
	if s.held.holds(now) {
		return fmt.Sprintf("operation %s of %s", providers.Clean(s.held.Operation), providers.Clean(s.held.By))
	}
	return ""
}

// Lock implements rollback.Locker: a directory beside current that names its holder and expires. Whoever has it may also
// finish what a killed switch left half done, so it does.
func (p *Provider) Lock(ctx context.Context, id rollback.UnitID, op rollback.Operation, ttl time.Duration) (func(context.Context) error, error) {
	u, err := p.unit(id)
	if err != nil {
		return nil, err
	}
	now := p.now().UTC()
	want := holder{Operation: op.ID, Fence: op.Fence, By: fmt.Sprintf("%s:%d", hostname(), os.Getpid()), Until: now.Add(ttl)}
	if err := p.host.lock(ctx, u, want, now); err != nil {
		return nil, err
	}
	release := func(ctx context.Context) error { return p.host.unlock(ctx, u, want) }
	if err := p.host.settle(ctx, u); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: finish what an earlier operation left: %w", id, err), release(ctx))
	}
	return release, nil
}
