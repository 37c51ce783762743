package ledger

import (
	"context"
	"iter"

	"github.com/backout-dev/backout/providers"
)

// Alerts implements providers.AlertSource: temporary measures that somebody else lifted, that cannot be seen, that outlived
// their exit condition, or that expired. The record tells of what was seen when somebody looked last.
func (p *Provider) Alerts(ctx context.Context, w providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) {
		var all []providers.Alert
		if err := p.read(ctx, func(v *view) { all = v.alerts(p.now()) }); err != nil {
			yield(providers.Alert{}, err)
			return
		}
		for _, a := range all {
			if overlaps(w, &a) && !yield(a, nil) {
				return
			}
		}
	}
}

// overlaps reports whether an alert was open at some time in the window.
func overlaps(w providers.Window, a *providers.Alert) bool {
	begun := w.Until.IsZero() || a.StartsAt.Before(w.Until)
	return begun && (a.EndsAt.IsZero() || w.Since.IsZero() || !a.EndsAt.Before(w.Since))
}

// AlertStates implements providers.AlertStates.
func (p *Provider) AlertStates(ctx context.Context, asked []providers.AlertQuery) (map[string]providers.AlertStatus, error) {
	now := p.now().UTC()
	var all []providers.Alert
	if err := p.read(ctx, func(v *view) { all = v.alerts(now) }); err != nil {
		return nil, err
	}
	known := map[string]providers.Alert{}
	for _, a := range all {
		known[a.ID] = a
	}
	out := make(map[string]providers.AlertStatus, len(asked))
	for _, q := range asked {
		a, ok := known[q.ID]
		if !ok {
			out[q.ID] = providers.AlertStatus{State: providers.AlertUnknown, Detail: "the record does not tell of it"}
			continue
		}
		out[q.ID] = providers.AlertStatus{State: a.State, SeenAt: now, Detail: a.Summary}
	}
	return out, nil
}

// news are the alerts that are not as they were when they were told last.
type news map[string]providers.AlertState

func (n news) of(alerts []providers.Alert) []providers.Alert {
	var out []providers.Alert
	for _, a := range alerts {
		if n[a.ID] != a.State {
			n[a.ID] = a.State
			out = append(out, a)
		}
	}
	return out
}
