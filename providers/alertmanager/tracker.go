package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// tracker remembers, for one Watch, what the last complete answer listed. Alerts are kept encoded: a decoded one takes
// several times the memory, and there may be 100,000.
type tracker struct {
	p       *Provider
	started time.Time // of the instance that answered last
	alerts  map[string]*record
	next    map[string]*record // of the answer that is being read
	changed []string           // ids to report, in order
}

type record struct {
	sighting
	startsAt time.Time
	body     []byte
	lost     bool // reported as unknown
	over     bool // reported as resolved with the next report, and then forgotten
}

func newTracker(p *Provider) *tracker { return &tracker{p: p, alerts: map[string]*record{}} }

// poll reads one complete answer and works out what changed; after an error nothing has.
func (t *tracker) poll(ctx context.Context) error {
	begin := func() { t.next = make(map[string]*record, len(t.alerts)) }
	snap, err := t.p.observe(ctx, false, t.started, begin, func(w *wireAlert) error {
		a := t.p.alert(w, t.p.silencers(ctx, w))
		body, err := json.Marshal(&a)
		if err != nil {
			return fmt.Errorf("remember alert %s: %w", a.ID, err)
		}
		r := &record{startsAt: a.StartsAt, body: body}
		if old := t.alerts[a.ID]; old != nil {
			r.horizon = old.horizon
			if bytes.Equal(old.body, body) {
				r.body = old.body
			}
		}
		r.ends = w.EndsAt
		t.next[a.ID] = r
		return nil
	})
	if err != nil {
		t.next = nil
		return err
	}
	t.settle(snap)
	return nil
}

// settle compares the new answer with the last one.
func (t *tracker) settle(snap snapshot) {
	t.changed = t.changed[:0]
	for id, r := range t.next {
		r.sighting = sighting{horizon: r.horizon}.see(&wireAlert{EndsAt: r.ends}, snap)
		if old := t.alerts[id]; old == nil || old.lost || !bytes.Equal(old.body, r.body) {
			t.changed = append(t.changed, id)
		}
	}
	for id, old := range t.alerts {
		if t.next[id] != nil || (old.lost && len(t.next) >= maxAlerts) {
			continue
		}
		if !old.lost {
			t.gone(id, old, snap)
		}
		t.next[id] = old
	}
	slices.Sort(t.changed)
	t.alerts, t.next, t.started = t.next, nil, snap.started
}

func (t *tracker) gone(id string, old *record, snap snapshot) {
	var a providers.Alert
	if err := json.Unmarshal(old.body, &a); err != nil {
		t.p.env.Log.Error("read back an alert", "id", id, "error", err)
		return
	}
	a.SilencedBy = nil
	a.State, _ = decide(&old.sighting, old.startsAt, snap, t.p.set.ClockTolerance)
	if a.State == providers.AlertResolved {
		a.EndsAt = snap.at
		if a.EndsAt.Before(a.StartsAt) {
			a.EndsAt = a.StartsAt
		}
		old.over = true
	} else {
		old.lost = true
	}
	if body, err := json.Marshal(&a); err == nil {
		old.body = body
	}
	t.changed = append(t.changed, id)
}

// report yields what changed and forgets what is over.
func (t *tracker) report(ctx context.Context, yield func(providers.Event, error) bool) bool {
	for _, id := range t.changed {
		if ctx.Err() != nil {
			return false
		}
		r := t.alerts[id]
		if r.over {
			delete(t.alerts, id)
		}
		var a providers.Alert
		if err := json.Unmarshal(r.body, &a); err != nil {
			t.p.env.Log.Error("read back an alert", "id", id, "error", err)
			continue
		}
		if !yield(providers.Event{Alert: &a}, nil) {
			return false
		}
	}
	return true
}
