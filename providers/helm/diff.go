package helm

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const diffTotal = 64 << 10 // of all objects

// difference is a unified diff of the objects of two manifests, without what looks like a secret.
func difference(before, after []*object) string {
	old, now := index(before), index(after)
	keys := maps.Clone(old)
	maps.Copy(keys, now)
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if b.Len() > diffTotal {
			b.WriteString("... cut: more objects differ\n")
			break
		}
		name := keys[key].String()
		text, err := kube.Diff("live: "+name, body(old[key]), "target: "+name, body(now[key]))
		if err != nil {
			text = fmt.Sprintf("%s: %s\n", name, providers.Clean(err.Error()))
		}
		b.WriteString(text)
	}
	return b.String()
}

func body(o *object) map[string]any {
	if o == nil {
		return nil
	}
	return o.Object.Object
}
