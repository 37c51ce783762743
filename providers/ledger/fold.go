package ledger

import (
	"context"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
)

// skew is how far the clocks of those who write a record may be apart.
const skew = 5 * time.Minute

// fold is the record as far as it was read. A long one takes a while, so what was read is kept, also by whoever had no time
// to come to its end.
type fold struct {
	free  chan struct{} // held by whoever reads on or looks
	view  *view
	began time.Time
	last  ledger.Entry // zero: nothing was read yet
	known int64        // redactions up to this one were there when the fold began

	followers map[*follower]struct{}
}

// follower collects what changed since its owner looked last.
type follower struct{ changed []providers.Change }

func newFold(provider string) *fold {
	return &fold{free: make(chan struct{}, 1), view: newView(provider), followers: map[*follower]struct{}{}}
}

// read brings the fold up to date and lets use see it.
func (p *Provider) read(ctx context.Context, use func(*view)) error {
	f := p.fold
	select {
	case f.free <- struct{}{}:
		defer func() { <-f.free }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		same, err := p.grow(ctx, f)
		if err != nil {
			return err
		}
		if same {
			use(f.view)
			return nil
		}
		f.view, f.last = newView(p.name), ledger.Entry{}
	}
}

// grow reads on. It is not the record that was read where another one stands in its place, or something was taken out of it since.
func (p *Provider) grow(ctx context.Context, f *fold) (same bool, err error) {
	again := f.last.Seq > 0
	if !again {
		f.began = p.now()
	}
	for e, err := range p.entries(ctx, max(f.last.Seq-1, 0)) {
		switch {
		case err != nil:
			return false, err
		case again:
			if again = false; e.Seq != f.last.Seq || e.Prev != f.last.Prev || e.Text != f.last.Text || !e.At.Equal(f.last.At) {
				return false, nil
			}
			continue
		case e.Kind == ledger.KindRedaction && e.Seq > f.known && e.At.After(f.began.Add(-skew)):
			f.known = e.Seq
			return false, nil
		}
		changed := f.view.take(e)
		for w := range f.followers {
			w.changed = append(w.changed, changed...)
		}
		f.last = e
	}
	return !again, nil
}
