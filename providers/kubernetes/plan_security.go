package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// exposes says what images the two ends run, and which Secrets the target reads that were replaced by others since.
func (l *look) exposes(target held, prop *rollback.Proposal) {
	prop.Runs = images(target.template, l.ran(target))
	now := map[string]string{}
	for _, q := range l.pods {
		for container, digest := range q.digests {
			if q.images[container] == imagesBy(l.template)[container] {
				now[container] = digest
			}
		}
	}
	prop.RunsNow = images(l.template, now)
	then, current := secretsOf(target.template), secretsOf(l.template)
	old := slices.DeleteFunc(slices.Clone(then), func(s string) bool { return slices.Contains(current, s) })
	fresh := slices.DeleteFunc(slices.Clone(current), func(s string) bool { return slices.Contains(then, s) })
	if len(old) > 0 && len(fresh) > 0 {
		prop.Exposes = append(prop.Exposes, rollback.Exposure{
			What:     providers.Clean(fmt.Sprintf("%s reads Secret %s again, in the place of which %s is read now: a credential that was replaced comes back", target.label(), strings.Join(old, ", "), strings.Join(fresh, ", "))),
			Evidence: providers.Clean("Secret " + strings.Join(old, ", ") + " in the target's pod template"),
		})
	}
}

// ran are the digests that the images of a revision led to when it ran, by container.
func (l *look) ran(target held) map[string]string {
	then := l.known[target.digest].Digests
	for _, q := range of(target, l.pods) {
		if len(q.digests) > 0 {
			then = q.digests
		}
	}
	return then
}

func images(template map[string]any, digests map[string]string) []rollback.Part {
	var out []rollback.Part
	by := imagesBy(template)
	for _, container := range slices.Sorted(maps.Keys(by)) {
		repo, tag, digest := splitImage(by[container])
		if digest == "" {
			digest = digests[container]
		}
		out = append(out, rollback.Part{Name: providers.Clean(repo), Version: providers.Clean(tag), Digest: providers.Clean(digest)})
	}
	return out
}

func secretsOf(template map[string]any) []string {
	var out []string
	for _, r := range kube.References(template) {
		if r.Secret {
			out = append(out, r.Name)
		}
	}
	return out
}
