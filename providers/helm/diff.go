package helm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
)

const diffTotal = 64 << 10 // of all objects

// What looks like a secret in an object that is no Secret.
var (
	secretLine = regexp.MustCompile(`(?i)((?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|private[_-]?key|authorization|credentials?|dsn)["']?\s*[:=]\s*)\S.*`)
	inAddress  = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)
	secretEnv  = regexp.MustCompile(`(?i)pass(word|wd|phrase)?|secret|token|api_?key|private_?key|credential|dsn`)
)

// difference is a unified diff of the objects of two manifests. It goes into a record that many read, so it leaves out what
// looks like a secret.
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
		b.WriteString(udiff.Unified("live: "+name, "target: "+name, shown(old[key]), shown(now[key])))
	}
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = providers.Clean(line)
	}
	return strings.Join(lines, "\n")
}

// shown is an object as text that may be seen.
func shown(o *object) string {
	if o == nil {
		return ""
	}
	masked := o.DeepCopy().Object
	if o.GetKind() == "Secret" {
		for _, part := range []string{"data", "stringData"} {
			if data, ok := masked[part].(map[string]any); ok {
				for k, v := range data {
					data[k] = fingerprint(v)
				}
			}
		}
	}
	maskNamed(masked)
	text, err := yaml.Marshal(masked)
	if err != nil {
		return ""
	}
	shown := secretLine.ReplaceAllString(string(text), "${1}(not shown)")
	return inAddress.ReplaceAllString(shown, "${1}(not shown)@")
}

// fingerprint tells two values apart without showing them. It is of one plan alone, so a short one does.
func fingerprint(v any) string {
	sum := sha256.Sum256(fmt.Append(nil, v))
	return "(not shown, " + hex.EncodeToString(sum[:4]) + ")"
}

// maskNamed hides the value of what is a list of names and values, as a container's environment is.
func maskNamed(v any) {
	switch v := v.(type) {
	case map[string]any:
		name, _ := v["name"].(string)
		if value, ok := v["value"].(string); ok && secretEnv.MatchString(name) {
			v["value"] = fingerprint(value)
		}
		for _, inner := range v {
			maskNamed(inner)
		}
	case []any:
		for _, inner := range v {
			maskNamed(inner)
		}
	}
}
