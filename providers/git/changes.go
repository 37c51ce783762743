package git

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Changes implements [providers.ChangeSource]: the landings and tags of the window, newest landings first. Every call
// looks at the repository anew.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		start := p.env.Now()
		remark, err := p.read(ctx, w, func(c providers.Change) bool { return yield(c, nil) })
		switch {
		case errors.Is(err, errStopped):
		case err != nil:
			if ctx.Err() == nil {
				p.vitals.Done(start, err)
			}
			yield(providers.Change{}, err)
		default:
			p.vitals.Done(start, nil)
			if remark != "" {
				p.vitals.Note(remark)
			}
		}
	}
}

// errStopped: whoever asked wants no more.
var errStopped = errors.New("stopped")

func (p *Provider) read(ctx context.Context, w providers.Window, yield func(providers.Change) bool) (remark string, err error) {
	r, err := p.open(ctx)
	if err != nil {
		return "", err
	}
	p.remember(&snapshot{head: r.head})
	emit := func(c providers.Change) error {
		if !w.Contains(c.At()) {
			return nil
		}
		if !yield(c) {
			return errStopped
		}
		return ctx.Err()
	}
	remark = r.remark()
	if r.head != "" {
		wk, err := r.walk(ctx, w, func(seg segment) error { return p.segment(ctx, r, seg, emit) }, r.head)
		if err != nil {
			return "", r.explain(err)
		}
		if wk.ended && r.shallow[wk.last.hash] && (w.Since.IsZero() || w.Since.Before(wk.last.at)) {
			remark = joined(remark, "history before "+wk.last.at.Format(time.DateOnly)+" is not here: shallow clone, see `git fetch --unshallow`")
		}
	}
	if !p.tags() {
		return remark, nil
	}
	seen := map[string]string{}
	if err := r.eachTag(ctx, func(t tag) error {
		seen[t.name] = t.object
		return emit(p.tagChange(r, t))
	}); err != nil {
		return "", r.explain(err)
	}
	p.remember(&snapshot{head: r.head, tags: seen})
	return remark, nil
}

// segment reads one segment and hands on its changes.
func (p *Provider) segment(ctx context.Context, r *repo, seg segment, emit func(providers.Change) error) error {
	landings, err := p.details(ctx, r, seg)
	if err != nil {
		return err
	}
	if err := p.sides(ctx, r, seg, landings); err != nil {
		return err
	}
	for _, l := range landings {
		if err := emit(p.change(r, l)); err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) remember(s *snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = s
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
