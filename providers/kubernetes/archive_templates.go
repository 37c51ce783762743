package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

func (p *Provider) seal(ctx context.Context) (*kube.Seal, error) {
	key, err := p.chronicle.secretKey(ctx)
	if err != nil {
		return nil, err
	}
	return kube.NewSeal(key), nil
}

// archived are the revisions of a workload that only the archive has: with the secrets that were withheld from it where these
// still stand in a template of the cluster.
func (p *Provider) archived(ctx context.Context, w *live, revs []held, known map[string]memory) ([]held, error) {
	s, err := p.seal(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.id, err)
	}
	s.Withhold(w.template)
	for i := range revs {
		s.Withhold(revs[i].template)
	}
	var out []held
	for _, digest := range slices.Sorted(maps.Keys(known)) {
		there := slices.ContainsFunc(revs, func(h held) bool { return h.digest == digest })
		if there || digest == w.digest {
			continue
		}
		h := held{digest: digest, source: sourceArchive}
		h.template, h.lacking = s.Restore(known[digest].Template)
		if len(h.lacking) == 0 && templateDigest(h.template) != digest {
			h.lacking = []string{"what the template holds"} // never: it was compared when it was read
		}
		out = append(out, h)
	}
	return out, nil
}

// fromArchive is one revision that only the archive has, whole.
func (p *Provider) fromArchive(ctx context.Context, w *live, digest string) (*held, error) {
	revs, err := p.revisions(ctx, w)
	if err != nil {
		return nil, err
	}
	known, err := p.remembered(ctx, w)
	if err != nil {
		return nil, err
	}
	if _, there := known[digest]; !there {
		return nil, fmt.Errorf("%s: %s is not in the archive: %w", w.id, digest, rollback.ErrNotFound)
	}
	found, err := p.archived(ctx, w, revs, map[string]memory{digest: known[digest]})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0: // it came back to the cluster meanwhile
		i := slices.IndexFunc(revs, func(h held) bool { return h.digest == digest })
		if i < 0 {
			return &held{digest: w.digest, template: w.template, source: sourceArchive}, nil
		}
		return &revs[i], nil
	case len(found[0].lacking) > 0:
		return nil, fmt.Errorf("%s: %s: %w", w.id, lacks(found[0].lacking), rollback.ErrNotFound)
	}
	return &found[0], nil
}

// lacks says what a revision of the archive cannot be put back without.
func lacks(names []string) string {
	return "the value of " + strings.Join(names, ", ") + " looks like a secret, so it was not archived, and nothing in the cluster has it any more: deploy that revision again from its source, or choose another one"
}
