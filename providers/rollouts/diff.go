package rollouts

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
)

const diffLines = 400

// Names that hold secrets more often than not.
var secretName = regexp.MustCompile(`(?i)(pass(word|wd|phrase)?|secret|token|api[_-]?key|private[_-]?key|authorization|credentials?|dsn)`)

var inAddress = regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`)

// diff compares two templates as YAML. It goes into a record that many read, so it leaves out what looks like a secret.
func diff(fromName string, from map[string]any, toName string, to map[string]any) (string, error) {
	a, err := text(from)
	if err != nil {
		return "", err
	}
	b, err := text(to)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	n := 0
	for line := range strings.Lines(udiff.Unified(fromName, toName, a, b)) {
		if n++; n > diffLines {
			continue
		}
		line = strings.TrimRight(line, "\r\n")
		mark, rest := "", line
		if line != "" {
			mark, rest = line[:1], line[1:]
		}
		out.WriteString(mark + inAddress.ReplaceAllString(providers.Clean(rest), "${1}(not shown)@") + "\n")
	}
	if n > diffLines {
		fmt.Fprintf(&out, "... %d more lines\n", n-diffLines)
	}
	return out.String(), nil
}

func text(template map[string]any) (string, error) {
	shown := hidden(copied(template)).(map[string]any)
	raw, err := yaml.Marshal(shown)
	if err != nil {
		return "", fmt.Errorf("show a pod template: %w", err)
	}
	return string(raw), nil
}

// hidden takes out the values of variables and fields whose names say that they are secret. That two values differ is
// still seen by their digest's beginning.
func hidden(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = hidden(v[i])
		}
	case map[string]any:
		name, _ := v["name"].(string)
		for key, e := range v {
			plain, isText := e.(string)
			if isText && plain != "" && ((key == "value" && secretName.MatchString(name)) || (key != "name" && secretName.MatchString(key))) {
				v[key] = "(not shown, " + strings.TrimPrefix(must(digestOf(map[string]any{"": plain})), "sha256:")[:6] + ")"
				continue
			}
			v[key] = hidden(e)
		}
	}
	return v
}

func must(s string, err error) string {
	if err != nil {
		return strings.Repeat("?", 16)
	}
	return s
}
