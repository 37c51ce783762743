package kube

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
)

const diffLines = 400

// Differing are the keys whose values differ, or that only one of the two has, sorted.
func Differing(a, b map[string]string) []string {
	var out []string
	for k, v := range a {
		if w, there := b[k]; !there || w != v {
			out = append(out, k)
		}
	}
	for k := range b {
		if _, there := a[k]; !there {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// Diff compares two objects, or parts of them, as YAML; nil is nothing. It goes into a record that many read and that nobody
// can take back, so it shows a number for what looks like a secret (see Cover): the same one for the same, and nothing that
// could be guessed from it. It is "" where the two do not differ.
func Diff(fromName string, from any, toName string, to any) (string, error) {
	numbers := map[string]string{}
	as := func(secret string) string {
		if numbers[secret] == "" {
			numbers[secret] = fmt.Sprintf("(hidden-%d)", len(numbers)+1)
		}
		return numbers[secret]
	}
	a, err := written(from, as)
	if err != nil {
		return "", err
	}
	b, err := written(to, as)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	n := 0
	for line := range strings.Lines(udiff.Unified(providers.Clean(fromName), providers.Clean(toName), a, b)) {
		if n++; n > diffLines {
			continue
		}
		line = strings.TrimRight(line, "\r\n")
		indent := len(line) - len(strings.TrimLeft(line, " +-"))
		out.WriteString(line[:indent] + providers.Clean(line[indent:]) + "\n")
	}
	if n > diffLines {
		fmt.Fprintf(&out, "... %d more lines\n", n-diffLines)
	}
	return out.String(), nil
}

func written(v any, as func(string) string) (string, error) {
	if fields, ok := v.(map[string]any); v == nil || ok && fields == nil {
		return "", nil
	}
	raw, err := yaml.Marshal(Cover(v, as))
	if err != nil {
		return "", fmt.Errorf("show an object: %w", err)
	}
	return string(raw), nil
}
