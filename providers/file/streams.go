package file

import (
	"context"
	"hash/maphash"
	"iter"

	"github.com/backout-dev/backout/providers"
)

// Changes implements providers.ChangeSource.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		p.stream(ctx, w, false, func(ev providers.Event, err error) bool {
			if err != nil {
				return yield(providers.Change{}, err)
			}
			return yield(*ev.Change, nil)
		})
	}
}

// Alerts implements providers.AlertSource.
func (p *Provider) Alerts(ctx context.Context, w providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) {
		p.stream(ctx, w, true, func(ev providers.Event, err error) bool {
			if err != nil {
				return yield(providers.Alert{}, err)
			}
			return yield(*ev.Alert, nil)
		})
	}
}

// stream decodes the events of one sort. It reads the rows first to know the last line of each id, and keeps 16 bytes an
// event; the window is applied to what holds in the end.
func (p *Provider) stream(ctx context.Context, w providers.Window, alerts bool, yield func(providers.Event, error) bool) {
	seed := maphash.MakeSeed()
	last := map[uint64]uint64{} // ref by hash of provider and id
	var order []uint64
	s := spanOf(w)
	keyOf := func(r *providers.Row) uint64 {
		var h maphash.Hash
		h.SetSeed(seed)
		_, _ = h.WriteString(r.Provider) // never fails
		_ = h.WriteByte(0)
		_, _ = h.WriteString(r.ID)
		return h.Sum64()
	}
	for rows, err := range p.Rows(ctx, providers.Window{}) {
		if err != nil {
			yield(providers.Event{}, err)
			return
		}
		for i := range rows {
			r := &rows[i]
			if r.Alert != alerts {
				continue
			}
			k := keyOf(r)
			if !s.holds(r.At, r.End, r.Alert) {
				if _, had := last[k]; had {
					last[k] = r.Ref
				}
				continue
			}
			last[k] = r.Ref
			order = append(order, r.Ref, k)
		}
	}
	for i := 0; i < len(order); i += 2 {
		if ctx.Err() != nil {
			return
		}
		if last[order[i+1]] != order[i] {
			continue
		}
		ev, err := p.Load(order[i])
		if err != nil {
			continue // it was rotated away since
		}
		if !yield(ev, nil) {
			return
		}
	}
}
