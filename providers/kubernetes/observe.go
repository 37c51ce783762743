package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Units implements rollback.Reverser: every Deployment, StatefulSet, DaemonSet and ConfigMap that may be read. What may not be
// read of workloads is an error in between.
func (p *Provider) Units(ctx context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		scopes, err := p.readableScopes(ctx)
		if err != nil {
			yield(rollback.Unit{}, err)
			return
		}
		for _, kind := range workloadKinds() {
			for _, namespace := range scopes {
				if !p.unitsIn(ctx, kind, namespace, yield) {
					return
				}
			}
		}
		for _, namespace := range scopes {
			if !p.configsIn(ctx, namespace, yield) {
				return
			}
		}
	}
}

func (p *Provider) unitsIn(ctx context.Context, kind workloadKind, namespace string, yield func(rollback.Unit, error) bool) bool {
	for o, err := range p.cluster.List(ctx, kind.resource, namespace, kube.Selection{}) {
		if err != nil {
			return yield(rollback.Unit{}, err)
		}
		if !p.cluster.Covers(o.GetNamespace()) {
			continue
		}
		var u rollback.Unit
		w, err := p.read(kind, o)
		if err == nil {
			u = p.describe(w)
		}
		if !yield(u, err) {
			return false
		}
	}
	return true
}

// look is one look at a workload with everything that belongs to it.
type look struct {
	*live
	at    time.Time // the one moment that every duration of it is measured to: what is evidence now is so in memory too
	revs  []held
	pods  []pod
	known map[string]memory
}

// surround reads what belongs to a workload now: its revisions and its pods.
func (p *Provider) surround(ctx context.Context, w *live) (*look, error) {
	l := &look{live: w}
	var err error
	if l.revs, err = p.revisions(ctx, w); err != nil {
		return nil, err
	}
	if l.pods, err = p.pods(ctx, w); err != nil {
		return nil, err
	}
	l.at = p.now()
	return l, nil
}

func (p *Provider) look(ctx context.Context, id rollback.UnitID) (*look, error) {
	w, err := p.workload(ctx, id)
	if err != nil {
		return nil, err
	}
	l, err := p.surround(ctx, w)
	if err != nil {
		return nil, err
	}
	if l.known, err = p.remembered(ctx, w); err != nil {
		return nil, err
	}
	p.remember(ctx, l)
	if err := p.chronicle.load(ctx); err != nil {
		return nil, err
	}
	archived, err := p.archived(ctx, w, l.revs, l.known)
	if err != nil {
		return nil, err
	}
	l.revs = append(l.revs, archived...)
	return l, nil
}

// Observe implements rollback.Reverser. The stamp is the operation that set the content that is there.
func (p *Provider) Observe(ctx context.Context, id rollback.UnitID) (rollback.Observation, error) {
	if _, _, ok := p.isConfig(id); ok {
		return p.observeConfig(ctx, id)
	}
	l, err := p.look(ctx, id)
	if err != nil {
		return rollback.Observation{}, err
	}
	obs := rollback.Observation{
		Unit: p.describe(l.live), At: l.at.UTC(), Token: token(l.live), Stamp: stamp(l.live), Owners: kube.OwnerWords(kube.OwnersOf(l.object)),
		Asks:       kube.Asks(l.object.GetAnnotations()),
		References: requirements(l.template).names(), Current: rollback.Revision{Digest: l.digest, Label: "not rolled out yet"},
	}
	obs.Frozen = p.frozen(l.object.GetAnnotations())
	if l.spec.Paused {
		obs.InFlight = "its rollouts are paused (kubectl rollout resume lets them go on)"
	}
	if at := current(l.live, l.revs); at >= 0 {
		obs.Current = p.revision(l, at)
	}
	seen := map[string]bool{l.digest: true}
	for i, h := range l.revs {
		if !seen[h.digest] {
			seen[h.digest] = true
			obs.History = append(obs.History, p.revision(l, i))
		}
	}
	if obs.Raw, err = json.Marshal(l.summary()); err != nil {
		return obs, fmt.Errorf("%s: %w", id, err)
	}
	return obs, nil
}

func (p *Provider) revision(l *look, i int) rollback.Revision {
	h := l.revs[i]
	m := l.known[h.digest]
	r := rollback.Revision{Digest: h.digest, Label: h.label(), Since: m.Since, Good: p.evidence(l, i)}
	switch {
	case h.object == nil:
		r.Label = m.Label + " (archived)"
	case r.Since.IsZero() && !h.renewed:
		r.Since = h.object.GetCreationTimestamp().UTC()
	}
	if i > 0 && h.object != nil && !l.revs[i-1].unclear() {
		r.Until = l.revs[i-1].object.GetCreationTimestamp().UTC()
	}
	if r.Until.Before(r.Since) {
		r.Until = m.SeenAt
	}
	r.Commit = p.set.Annotations.toldBy(h.annotations(), texts(h.template, "metadata", "annotations"), texts(h.template, "metadata", "labels")).commit
	return r
}

// summary is what a person wants to see of the revisions beside their identity.
func (l *look) summary() any {
	type line struct {
		Label   string            `json:"label"`
		Digest  string            `json:"digest"`
		Source  string            `json:"source"`
		Images  map[string]string `json:"images"`
		Running map[string]string `json:"running,omitempty"` // what the images of its pods resolved to
		Cause   string            `json:"cause,omitempty"`
		Ready   int32             `json:"ready"`
	}
	lines := make([]line, 0, len(l.revs))
	for _, h := range l.revs {
		ready, _ := readySince(of(h, l.pods))
		images := imagesBy(h.template)
		for name, image := range images {
			images[name] = providers.Clean(image)
		}
		lines = append(lines, line{
			Label: h.label(), Digest: h.digest, Source: h.source, Images: images, Running: l.known[h.digest].Digests,
			Cause: providers.Clean(h.annotations()[causeAnnotation]), Ready: ready,
		})
	}
	return struct {
		Strategy  string `json:"strategy"`
		Pods      int32  `json:"pods"`
		Ready     int32  `json:"ready"`
		Revisions []line `json:"revisions"`
	}{l.how().Type, l.count().desired, l.count().ready, lines}
}
