package unleash

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// strategy is one rule of a flag in an environment: for whom it is on.
type strategy struct {
	ID          string         `json:"id,omitempty"`
	Name        string         `json:"name"`
	Title       string         `json:"title"`
	Disabled    bool           `json:"disabled"`
	Parameters  map[string]any `json:"parameters"`
	Constraints []any          `json:"constraints"`
	Variants    []any          `json:"variants"`
	Segments    []int          `json:"segments"`
	SortOrder   int            `json:"sortOrder"`
	Milestone   string         `json:"milestoneId,omitempty"`
}

// configuration is all that a flag is in one environment: what a unit goes back to.
type configuration struct {
	Enabled    bool       `json:"enabled"`
	Strategies []strategy `json:"strategies"`
}

// whole fills in what a server may leave out, so that the same content reads the same.
func (s strategy) whole() strategy {
	if s.Parameters == nil {
		s.Parameters = map[string]any{}
	}
	if s.Constraints == nil {
		s.Constraints = []any{}
	}
	if s.Variants == nil {
		s.Variants = []any{}
	}
	s.Segments = append([]int{}, s.Segments...)
	slices.Sort(s.Segments)
	return s
}

// content is a strategy without what the server gives it: its id, and the number that only its place in the order comes from.
func (s strategy) content() strategy {
	s = s.whole()
	s.ID, s.SortOrder, s.Milestone = "", 0, ""
	return s
}

func (s strategy) same(as strategy) bool { return digest(s.content()) == digest(as.content()) }

// content is what decides for whom a flag is on, in the order in which it is asked.
func (c configuration) content() configuration {
	out := configuration{Enabled: c.Enabled, Strategies: []strategy{}}
	for _, s := range c.ordered() {
		out.Strategies = append(out.Strategies, s.content())
	}
	return out
}

func (c configuration) ordered() []strategy {
	all := slices.Clone(c.Strategies)
	slices.SortStableFunc(all, func(a, b strategy) int {
		return cmp.Or(cmp.Compare(a.SortOrder, b.SortOrder), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// digest is the identity of a configuration.
func (c configuration) digest() string { return digest(c.content()) }

func digest(v any) string {
	data, err := json.Marshal(v) // keys are sorted, and nothing in it cannot be written
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (c configuration) find(id string) int {
	return slices.IndexFunc(c.Strategies, func(s strategy) bool { return s.ID == id })
}

func (c configuration) clone() configuration {
	return configuration{Enabled: c.Enabled, Strategies: slices.Clone(c.Strategies)}
}

// words say what a configuration is, in a few.
func (c configuration) words() string {
	if !c.Enabled {
		return "off"
	}
	var parts []string
	for _, s := range c.ordered() {
		if !s.Disabled {
			parts = append(parts, s.words())
		}
	}
	const most = 3
	if n := len(parts); n > most {
		parts = append(parts[:most], fmt.Sprintf("%d more", n-most))
	}
	return strings.TrimSuffix("on, "+strings.Join(parts, "; "), ", ")
}

func (s strategy) words() string {
	out := s.Name
	if share, ok := s.Parameters["rollout"]; ok {
		out += fmt.Sprintf(" %v%%", share)
	}
	if n := len(s.Constraints) + len(s.Segments); n > 0 {
		out += fmt.Sprintf(" with %d %s", n, plural(n, "condition", "conditions"))
	}
	return providers.Clean(out)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
