package rollouts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// trouble is one time in which the controller called a Rollout degraded. A zero end is now.
type trouble struct {
	Reason  string    `json:"reason"`
	Summary string    `json:"summary"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to,omitzero"`
}

const mostTroubles = 100

// Alerts implements providers.AlertSource: what is degraded now, and what was while backout looked.
func (p *Provider) Alerts(ctx context.Context, w providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) {
		for _, namespace := range p.cluster.Namespaces() {
			for raw, err := range p.cluster.List(ctx, rolloutsKind, namespace, kube.Selection{}) {
				if err == nil && !p.cluster.Covers(raw.GetNamespace()) {
					continue
				}
				var s *sight
				if err == nil {
					s, err = sighted(raw)
				}
				if ctx.Err() != nil {
					err = ctx.Err()
				}
				if err != nil {
					yield(providers.Alert{}, explain(err))
					return
				}
				for _, t := range p.troubles(ctx, s) {
					ended := !t.To.IsZero() && !w.Since.IsZero() && t.To.Before(w.Since)
					later := !w.Until.IsZero() && !t.From.Before(w.Until)
					if !ended && !later && !yield(p.alert(s, t), nil) {
						return
					}
				}
			}
		}
	}
}

// troubles are those of a Rollout, with what the archive has of the past. One that is over ends at the controller's last
// word on its progress.
func (p *Provider) troubles(ctx context.Context, s *sight) []trouble {
	key := "alerts/" + string(s.Meta.UID)
	var all []trouble
	if raw, err := p.archive.Get(ctx, p.name, key); err == nil {
		_ = json.Unmarshal(raw, &all) // what cannot be read is not known
	}
	changed, open := false, false
	reason, since := s.degraded()
	for i := range all {
		same := reason == all[i].Reason && since.Equal(all[i].From)
		if open = open || same; same || !all[i].To.IsZero() {
			continue
		}
		if all[i].To = s.condition("Progressing").LastUpdate.UTC(); !all[i].To.After(all[i].From) {
			all[i].To = p.now().UTC()
		}
		changed = true
	}
	if reason != "" && !open {
		all = append(all, trouble{Reason: reason, Summary: providers.Clean(s.Status.Message), From: since})
		changed = true
	}
	if changed {
		all = all[max(0, len(all)-mostTroubles):]
		p.keep(ctx, key, all)
	}
	return all
}

func (p *Provider) alert(s *sight, t trouble) providers.Alert {
	unit := p.describe(&s.object)
	a := providers.Alert{
		ID: alertID(unit.ID, t.Reason, t.From), Provider: p.name, Name: t.Reason, Service: unit.Service, Environment: unit.Environment,
		Severity: "critical", Summary: t.Summary, StartsAt: t.From, EndsAt: t.To,
		Labels: map[string]string{"namespace": s.Meta.Namespace, "rollout": s.Meta.Name},
	}
	if t.Reason == "RolloutAborted" { // the stable revision serves
		a.Severity = "warning"
	}
	a.State = providers.AlertFiring
	if !t.To.IsZero() {
		a.State = providers.AlertResolved
	}
	providers.CleanAlert(&a)
	return a
}

func alertID(unit rollback.UnitID, reason string, since time.Time) string {
	return fmt.Sprintf("%s@%s.%d", unit, reason, since.Unix())
}

// AlertStates implements providers.AlertStates.
func (p *Provider) AlertStates(ctx context.Context, alerts []providers.AlertQuery) (map[string]providers.AlertStatus, error) {
	out := make(map[string]providers.AlertStatus, len(alerts))
	var failures []error
	for _, q := range alerts {
		unit, _, _ := strings.Cut(q.ID, "@")
		s, err := p.look(ctx, rollback.UnitID(unit))
		if err != nil {
			failures = append(failures, err)
			out[q.ID] = providers.AlertStatus{State: providers.AlertUnknown, Detail: providers.Clean(err.Error())}
			continue
		}
		st := providers.AlertStatus{State: providers.AlertResolved, SeenAt: p.now().UTC(), Detail: s.says()}
		if reason, since := s.degraded(); reason != "" && alertID(rollback.UnitID(unit), reason, since) == q.ID {
			st.State = providers.AlertFiring
		}
		out[q.ID] = st
	}
	if len(failures) > 0 && len(failures) == len(alerts) && !slices.ContainsFunc(failures, func(err error) bool { return errors.Is(err, providers.ErrNotFound) }) {
		return nil, failures[0]
	}
	return out, nil
}
