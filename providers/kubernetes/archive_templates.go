package kubernetes

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// withheldMark stands in an archived pod template where the cluster's has a secret: its digest with the key of the archive, by
// which it is found again where it still stands in the cluster, and by which two are told apart.
var withheldMark = regexp.MustCompile(`\(withheld-[0-9a-f]{64}\)`)

// seal is how secrets are taken out of templates, and put back.
type seal struct {
	key   []byte
	known map[string]string // by their marks: the secrets that stand in the cluster
}

func (p *Provider) seal(ctx context.Context) (*seal, error) {
	key, err := p.chronicle.secretKey(ctx)
	if err != nil {
		return nil, err
	}
	return &seal{key, map[string]string{}}, nil
}

func (s *seal) mark(secret string) string {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(secret))
	mark := "(withheld-" + hex.EncodeToString(h.Sum(nil)) + ")"
	s.known[mark] = secret
	return mark
}

// withhold is a template as it may be kept: a copy without what looks like a secret.
func (s *seal) withhold(template map[string]any) map[string]any {
	kept, _ := kube.Cover(template, s.mark).(map[string]any)
	return kept
}

// restore puts back what withhold took out, as far as it is known, and names what is not.
func (s *seal) restore(kept map[string]any) (template map[string]any, lacking []string) {
	missing := map[string]bool{}
	var walk func(v any, called string) any
	walk = func(v any, called string) any {
		switch v := v.(type) {
		case string:
			return withheldMark.ReplaceAllStringFunc(v, func(mark string) string {
				if secret, ok := s.known[mark]; ok {
					return secret
				}
				missing[called] = true
				return mark
			})
		case []any:
			out := make([]any, len(v))
			for i := range v {
				out[i] = walk(v[i], called)
			}
			return out
		case map[string]any:
			out := make(map[string]any, len(v))
			name, _ := v["name"].(string)
			for key, e := range v {
				under := key
				if key == "value" && name != "" {
					under = name
				}
				out[key] = walk(e, under)
			}
			return out
		}
		return v
	}
	template, _ = walk(kept, "").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		lacking = append(lacking, providers.Clean(name))
	}
	return template, lacking
}

// archived are the revisions of a workload that only the archive has: with the secrets that were withheld from it where these
// still stand in a template of the cluster.
func (p *Provider) archived(ctx context.Context, w *live, revs []held, known map[string]memory) ([]held, error) {
	s, err := p.seal(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.id, err)
	}
	s.withhold(w.template)
	for i := range revs {
		s.withhold(revs[i].template)
	}
	var out []held
	for _, digest := range slices.Sorted(maps.Keys(known)) {
		there := slices.ContainsFunc(revs, func(h held) bool { return h.digest == digest })
		if there || digest == w.digest {
			continue
		}
		h := held{digest: digest, source: sourceArchive}
		h.template, h.lacking = s.restore(known[digest].Template)
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
