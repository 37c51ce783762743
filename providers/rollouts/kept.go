package rollouts

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// mostKept bounds how many contents of one Rollout are kept: the newest.
const mostKept = 50

// kept is a revision as the archive has it: the cluster drops ReplicaSets beyond revisionHistoryLimit.
type kept struct {
	Numbers  []int64           `json:"numbers"`
	Created  time.Time         `json:"created"`
	Cause    string            `json:"cause,omitempty"`
	Template map[string]any    `json:"template"`         // without what looks like a secret
	Images   map[string]string `json:"images,omitempty"` // what its images led to while its pods ran
}

func keptKey(s *sight) string { return "templates/" + string(s.raw.GetUID()) }

// recall adds to what the cluster has of a Rollout what the archive has kept. That the archive fails hinders nothing: then less
// is known.
func (p *Provider) recall(ctx context.Context, s *sight) {
	old := p.shelf(ctx, s)
	if len(old) == 0 {
		return
	}
	seal, err := p.seal(ctx)
	if err != nil {
		p.Note("revisions that were dropped cannot be read: " + providers.Clean(err.Error()))
		return
	}
	seal.Withhold(templateOf(s.holder()))
	there := map[string]bool{}
	for _, x := range s.sets {
		seal.Withhold(x.template)
		x.images, there[x.digest] = old[x.digest].Images, true
	}
	for _, digest := range slices.Sorted(maps.Keys(old)) {
		if there[digest] {
			continue
		}
		if x := old[digest].set(seal, digest); x != nil {
			s.sets = append(s.sets, x)
		}
	}
	s.sort()
}

// shelf is what the archive has of a Rollout, by digest.
func (p *Provider) shelf(ctx context.Context, s *sight) map[string]kept {
	out := map[string]kept{}
	if raw, err := p.archive.Get(ctx, p.name, keptKey(s)); err == nil {
		_ = json.Unmarshal(raw, &out) // what cannot be read is not known
	}
	return out
}

// remember keeps the revisions that the cluster has, and what their images lead to while their pods run.
func (p *Provider) remember(ctx context.Context, s *sight) {
	seal, err := p.seal(ctx)
	if err != nil {
		p.Note("revisions are not kept: " + providers.Clean(err.Error()))
		return
	}
	all, led := p.shelf(ctx, s), p.led(ctx, s)
	was, _ := json.Marshal(all) // maps of text always can
	for _, x := range s.sets {
		if x.archived {
			continue
		}
		images := map[string]string{}
		maps.Copy(images, led[x.hash])
		maps.Copy(images, all[x.digest].Images) // what it led to first is what was known good
		x.images = images
		all[x.digest] = kept{Numbers: x.numbers, Created: x.created, Cause: x.cause, Template: seal.Withhold(x.template), Images: images}
	}
	thin(all)
	if is, err := json.Marshal(all); err != nil || string(is) == string(was) {
		return
	}
	err = providers.Update(ctx, p.archive, p.name, keptKey(s), func(old []byte) ([]byte, error) {
		theirs := map[string]kept{} // what another process kept meanwhile
		if json.Unmarshal(old, &theirs) == nil {
			for digest, k := range theirs {
				if _, mine := all[digest]; !mine && len(k.Numbers) > 0 {
					all[digest] = k
				}
			}
			thin(all)
		}
		return json.Marshal(all)
	})
	if err != nil {
		p.Note("revisions are not kept: " + providers.Clean(err.Error()))
	}
}

// set is a kept revision as one of the Rollout's: without pods, and in no sight of the controller.
func (k kept) set(seal *kube.Seal, digest string) *set {
	if len(k.Numbers) == 0 {
		return nil
	}
	x := &set{numbers: k.Numbers, created: k.Created, cause: k.Cause, digest: digest, images: k.Images, archived: true}
	x.template, x.lacking = seal.Restore(k.Template)
	if is, err := digestOf(x.template); len(x.lacking) == 0 && (err != nil || is != digest) {
		return nil // it is not what it says
	}
	return x
}

func thin(all map[string]kept) {
	byAge := slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(cmp.Compare(all[b].Numbers[0], all[a].Numbers[0]), strings.Compare(a, b))
	})
	for _, digest := range byAge[min(len(byAge), mostKept):] {
		delete(all, digest)
	}
}

// seal is made with the archive's own key.
func (p *Provider) seal(ctx context.Context) (*kube.Seal, error) {
	key, err := kube.ArchiveKey(ctx, p.archive, p.name, "key")
	if err != nil {
		return nil, err
	}
	return kube.NewSeal(key), nil
}
