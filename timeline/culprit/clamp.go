package culprit

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// clamp gives a copy of in that holds nothing later than in.At and nothing that depends on the order of the input. It is
// the only door into a ranking: no term sees the input itself. What a source says of the present without a time beside
// it (a change's status, an alert's state) is left out as well, for it may have been said after At.
func clamp(in Input) Input {
	out := Input{ID: in.ID, At: in.At, Onset: in.Onset, Dismissed: in.Dismissed}
	if out.Onset.Latest.After(in.At) {
		out.Onset.Latest = in.At
	}
	if out.Onset.Earliest.After(in.At) {
		out.Onset.Earliest = in.At
	}
	out.Services = slices.Clone(in.Services)
	slices.SortFunc(out.Services, func(a, b providers.Service) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Owner, b.Owner))
	})
	for _, e := range in.Edges {
		if !e.SeenAt.After(in.At) {
			out.Edges = append(out.Edges, e)
		}
	}
	slices.SortFunc(out.Edges, func(a, b providers.Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind))
	})
	out.Alerts = clampAlerts(in.Alerts, in.At)
	out.Changes = clampChanges(in.Changes, in.At)
	out.Signals = clampSignals(in.Signals, in.At)
	return out
}

func clampAlerts(alerts []providers.Alert, at time.Time) []providers.Alert {
	var out []providers.Alert
	for i := range alerts {
		a := alerts[i]
		if a.StartsAt.After(at) {
			continue
		}
		a.EndsAt, a.State, a.SilencedBy, a.Sources, a.Unknown = before(a.EndsAt, at), "", nil, nil, nil
		out = append(out, a)
	}
	return unique(out, func(a, b *providers.Alert) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.ID, b.ID))
	})
}

func clampChanges(changes []providers.Change, at time.Time) []providers.Change {
	out := make([]providers.Change, 0, len(changes))
	for i := range changes {
		if !changes[i].VisibleAt(at) || changes[i].IsNote() {
			continue
		}
		c := changes[i]
		c.LandedAt, c.EffectiveFrom, c.EffectiveTo = before(c.LandedAt, at), before(c.EffectiveFrom, at), before(c.EffectiveTo, at)
		c.Status, c.Sources, c.Unknown, c.Rollout = "", nil, nil, nil
		for _, s := range changes[i].Rollout {
			if !s.At.After(at) && s.Share >= 0 && s.Share <= 1 { // anything else, NaN too, says nothing
				c.Rollout = append(c.Rollout, s)
			}
		}
		slices.SortStableFunc(c.Rollout, func(a, b providers.RolloutStep) int {
			return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Share, b.Share))
		})
		out = append(out, c)
	}
	return unique(out, func(a, b *providers.Change) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Provider, b.Provider))
	})
}

// unique sorts by key and keeps one of what has the same key: the one whose JSON is greatest, so that the order of the
// input does not matter.
func unique[T any](rows []T, key func(a, b *T) int) []T {
	text := func(v *T) string {
		b, err := json.Marshal(v)
		if err != nil {
			return "" // times out of range: such twins are told apart by nothing, and either will do
		}
		return string(b)
	}
	slices.SortFunc(rows, func(a, b T) int {
		if c := key(&a, &b); c != 0 {
			return c
		}
		return cmp.Compare(text(&b), text(&a))
	})
	return slices.CompactFunc(rows, func(a, b T) bool { return key(&a, &b) == 0 })
}

func clampSignals(signals []providers.Signal, at time.Time) []providers.Signal {
	limit := float64(at.UnixNano()) / 1e9
	type keyed struct {
		key string
		providers.Signal
	}
	var rows []keyed
	for _, s := range signals {
		var points [][2]float64
		for _, p := range s.Points {
			if p[0] <= limit && !math.IsNaN(p[1]) && !math.IsInf(p[1], 0) {
				points = append(points, p)
			}
		}
		if len(points) == 0 {
			continue
		}
		slices.SortFunc(points, comparePoints)
		s.Points = points
		rows = append(rows, keyed{s.Name + "\x00" + s.Service + "\x00" + labelText(s.Labels), s})
	}
	// Sums of floats depend on their order, so the series need one that is total.
	slices.SortFunc(rows, func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.key, b.key), slices.CompareFunc(a.Points, b.Points, comparePoints))
	})
	out := make([]providers.Signal, len(rows))
	for i := range rows {
		out[i] = rows[i].Signal
	}
	return out
}

func comparePoints(a, b [2]float64) int {
	return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
}

// labelText is the labels in one fixed order.
func labelText(labels map[string]string) string {
	keys := make([]string, 0, len(labels))
	for k := range labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b []byte
	for _, k := range keys {
		b = append(append(append(append(b, k...), 0), labels[k]...), 0)
	}
	return string(b)
}

// before is t, or no time where t lies after at.
func before(t, at time.Time) time.Time {
	if t.After(at) {
		return time.Time{}
	}
	return t
}
