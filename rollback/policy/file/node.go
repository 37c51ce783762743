package file

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader turns nodes into values, and collects what is wrong with them.
type reader struct {
	file     string
	problems []Problem
	env      *conditions
	groups   map[string]bool // that may be named
	roles    map[string]bool
}

func (r *reader) report(n *yaml.Node, key, format string, args ...any) {
	p := Problem{File: r.file, Line: 1, Column: 1, Key: key, Message: fmt.Sprintf(format, args...)}
	if n != nil && n.Line > 0 {
		p.Line, p.Column = n.Line, n.Column
	}
	r.problems = append(r.problems, p)
}

// section is a mapping that was read, by key.
type section struct {
	*reader
	node *yaml.Node
	key  string
	of   map[string]*yaml.Node
}

// section reads a mapping; keys that are not known, or stand twice, are problems. No known keys: any may stand.
func (r *reader) section(n *yaml.Node, key string, known ...string) section {
	s := section{reader: r, node: n, key: key, of: map[string]*yaml.Node{}}
	if n.Kind != yaml.MappingNode {
		r.report(n, key, "is a list of keys with values, such as {%s: ...}", strings.Join(known[:min(1, len(known))], ""))
		return s
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode:
			r.report(k, key, "a key is a word")
		case len(known) > 0 && !slices.Contains(known, k.Value):
			r.report(k, at(key, k.Value), "is not known here: %s", instead(k.Value, known))
		case s.of[k.Value] != nil:
			r.report(k, at(key, k.Value), "stands twice: take one away")
		default:
			s.of[k.Value] = v
		}
	}
	return s
}

func at(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// need reports the keys that have to be there and are not.
func (s section) need(names ...string) {
	for _, n := range names {
		if s.of[n] == nil && s.node.Kind == yaml.MappingNode {
			s.report(s.node, at(s.key, n), "is missing: write %s", n+": ...")
		}
	}
}

// text reads a string that is not empty, "" where the key is not there.
func (s section) text(name string) string {
	n := s.of[name]
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || strings.TrimSpace(n.Value) == "" {
		s.report(n, at(s.key, name), "is a text that is not empty")
		return ""
	}
	return n.Value
}

// word reads one of several words.
func (s section) word(name, otherwise string, known ...string) string {
	text := s.text(name)
	if text == "" {
		return otherwise
	}
	if !slices.Contains(known, text) {
		s.report(s.of[name], at(s.key, name), "is not %q: %s", text, instead(text, known))
		return otherwise
	}
	return text
}

// words reads a word or a list of words. No known ones: any.
func (s section) words(name string, known ...string) []string {
	n := s.of[name]
	if n == nil {
		return nil
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		if items = n.Content; len(items) == 0 {
			s.report(n, at(s.key, name), "names nothing: leave it out, or name something")
		}
	}
	var out []string
	for _, i := range items {
		switch {
		case i.Kind != yaml.ScalarNode || i.Tag == "!!null" || i.Value == "":
			s.report(i, at(s.key, name), "is a word or a list of words")
		case len(known) > 0 && !slices.Contains(known, i.Value):
			s.report(i, at(s.key, name), "is not %q: %s", i.Value, instead(i.Value, known))
		default:
			out = append(out, i.Value)
		}
	}
	return out
}

func (s section) number(name string, low, high int) int {
	n := s.of[name]
	if n == nil {
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < low || v > high {
		s.report(n, at(s.key, name), "is a number from %d to %d", low, high)
		return 0
	}
	return v
}

func (s section) duration(name string, most time.Duration) time.Duration {
	n := s.of[name]
	if n == nil {
		return 0
	}
	d, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || d <= 0 || d > most {
		s.report(n, at(s.key, name), "is a duration such as 30m or 24h, at most %s", most)
		return 0
	}
	return d
}

func (s section) time(name string) time.Time {
	n := s.of[name]
	if n == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		s.report(n, at(s.key, name), "is a moment with its offset, such as 2026-12-15T00:00:00Z")
		return time.Time{}
	}
	return t.UTC()
}

// list reads a list of mappings.
func (s section) list(name string, each func(n *yaml.Node, key string)) {
	n := s.of[name]
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		s.report(n, at(s.key, name), "is a list: begin each entry with '- '")
		return
	}
	for i, c := range n.Content {
		each(c, fmt.Sprintf("%s[%d]", at(s.key, name), i))
	}
}
