package helm

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// serving looks which revision's pods are ready now, where a Deployment's rollout is not through: what came after that one
// never became available, whatever Helm says of it, because Helm calls deployed what it has applied.
func (p *Provider) serving(ctx context.Context, records []*record, objects []*object, obs *rollback.Observation) error {
	for _, o := range objects {
		if o.GetKind() != "Deployment" || o.group() != "apps" {
			continue
		}
		ready, err := p.ready(ctx, o)
		if err != nil {
			return err
		}
		if len(ready) == 0 || ready[images(&o.Object)] > 0 {
			continue // nothing serves, so that nothing can be told from it; or the newest revision does
		}
		if err := p.discredit(ctx, records, o, ready, obs); err != nil {
			return err
		}
	}
	return nil
}

// ready is how many pods of a Deployment are ready, by their images.
func (p *Provider) ready(ctx context.Context, o *object) (map[string]int64, error) {
	match, _, _ := unstructured.NestedStringMap(o.Object.Object, "spec", "selector", "matchLabels") // none: nothing is found
	out := map[string]int64{}
	if len(match) == 0 {
		return out, nil
	}
	for rs, err := range p.cluster.List(ctx, replicaSets, o.GetNamespace(), kube.Selection{Labels: labels.Set(match).String()}) {
		if err != nil {
			return nil, fmt.Errorf("see which pods of %s are ready: %w", o, err)
		}
		for _, owner := range rs.GetOwnerReferences() {
			if owner.Kind == "Deployment" && owner.Name == o.GetName() {
				if n := number(rs, "status", "readyReplicas"); n > 0 {
					out[images(rs)] += n
				}
			}
		}
	}
	return out, nil
}

// discredit takes the evidence from every content that came after the one which serves, and gives it to that one.
func (p *Provider) discredit(ctx context.Context, records []*record, o *object, ready map[string]int64, obs *rollback.Observation) error {
	never := map[string]bool{}
	for _, r := range records {
		if r.digest == "" {
			continue
		}
		full, err := p.content(ctx, r)
		if err != nil {
			return err
		}
		of, err := parse(full.Manifest, r.namespace)
		if err != nil {
			continue
		}
		then := index(of)[o.key()]
		if then == nil {
			return nil
		}
		n := ready[images(&then.Object)]
		if n == 0 {
			never[r.digest] = true
			continue
		}
		if never[r.digest] {
			return nil
		}
		said := fmt.Sprintf("%d pods of %s serve it now, because what came after it never became ready", n, o.GetName())
		for i := range obs.History {
			switch h := &obs.History[i]; {
			case never[h.Digest]:
				h.Good = nil
			case h.Digest == r.digest && len(h.Good) > 0:
				h.Good = append([]string{said}, h.Good...)
			}
		}
		if never[obs.Current.Digest] {
			obs.Current.Good = nil
		}
		return nil
	}
	return nil
}
