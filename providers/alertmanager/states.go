package alertmanager

import (
	"context"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// AlertStates implements providers.AlertStates. It asks for all alerts, whatever the configured filter says, so that an
// alert that a changed filter hides does not look resolved.
func (p *Provider) AlertStates(ctx context.Context, alerts []providers.AlertQuery) (map[string]providers.AlertStatus, error) {
	wanted := make(map[string]bool, len(alerts))
	for _, q := range alerts {
		wanted[q.ID] = true
	}
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()

	var found map[string]*wireAlert
	begin := func() { found = make(map[string]*wireAlert, len(alerts)) }
	snap, err := p.observe(ctx, true, known, begin, func(a *wireAlert) error {
		if wanted[a.Fingerprint] {
			found[a.Fingerprint] = a
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	seen := p.env.Now().UTC()
	states := make(map[string]providers.AlertStatus, len(alerts))
	for _, q := range alerts {
		st := providers.AlertStatus{SeenAt: seen}
		if a := found[q.ID]; a != nil {
			st.State, st.Detail = p.listed(ctx, a, q)
			p.remember(a, snap)
		} else {
			st.State, st.Detail = decide(p.recall(q.ID), q.StartsAt, snap, p.set.ClockTolerance)
		}
		states[q.ID] = st
	}
	p.mu.Lock()
	p.known = snap.started
	p.mu.Unlock()
	return states, nil
}

func (p *Provider) listed(ctx context.Context, a *wireAlert, q providers.AlertQuery) (providers.AlertState, string) {
	if by := p.silencers(ctx, a); a.Status.State == "suppressed" {
		return providers.AlertSuppressed, providers.Clean(strings.Join(by, "; "))
	}
	if !q.StartsAt.IsZero() && a.StartsAt.Sub(q.StartsAt) > time.Second {
		return providers.AlertFiring, "firing again since " + a.StartsAt.UTC().Format(time.TimeOnly)
	}
	return providers.AlertFiring, ""
}

func (p *Provider) remember(a *wireAlert, snap snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sightings) >= maxSightings {
		clear(p.sightings) // forgetting only makes answers more careful
	}
	p.sightings[a.Fingerprint] = p.sightings[a.Fingerprint].see(a, snap)
}

func (p *Provider) recall(id string) *sighting {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.sightings[id]; ok {
		return &s
	}
	return nil
}
