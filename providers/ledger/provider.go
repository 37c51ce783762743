// Package ledger shows the record as a source of changes, so that what backout did, and what people noted, stands on the
// same timeline as everything else. It is not configured: the command that opens the record makes it.
package ledger

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
)

const (
	page = 500
	poll = time.Second // between two looks for new entries; the record is a local database
	slow = 2 * time.Second
)

// Reader reads the record: at most limit entries after a number, in order.
type Reader interface {
	Entries(ctx context.Context, afterSeq int64, limit int) ([]ledger.Entry, error)
}

// Provider turns runs into changes of kind rollback, notes and temporary measures into changes of kind operation, and what is
// wrong with a measure into alerts. A run of several units is one change for each of them.
type Provider struct {
	name   string
	db     Reader
	now    func() time.Time
	vitals *providers.Vitals
	fold   *fold
}

// New makes the provider of a record.
func New(name string, db Reader, now func() time.Time) *Provider {
	return &Provider{name: name, db: db, now: now, vitals: providers.NewVitals(name, now, slow), fold: newFold(name)}
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.name }

// Health implements providers.Provider.
func (p *Provider) Health() providers.Health { return p.vitals.Health() }

// Changes implements providers.ChangeSource. It keeps one small value per run in memory.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		var all []providers.Change
		if err := p.read(ctx, func(v *view) { all = v.all() }); err != nil {
			yield(providers.Change{}, err)
			return
		}
		for _, c := range all {
			if w.Contains(c.At()) && !yield(c, nil) {
				return
			}
		}
	}
}

// Watch implements providers.Watcher: it polls the record, and gives a run again each time that it changed, and an alert when
// it begins and ends, be it by the clock.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		w, told := &follower{}, news{}
		defer p.leave(w)
		for {
			changed, alerts, err := p.follow(ctx, w, told)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				if !yield(providers.Event{}, err) {
					return
				}
			}
			for i := range changed {
				if !yield(providers.Event{Change: &changed[i]}, nil) {
					return
				}
			}
			for i := range alerts {
				if !yield(providers.Event{Alert: &alerts[i]}, nil) {
					return
				}
			}
			if sleep(ctx, poll) != nil {
				return
			}
		}
	}
}

// follow gives what is new to the follower. What stood in the record before its first look is not.
func (p *Provider) follow(ctx context.Context, w *follower, told news) (changed []providers.Change, alerts []providers.Alert, err error) {
	err = p.read(ctx, func(v *view) {
		changed, w.changed = w.changed, nil
		alerts = told.of(v.alerts(p.now()))
		if _, ok := p.fold.followers[w]; !ok {
			alerts, p.fold.followers[w] = nil, struct{}{}
		}
	})
	return changed, alerts, err
}

func (p *Provider) leave(w *follower) {
	p.fold.free <- struct{}{}
	delete(p.fold.followers, w)
	<-p.fold.free
}

func (p *Provider) entries(ctx context.Context, after int64) iter.Seq2[ledger.Entry, error] {
	return func(yield func(ledger.Entry, error) bool) {
		for {
			start := p.now()
			entries, err := p.db.Entries(ctx, after, page)
			if ctx.Err() != nil {
				yield(ledger.Entry{}, ctx.Err())
				return
			}
			p.vitals.Done(start, err)
			if err != nil {
				yield(ledger.Entry{}, fmt.Errorf("%s: read the record: %w", p.name, err))
				return
			}
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
				after = e.Seq
			}
			if len(entries) < page {
				return
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
