package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// pin finds the tags of the target that no longer lead to what they led to when it served, and what to write instead.
func (l *look) pin(target held, prop *rollback.Proposal) pins {
	then, now := l.ran(target), map[string]string{}
	for _, q := range l.pods {
		for container, digest := range q.digests {
			now[q.images[container]] = digest
		}
	}
	out := pins{}
	images := imagesBy(target.template)
	for _, container := range slices.Sorted(maps.Keys(images)) {
		image := images[container]
		repo, _, fixed := splitImage(image)
		switch was := then[container]; {
		case fixed != "":
		case was == "":
			prop.Warnings = append(prop.Warnings, providers.Clean(fmt.Sprintf("%s is a tag, and nobody recorded what it led to when the target served: it may lead to something else now", image)))
		case now[image] != "" && now[image] != was:
			out[container] = [2]string{image, repo + "@" + was}
			prop.Warnings = append(prop.Warnings, providers.Clean(fmt.Sprintf("%s leads to %s now and led to %s when the target served: %s is pinned to that", image, now[image], was, container)))
		}
	}
	return out
}

// patched is the template that is written for a revision.
func patched(target held, p pins) map[string]any {
	t := cleanTemplate(target.template)
	unpin(t, target.annotations())
	for _, c := range containersOf(t) {
		name, _ := c["name"].(string)
		if pair, ok := p[name]; ok && c["image"] == pair[0] {
			c["image"] = pair[1]
		}
	}
	return t
}

// pinnedNote are the annotations of an object with these pins; none where nothing is pinned.
func pinnedNote(p pins) map[string]string {
	if len(p) == 0 {
		return nil
	}
	raw, err := json.Marshal(p)
	if err != nil {
		return nil // strings can be written down
	}
	return map[string]string{pinAnnotation: string(raw)}
}
