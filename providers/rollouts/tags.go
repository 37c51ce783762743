package rollouts

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

var podsKind = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

// sighting is what an image led to in one pod.
type sighting struct {
	hash, image, digest string
	at                  time.Time
}

// sightings are what the images of running pods led to, of all pods of a namespace: a tag means the same to each.
func (p *Provider) sightings(ctx context.Context, namespace, labels string) (out []sighting) {
	for o, err := range p.cluster.List(ctx, podsKind, namespace, kube.Selection{Labels: labels}) {
		if err != nil {
			return out // then less is known
		}
		var pod struct {
			Status struct {
				Statuses []struct {
					Image   string `json:"image"`
					ImageID string `json:"imageID"`
				} `json:"containerStatuses"`
				Start time.Time `json:"startTime"`
			} `json:"status"`
			Spec struct {
				Containers []struct {
					Image string `json:"image"`
				} `json:"containers"`
			} `json:"spec"`
		}
		if kube.Decode(o, &pod) != nil {
			continue
		}
		for _, c := range pod.Status.Statuses {
			_, digest, ok := strings.Cut(c.ImageID, "@")
			asked := slices.ContainsFunc(pod.Spec.Containers, func(s struct {
				Image string `json:"image"`
			},
			) bool {
				return s.Image == c.Image
			})
			if ok && asked && !strings.Contains(c.Image, "@") {
				out = append(out, sighting{o.GetLabels()[hashLabel], c.Image, digest, pod.Status.Start})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b sighting) int { return a.at.Compare(b.at) })
	return out
}

// led is what the images of each revision led to in its own pods, by the revision's hash.
func (p *Provider) led(ctx context.Context, s *sight) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, g := range p.sightings(ctx, s.Meta.Namespace, hashLabel) {
		if s.byHash(g.hash) == nil {
			continue
		}
		if out[g.hash] == nil {
			out[g.hash] = map[string]string{}
		}
		if out[g.hash][g.image] == "" {
			out[g.hash][g.image] = g.digest
		}
	}
	return out
}

// moved says which tags of a revision lead to another image now than when its pods ran: the template is the same text then, and
// what it starts is something else.
func (p *Provider) moved(ctx context.Context, s *sight, target *set) (out []string) {
	if len(target.images) == 0 {
		return nil
	}
	now := map[string]string{} // the newest pod knows best
	for _, g := range p.sightings(ctx, s.Meta.Namespace, "") {
		now[g.image] = g.digest
	}
	for _, image := range slices.Sorted(maps.Keys(target.images)) {
		if then := target.images[image]; now[image] != "" && now[image] != then {
			out = append(out, providers.Clean(fmt.Sprintf("the tag %s has moved: it leads to %s now, and led to %s when %s ran; pods of it that start anew get the other image: deploy %s by its digest instead",
				image, now[image], then, target.label(), target.label())))
		}
	}
	return out
}
