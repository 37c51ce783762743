package prometheus

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

// alertPoints is into how many points a window of alerts is divided: an end is known to one of them, and what fired between
// two is not seen. The server's limit is 11,000; only points at which an alert fired take any room.
const alertPoints = 10_000

// maxGap is the widest span of time that is read only to learn the end of what was open at a window's end.
const maxGap = 24 * time.Hour

// span is a time in which the condition of an alert held, and since when it did, all in unix seconds.
type span struct{ active, from, to int64 }

// occurrence is one time that an alert fired: from the first to the last point of the grid at which it did.
type occurrence struct {
	since, first, last int64
	exact              bool // since is when the condition began to hold, else the first point
}

// Alerts implements providers.AlertSource from the series ALERTS. StartsAt is when the condition began to hold, exactly,
// where the series ALERTS_FOR_STATE is there; that is earlier than when the alert fired, and closer to the cause. Where it
// is not, it is the first point at which the alert was seen firing. EndsAt is known to the second in two hours and to ten
// seconds in a day.
func (p *Provider) Alerts(ctx context.Context, w providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) {
		err := p.alerts(ctx, w, func(a providers.Alert) error {
			if !yield(a, nil) {
				return httpapi.ErrStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, httpapi.ErrStop) {
			yield(providers.Alert{}, err)
		}
	}
}

func (p *Provider) alerts(ctx context.Context, w providers.Window, each func(providers.Alert) error) error {
	now, err := p.current(ctx)
	if err != nil {
		return err
	}
	g := p.grid(w, now.at)
	spans := map[string][]span{}
	err = p.queryRange(ctx, "ALERTS_FOR_STATE", g, func(s series) error {
		fp := fingerprint(s.Metric)
		spans[fp] = append(spans[fp], held(s.Values)...)
		return nil
	})
	if err != nil {
		return err
	}
	err = p.queryRange(ctx, `ALERTS{alertstate="firing"}`, g, func(s series) error {
		fp := fingerprint(s.Metric)
		for _, o := range occurrences(s.Values, spans[fp], g.step) {
			a := p.alert(s.Metric, fp, o)
			end(&a, o, g, now.known, now.at, now.active[fp])
			if a.State == providers.AlertFiring {
				delete(now.active, fp) // told
			}
			if err := inside(w, a, each); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.newest(w, now, each)
}

// newest tells of the alerts that fire now and that the grid is too coarse to have.
func (p *Provider) newest(w providers.Window, now current, each func(providers.Alert) error) error {
	for _, fp := range slices.Sorted(maps.Keys(now.active)) {
		active := now.active[fp]
		if !active.firing {
			continue
		}
		a := p.alert(active.labels, fp, occurrence{since: active.since})
		a.State, a.Summary = providers.AlertFiring, providers.Clean(active.summary)
		if err := inside(w, a, each); err != nil {
			return err
		}
	}
	return nil
}

// inside hands on an alert that was open at some time in the window.
func inside(w providers.Window, a providers.Alert, each func(providers.Alert) error) error {
	if (!w.Until.IsZero() && !a.StartsAt.Before(w.Until)) || (!a.EndsAt.IsZero() && a.EndsAt.Before(w.Since)) {
		return nil
	}
	return each(a)
}

// grid covers the window, and what follows it up to now where that is not too far, to learn when alerts ended.
func (p *Provider) grid(w providers.Window, now time.Time) grid {
	end := now
	if !w.Until.IsZero() && now.Sub(w.Until) > maxGap {
		end = w.Until
	}
	start := w.Since
	if start.IsZero() {
		if start = end.Add(-p.set.Lookback); !w.Until.IsZero() && w.Until.Before(end) {
			start = w.Until.Add(-p.set.Lookback)
		}
	}
	return spread(start, end, alertPoints)
}

// held finds the spans in a series of ALERTS_FOR_STATE, whose value is when the condition began to hold.
func held(values []sample) []span {
	var out []span
	for _, v := range values {
		at, active := int64(v.At), int64(v.V)
		if n := len(out); n > 0 && out[n-1].active == active {
			out[n-1].to = at
			continue
		}
		out = append(out, span{active: active, from: at, to: at})
	}
	return out
}

// occurrences splits the points at which an alert fired: where its condition began anew, or, where that is not known, where
// points are missing.
func occurrences(values []sample, spans []span, step int64) []occurrence {
	var out []occurrence
	for _, v := range values {
		at := int64(v.At)
		since, exact := at, false
		for _, s := range spans {
			if s.from <= at && at <= s.to {
				since, exact = s.active, true
			}
		}
		if n := len(out); n > 0 {
			o := &out[n-1]
			if (exact && o.exact && o.since == since) || (exact != o.exact || !exact) && at-o.last <= step {
				o.last = at
				continue
			}
		}
		out = append(out, occurrence{since: since, first: at, last: at, exact: exact})
	}
	return out
}

// alert makes the alert of one occurrence; its state and end are not set.
func (p *Provider) alert(metric map[string]string, fp string, o occurrence) providers.Alert {
	labels := make(map[string]string, len(metric))
	for k, v := range metric {
		if k != "__name__" && k != "alertstate" && len(labels) < 64 {
			labels[k] = v
		}
	}
	a := providers.Alert{
		ID:          alertID(metric["alertname"], fp, o.since),
		Provider:    p.env.Name,
		Name:        metric["alertname"],
		Service:     first(metric, p.set.ServiceLabel),
		Environment: first(metric, p.set.EnvironmentLabel),
		Severity:    metric["severity"],
		Labels:      labels,
		StartsAt:    time.Unix(o.since, 0),
		URL:         p.page("/alerts"),
	}
	if a.Environment == "" {
		a.Environment = p.env.Environment
	}
	providers.CleanAlert(&a)
	return a
}

// end sets state and end. What the rules say now (active, zero for nothing) is newer than the last point of the grid.
func end(a *providers.Alert, o occurrence, g grid, known bool, now time.Time, active activeAlert) {
	openAtEnd := o.last >= g.end
	toNow := now.Unix()-g.end <= g.step
	same := active.firing && (active.since == o.since || (!o.exact && openAtEnd))
	switch {
	case same, openAtEnd && toNow && !known:
		a.State, a.Summary = providers.AlertFiring, providers.Clean(active.summary)
	case openAtEnd && !toNow:
		a.State = providers.AlertUnknown // it ended after what was read
	default:
		a.State, a.EndsAt = providers.AlertResolved, time.Unix(max(min(o.last+g.step, now.Unix()), o.last), 0).UTC()
	}
}
