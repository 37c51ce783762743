package session

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/timeline"
)

// ruleWindow is how far back other changes matter for the independence rules.
const ruleWindow = 14 * 24 * time.Hour

// Prepare completes a request with what is known of other changes, edges and the open incident's alerts, so that the
// console and the command line plan the same thing and get the same hash.
func (s *Session) Prepare(_ context.Context, r *rollback.Request) error {
	snap := s.Timeline.Snapshot()
	now := s.opts.Now()
	r.For = s.opts.Principal
	about := now
	if r.Change != nil && !r.Change.At().IsZero() {
		about = r.Change.At()
	}
	r.Context = near(snap, providers.Window{Since: now.Add(-ruleWindow)}, about, contextBefore, contextAfter)
	r.Edges = append(snap.Edges(), callEdges(snap.Services())...)
	r.Services, r.Unread = snap.Services(), s.unread()
	var unread []string
	r.Advisories, unread = s.advisories()
	r.Unread = append(r.Unread, unread...)
	inc, ok := s.Incident(r.Incident)
	switch {
	case r.Incident != "" && !ok:
		return fmt.Errorf("incident %s: %w", r.Incident, rollback.ErrNotFound)
	case !ok || (r.Incident == "" && !inc.ClosedAt.IsZero()):
		return nil
	}
	r.Incident = inc.ID
	r.Alerts = refs(inc)
	return nil
}

// unread names the catalogues that have not given what they hold: what they declare is not known then.
func (s *Session) unread() []string {
	var out []string
	for _, p := range s.providers {
		if s.types[p.Name()] != "catalog" {
			continue
		}
		if h := p.Health(); h.State != providers.HealthOK && h.State != providers.HealthSlow {
			out = append(out, fmt.Sprintf("%s: %s", p.Name(), cmp.Or(h.Detail, "not read yet")))
		}
	}
	for _, h := range s.problems {
		if s.types[h.Provider] == "catalog" {
			out = append(out, fmt.Sprintf("%s: %s", h.Provider, h.Detail))
		}
	}
	return out
}

// refs names the alerts that are not over, which a verified rollback must have cured.
func refs(inc timeline.Incident) []rollback.AlertRef {
	var out []rollback.AlertRef
	for _, a := range inc.Alerts {
		if a.EndsAt.IsZero() && a.State != providers.AlertSuppressed {
			out = append(out, rollback.AlertRef{Provider: a.Provider, ID: a.ID, Name: a.Name, Service: a.Service, StartsAt: a.StartsAt})
		}
	}
	return out
}

// callEdges turns the catalogue into edges.
func callEdges(services []providers.Service) []providers.Edge {
	var out []providers.Edge
	for _, svc := range services {
		for _, to := range svc.DependsOn {
			out = append(out, providers.Edge{From: svc.Name, To: to, Kind: providers.EdgeCalls, Source: "catalogue"})
		}
	}
	return out
}

// Resolve makes a request from what a person names: a unit id, a run that is to be undone, else a change (id, handle,
// commit or unique prefix).
func (s *Session) Resolve(ctx context.Context, name string) (rollback.Request, error) {
	units, err := s.Engine.Units(ctx)
	if err != nil {
		s.opts.Log.Warn("some units cannot be listed", "error", err)
	}
	for _, u := range units {
		if string(u.ID) == name {
			return rollback.Request{Unit: u.ID}, nil
		}
	}
	if _, err := s.Engine.Run(ctx, name); err == nil {
		return rollback.Request{Run: name}, nil
	}
	if change, ok := s.Timeline.Snapshot().Change(name); ok {
		return rollback.Request{Change: &change}, nil
	}
	return rollback.Request{}, fmt.Errorf("%q: %w: see 'backout timeline' for changes and 'backout providers list' for units", name, rollback.ErrNotFound)
}
