package kubernetes

import (
	"context"
	"maps"
	"slices"

	"github.com/backout-dev/backout/providers"
)

// AlertStates implements providers.AlertStates: it looks at the pods and the status of the workload that each alert is of,
// now, whatever was seen before. A namespace that cannot be read leaves its alerts unknown.
func (p *Provider) AlertStates(ctx context.Context, alerts []providers.AlertQuery) (map[string]providers.AlertStatus, error) {
	out := map[string]providers.AlertStatus{}
	asked := map[string][]string{} // ids by namespace
	for _, q := range alerts {
		at, _, ok := p.alertPlace(q.ID)
		if !ok || !p.cluster.Covers(at.namespace) {
			out[q.ID] = providers.AlertStatus{State: providers.AlertUnknown, Detail: "no alert of this provider has that id"}
			continue
		}
		asked[at.namespace] = append(asked[at.namespace], q.ID)
	}
	var failed error
	read := 0
	for _, namespace := range slices.Sorted(maps.Keys(asked)) {
		b, err := p.glance(ctx, namespace)
		if err != nil {
			failed = err
			for _, id := range asked[namespace] {
				out[id] = providers.AlertStatus{State: providers.AlertUnknown, Detail: providers.Clean(err.Error())}
			}
			continue
		}
		read++
		for _, id := range asked[namespace] {
			out[id] = p.stateIn(b, id)
		}
	}
	if read == 0 && failed != nil {
		return nil, failed
	}
	return out, nil
}

// glance reads the workloads and pods of one namespace, nothing less.
func (p *Provider) glance(ctx context.Context, namespace string) (b *book, err error) {
	start := p.now()
	defer func() {
		if ctx.Err() == nil {
			p.Done(start, err)
		}
	}()
	b = newBook()
	for _, s := range p.workloadSources() {
		for o, err := range p.cluster.List(ctx, s.resource, namespace, s.selection) {
			if err != nil {
				return nil, err
			}
			if r := s.reduce(o); r != nil {
				b.put(r)
			}
		}
	}
	return b, nil
}

func (p *Provider) stateIn(b *book, id string) providers.AlertStatus {
	at, t, _ := p.alertPlace(id)
	now := p.now().UTC()
	w := b.byPlace[at]
	found, _ := p.symptoms(w, b.pods[at], now)
	s := providers.AlertStatus{State: providers.AlertResolved, SeenAt: now}
	switch symptom, there := found[t]; {
	case there:
		s.State, s.Detail = providers.AlertFiring, providers.Clean(symptom.summary(at))
	case w == nil && len(b.pods[at]) == 0:
		s.Detail = providers.Clean(at.kind + " " + at.name + " is gone")
	case p.notYet(b, at, t):
		s.State, s.Detail = providers.AlertUnknown, "its pods have not been up for long enough to tell"
	}
	return s
}

// notYet reports whether pods are not ready that have had too little time to count as an alert: that is not yet better.
func (p *Provider) notYet(b *book, at place, t trouble) bool {
	if t == deadline || t == replicaFailure {
		return false
	}
	for _, n := range b.pods[at] {
		if !n.ready {
			return true
		}
	}
	return false
}
