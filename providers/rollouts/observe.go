package rollouts

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Units implements rollback.Reverser.
func (p *Provider) Units(ctx context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		for _, namespace := range p.cluster.Namespaces() {
			for raw, err := range p.cluster.List(ctx, rolloutsKind, namespace, kube.Selection{}) {
				if err != nil {
					if !yield(rollback.Unit{}, explain(err)) {
						return
					}
					break
				}
				s, err := sighted(raw)
				if err != nil {
					if !yield(rollback.Unit{}, err) {
						return
					}
					continue
				}
				if p.cluster.Covers(raw.GetNamespace()) && !yield(p.describe(&s.object), nil) {
					return
				}
			}
		}
	}
}

// Observe implements rollback.Reverser. What is current is what the Rollout is set to serve: the template that it asks for,
// or the stable revision once it was aborted.
func (p *Provider) Observe(ctx context.Context, id rollback.UnitID) (obs rollback.Observation, err error) {
	start := p.now()
	defer func() { p.Done(start, err) }()
	s, err := p.look(ctx, id)
	if err != nil {
		return obs, err
	}
	p.remember(ctx, s)
	now := p.now().UTC()
	obs = rollback.Observation{Unit: p.describe(&s.object), At: now, Raw: s.summary(), Asks: kube.Asks(s.Meta.Annotations)}
	if obs.Token, err = s.token(); err != nil {
		return obs, err
	}
	if t, ok := s.inForce(); ok {
		obs.Stamp = providers.Clean(t.Op)
	}
	if !s.underWay() {
		obs.Owners = kube.OwnerWords(kube.OwnersOf(s.raw)) // an abort changes nothing that a reconciler would put back
	}
	digest, serving, err := s.serving()
	if err != nil {
		return obs, err
	}
	marks := p.marks(ctx, s.raw)
	obs.Current = rollback.Revision{Digest: digest, Label: "not yet seen by the controller"}
	type entry struct {
		number int64
		rollback.Revision
	}
	var past []entry
	for _, x := range s.sets {
		for i, n := range x.numbers {
			r := p.revision(s, x, n, marks, now)
			if x == serving && i == 0 {
				obs.Current = r
				if !s.aborted() {
					continue
				}
			}
			past = append(past, entry{n, r})
		}
	}
	slices.SortStableFunc(past, func(a, b entry) int { return cmp.Compare(b.number, a.number) })
	for _, e := range past {
		obs.History = append(obs.History, e.Revision)
	}
	obs.References = references(templateOf(s.holder()))
	return obs, nil
}

func (p *Provider) revision(s *sight, x *set, number int64, marks []mark, now time.Time) rollback.Revision {
	r := rollback.Revision{Digest: x.digest, Label: label(number), Since: began(marks, x, number), Commit: commitOf(x.template)}
	for _, m := range marks {
		if (m.What == markBegan || m.What == markCompleted) && m.Revision > number && m.At.After(r.Since) && r.Until.IsZero() && !r.Since.IsZero() {
			r.Until = m.At
		}
	}
	r.Good = p.evidence(s, x, marks, now)
	return r
}

// summary is what an observation rests on, for the record.
func (s *sight) summary() json.RawMessage {
	share, known := s.share()
	out := map[string]any{
		"phase": s.Status.Phase, "message": s.Status.Message, "stable": s.Status.StableRS, "current": s.Status.CurrentPodHash,
		"in_progress": s.underWay(), "aborted": s.Status.Abort, "paused": s.Spec.Paused, "observed": s.observed(),
	}
	if known {
		out["share"] = share
	}
	if s.workload != nil {
		out["workload_ref"] = s.workload.GetKind() + "/" + s.workload.GetName()
	}
	for _, x := range s.sets {
		if x.archived {
			out[x.label()] = "in the archive only"
			continue
		}
		out[x.label()] = fmt.Sprintf("%s: %d pods, %d available", x.name, x.replicas, x.available)
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return nil
	}
	return raw
}

// commitOf is the commit that a template says it was built from.
func commitOf(template map[string]any) string {
	for _, field := range []string{"annotations", "labels"} {
		m, _, err := unstructured.NestedStringMap(template, "metadata", field)
		if err != nil {
			continue
		}
		for _, key := range kube.CommitKeys() {
			if m[key] != "" {
				return providers.Clean(m[key])
			}
		}
	}
	return ""
}

// references are the ConfigMaps and Secrets that a template reads. They are not versioned with it.
func references(template map[string]any) []string {
	var out []string
	for _, r := range kube.References(template) {
		out = append(out, providers.Clean(r.String()))
	}
	return out
}
