package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
)

// firingBack is how far back an alert may have begun that is looked for before a drill.
const firingBack = 30 * 24 * time.Hour

// Firing implements [rollback.DrillGuard]. Every source of alerts is asked, also backout's own: a temporary measure that
// nobody lifted speaks against a drill as well.
func (s *Session) Firing(ctx context.Context, services []string) (open []rollback.AlertRef, asked int, err error) {
	var errs []error
	w := providers.Window{Since: s.opts.Now().Add(-firingBack)}
	for _, p := range s.providers {
		source, ok := p.(providers.AlertSource)
		if !ok {
			continue
		}
		if p.Name() != recordName {
			asked++
		}
		for a, err := range source.Alerts(ctx, w) {
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", p.Name(), err))
				break
			}
			over := !a.EndsAt.IsZero() || a.State == providers.AlertSuppressed || a.State == providers.AlertResolved
			if !over && slices.Contains(services, a.Service) {
				open = append(open, rollback.AlertRef{Provider: p.Name(), ID: a.ID, Name: a.Name, Service: a.Service, StartsAt: a.StartsAt})
			}
		}
	}
	for _, h := range s.problems {
		errs = append(errs, fmt.Errorf("%s: %s", h.Provider, h.Detail))
	}
	return open, asked, errors.Join(errs...)
}

// Closed implements [rollback.DrillGuard].
func (s *Session) Closed(u rollback.Unit, now time.Time) string {
	for i := range s.opts.Config.Drills.Freeze {
		f := &s.opts.Config.Drills.Freeze[i]
		if f.Holds(u.Environment, now) {
			return strings.TrimSuffix(fmt.Sprintf("nobody drills in %s until %s: %s", cmp.Or(u.Environment, "any environment"), cmp.Or(f.Until, "the configuration says otherwise"), f.Reason), ": ")
		}
	}
	return ""
}

// Budgets implements [rollback.DrillGuard].
func (s *Session) Budgets(ctx context.Context, u rollback.Unit) []rollback.Check {
	var out []rollback.Check
	for i := range s.opts.Config.Drills.Budget {
		b := &s.opts.Config.Drills.Budget[i]
		if !b.Matches(string(u.ID), u.Service, u.Environment) {
			continue
		}
		provider, err := s.opts.Config.Prometheus(b.Provider)
		c := rollback.Check{State: rollback.CheckUnknown}
		if err != nil {
			c.Observed = err.Error()
		} else {
			c = s.threshold(ctx, &rollback.PromQLCheck{Provider: provider, Query: b.Query, Min: b.Min})
		}
		c.Name, c.Goal = providers.Clean(cmp.Or(b.Name, brief(b.Query))), within(b.Min, nil)
		c.Observed = providers.Clean(c.Observed)
		out = append(out, c)
	}
	return out
}

// sliceOf is what part of a whole a unit is declared to be, "" none.
func (s *Session) sliceOf(u rollback.Unit) proof.Slice {
	for i := range s.opts.Config.Drills.Slices {
		if d := &s.opts.Config.Drills.Slices[i]; d.Matches(string(u.ID)) {
			return proof.Slice(d.Slice)
		}
	}
	return ""
}
