package releases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Changes implements providers.ChangeSource: one change for each known switch of a current link. A release without any
// sign that it served is none. A unit that cannot be read is told of at the end, after the changes of all others.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		start := p.now()
		var unread []error
		for _, u := range p.units {
			changes, err := p.changes(ctx, u)
			if ctx.Err() != nil {
				yield(providers.Change{}, ctx.Err())
				return
			}
			if err != nil {
				unread = append(unread, err)
				continue
			}
			for _, c := range changes {
				if ctx.Err() != nil {
					yield(providers.Change{}, ctx.Err())
					return
				}
				if w.Contains(c.At()) && !yield(c, nil) {
					return
				}
			}
		}
		if err := p.together(unread...); err != nil {
			p.vitals.Done(start, err) // also where the unit that was read last is well
			yield(providers.Change{}, err)
		}
	}
}

// together is what is wrong with units, in one line. As long as there are others, asking again is never in vain.
func (p *Provider) together(unread ...error) error {
	if len(unread) == 0 {
		return nil
	}
	class := providers.ClassOf(unread[0])
	if class == providers.ClassPermanent && len(unread) < len(p.units) {
		class = providers.ClassRetryable
	}
	texts := make([]string, len(unread))
	for i, err := range unread {
		texts[i] = err.Error()
		if providers.ClassOf(err) != class {
			class = providers.ClassRetryable
		}
	}
	slices.Sort(texts)
	return &providers.Error{Class: class, Err: errors.New(strings.Join(slices.Compact(texts), "; "))}
}

// changes are all the switches of one unit, oldest first.
func (p *Provider) changes(ctx context.Context, u *unit) (out []providers.Change, err error) {
	ctx, done := p.bounded(ctx)
	defer func() { done(err) }()
	s, err := p.host.look(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", u.id, p.explain(u, err))
	}
	p.notice(ctx, u, s.link)
	now := p.now().UTC()
	byLabel := map[string]release{}
	for _, r := range s.releases {
		byLabel[r.label] = r
	}
	history := p.history(ctx, u, s)
	for i := range history {
		if r, there := byLabel[history[i].label]; there && history[i].digest == "" {
			// A release that cannot be read has no digest, which is no reason to lose that it was switched to.
			history[i].digest, _ = p.digests.seen(ctx, p.host, u, r.label, r.print)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ts := terms(history, s.log, now)
	for i, t := range ts {
		var before *term
		if i > 0 {
			before = &ts[i-1]
		}
		out = append(out, p.change(u, t, before, byLabel[t.label]))
	}
	return out, nil
}

// change describes one switch. What the release says of itself belongs to the change that first brought it; going back to
// it later is another change.
func (p *Provider) change(u *unit, t term, before *term, r release) providers.Change {
	label := providers.Clean(t.label)
	c := providers.Change{
		ID: changeID(u, t.switched), Provider: p.name, Kind: providers.KindDeploy, Service: u.service, Environment: p.environment,
		Unit: string(u.id), To: label, Author: providers.Author{Name: t.by}, Title: "release " + label + " went live",
	}
	if t.about {
		c.LandedAt, c.LandedApproximate = t.at, true
	} else {
		c.EffectiveFrom = t.at
	}
	if t.digest != "" {
		c.Artifacts = []string{t.digest}
	}
	ended := before != nil && (!before.until.IsZero() || t.before == before.label)
	if t.before != "" || ended {
		c.From = t.before
		if ended {
			c.From = before.label
		}
	}
	if ended && before.back {
		c.Kind, c.Title = providers.KindRollback, "back to release "+label
		c.Reverts = []string{changeID(u, before.switched)}
	} else {
		p.describeRelease(&c, t, r)
	}
	if t.op != "" {
		c.Title += " (backout operation " + t.op + ")"
	}
	providers.CleanChange(&c)
	return c
}

func (p *Provider) describeRelease(c *providers.Change, t term, r release) {
	a := readAbout(r.about)
	c.Commit = cmp.Or(r.commit(), t.commit)
	c.ChangeSet, c.Paths, c.Files, c.Lines, c.URL, c.Approvers = a.ChangeSet, a.Paths, max(a.Files, 0), max(a.Lines, 0), a.URL, a.Approvers
	if a.Title != "" {
		c.Title = a.Title
	}
	if who := a.author(); who.Name != "" {
		c.Author = who
	}
	if !a.LandedAt.IsZero() {
		c.LandedAt, c.LandedApproximate = a.LandedAt, false
	}
}

func changeID(u *unit, s switched) string {
	return fmt.Sprintf("%s/%s@%d", u.id, printable(s.label), s.at.UnixNano())
}

// Watch implements providers.Watcher by looking at the links again and again; reading a link costs next to nothing.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		tokens := map[string]string{}
		trouble := map[string]string{}
		ticker := time.NewTicker(p.poll)
		defer ticker.Stop()
		for {
			for _, u := range p.units {
				c, err := p.switchOf(ctx, u, tokens)
				switch {
				case ctx.Err() != nil:
					return
				case err != nil && trouble[u.name] == err.Error():
				case err != nil:
					trouble[u.name] = err.Error()
					if !yield(providers.Event{}, p.together(err)) {
						return
					}
				default:
					trouble[u.name] = ""
					if c != nil && !yield(providers.Event{Change: c}, nil) {
						return
					}
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}
}

// switchOf is the change that a link went through since the last look; nil where there was none, and at the first look.
func (p *Provider) switchOf(ctx context.Context, u *unit, tokens map[string]string) (*providers.Change, error) {
	call, done := p.bounded(ctx)
	l, err := p.host.glance(call, u)
	if err != nil {
		err = fmt.Errorf("%s: %w", u.id, p.explain(u, err))
	} else {
		p.notice(call, u, l)
	}
	done(err)
	if err != nil {
		return nil, err
	}
	last, known := tokens[u.name]
	if known && last == l.token() {
		return nil, nil //nolint:nilnil // nothing changed, and nothing is wrong
	}
	if !known {
		tokens[u.name] = l.token()
		return nil, nil //nolint:nilnil // what was there before is Changes' to tell
	}
	changes, err := p.changes(ctx, u)
	if err != nil {
		return nil, err
	}
	tokens[u.name] = l.token()
	for _, c := range slices.Backward(changes) {
		if c.To == providers.Clean(l.label) {
			return &c, nil
		}
	}
	return nil, nil //nolint:nilnil // it points to no release
}
