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
		v, err := p.read(ctx)
		if err != nil {
			yield(providers.Alert{}, err)
			return
		}
		for _, a := range v.alerts(p.now()) {
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
	v, err := p.read(ctx)
	if err != nil {
		return nil, err
	}
	now := p.now().UTC()
	known := map[string]providers.Alert{}
	for _, a := range v.alerts(now) {
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

// read folds the whole record.
func (p *Provider) read(ctx context.Context) (*view, error) {
	v := newView(p.name)
	for e, err := range p.entries(ctx, 0) {
		if err != nil {
			return nil, err
		}
		v.take(e)
	}
	return v, nil
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
