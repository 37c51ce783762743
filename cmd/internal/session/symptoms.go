package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// States asks the sources of the alerts themselves, now; it implements [rollback.Symptoms]. What a source cannot tell is
// unknown.
func (s *Session) States(ctx context.Context, alerts []rollback.AlertRef) ([]rollback.Symptom, error) {
	byProvider := map[string][]providers.AlertQuery{}
	for _, a := range alerts {
		byProvider[a.Provider] = append(byProvider[a.Provider], providers.AlertQuery{ID: a.ID, StartsAt: a.StartsAt})
	}
	type answer struct {
		states map[string]providers.AlertStatus
		why    string
	}
	answers := map[string]answer{}
	for name, queries := range byProvider {
		source := s.alertStates(name)
		if source == nil {
			answers[name] = answer{why: fmt.Sprintf("provider %q cannot be asked for an alert's state", name)}
			continue
		}
		states, err := source.AlertStates(ctx, queries)
		if err != nil {
			answers[name] = answer{why: err.Error()}
			continue
		}
		answers[name] = answer{states: states}
	}
	out := make([]rollback.Symptom, len(alerts))
	for i, a := range alerts {
		out[i] = rollback.Symptom{AlertRef: a, State: providers.AlertUnknown, Detail: answers[a.Provider].why}
		if st, ok := answers[a.Provider].states[a.ID]; ok {
			out[i].State, out[i].SeenAt, out[i].Detail = st.State, st.SeenAt, st.Detail
		}
	}
	return out, nil
}

// Opened implements [rollback.Newcomers]. Of a provider that takes units back itself the checks of its units say as much, and
// what backout alerts of itself is no symptom.
func (s *Session) Opened(ctx context.Context, services []string, since time.Time) ([]rollback.AlertRef, error) {
	var out []rollback.AlertRef
	var errs []error
	for _, p := range s.providers {
		source, ok := p.(providers.AlertSource)
		_, takesBack := p.(rollback.Reverser)
		if !ok || takesBack || p.Name() == recordName || s.alertStates(p.Name()) == nil {
			continue
		}
		for a, err := range source.Alerts(ctx, providers.Window{Since: since}) {
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", p.Name(), err))
				break
			}
			open := a.EndsAt.IsZero() && a.State != providers.AlertSuppressed && a.State != providers.AlertResolved
			if open && !a.StartsAt.Before(since) && slices.Contains(services, a.Service) {
				out = append(out, rollback.AlertRef{Provider: p.Name(), ID: a.ID, Name: a.Name, Service: a.Service, StartsAt: a.StartsAt})
			}
		}
	}
	return out, errors.Join(errs...)
}

func (s *Session) alertStates(name string) providers.AlertStates {
	for _, p := range s.providers {
		if source, ok := p.(providers.AlertStates); ok && p.Name() == name {
			return source
		}
	}
	return nil
}

// outsideChecks asks every provider that has checks for the services of a plan.
func (s *Session) outsideChecks(ctx context.Context, services []string) ([]rollback.Check, error) {
	var out []rollback.Check
	for _, p := range s.providers {
		source, ok := p.(providers.CheckSource)
		if !ok {
			continue
		}
		results, err := source.Checks(ctx, services)
		if err != nil {
			out = append(out, rollback.Check{Name: p.Name(), State: rollback.CheckUnknown, Observed: providers.Clean(err.Error())})
			continue
		}
		for _, r := range results {
			out = append(out, rollback.Check{
				Name: p.Name() + ": " + r.Name, State: checkState(string(r.State)), Observed: r.Observed, Goal: r.Goal, Value: r.Value, Limit: r.Limit,
			})
		}
	}
	return out, nil
}

// outsideNames names what outsideChecks would look at. A provider that cannot say may have a check.
func (s *Session) outsideNames(services []string) []string {
	var out []string
	for _, p := range s.providers {
		if _, ok := p.(providers.CheckSource); !ok {
			continue
		}
		lister, ok := p.(providers.CheckLister)
		if !ok {
			out = append(out, p.Name())
			continue
		}
		for _, name := range lister.CheckNames(services) {
			out = append(out, p.Name()+": "+name)
		}
	}
	return out
}

func checkState(s string) rollback.CheckState {
	switch rollback.CheckState(s) {
	case rollback.CheckPass, rollback.CheckFail:
		return rollback.CheckState(s)
	default:
		return rollback.CheckUnknown
	}
}

// readTimeout bounds one look at the engine's own database and targets for the screen.
const readTimeout = 10 * time.Second
