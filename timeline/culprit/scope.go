package culprit

import (
	"iter"
	"slices"
	"strings"
	"unicode"

	"github.com/backout-dev/backout/providers"
)

// scopeKeys are the labels that say where a symptom is.
func scopeKeys() []string {
	return []string{"region", "cluster", "zone", "availability_zone", "az", "datacenter", "dc", "site", "shard", "cell", "tenant"}
}

// scopes is where the symptoms are: the values of the scope labels that alert, and all that are known.
type scopes struct {
	alerting     map[string]string // value -> key
	known        map[string]string
	versions     map[string]bool // of the alerts
	environments map[string]bool // of the alerts; empty when any alert leaves it open
}

func newScopes(in Input) scopes {
	s := scopes{
		alerting: map[string]string{}, known: map[string]string{},
		versions: map[string]bool{}, environments: map[string]bool{},
	}
	note := func(into map[string]string, labels map[string]string) {
		for _, k := range scopeKeys() {
			if v := strings.ToLower(labels[k]); len(v) > 1 {
				into[v] = k
			}
		}
	}
	open := false
	for i := range in.Alerts {
		a := &in.Alerts[i]
		note(s.alerting, a.Labels)
		note(s.known, a.Labels)
		if v := a.Labels["version"]; v != "" {
			s.versions[v] = true
		}
		env := a.Environment
		if env == "" {
			env = a.Labels["environment"]
		}
		if env == "" {
			env = a.Labels["env"]
		}
		open = open || env == ""
		s.environments[env] = true
	}
	for i := range in.Signals {
		note(s.known, in.Signals[i].Labels)
	}
	if open {
		clear(s.environments)
	}
	return s
}

// weighScope compares where the symptoms are with where the change is, both ways.
func weighScope(s *scene, c *candidate) (float64, string) {
	sc := &s.scopes
	if c.Environment != "" && len(sc.environments) > 0 && !sc.environments[c.Environment] {
		return s.scopeOutside, "the alerts are in " + strings.Join(sortedKeys(sc.environments), ", ") + ", the change in " + c.Environment
	}
	if len(sc.versions) > 0 && c.To != "" {
		switch {
		case sc.versions[c.To] && (c.From == "" || !sc.versions[c.From]):
			return s.scopeMatch, "only what runs " + c.To + " alerts"
		case !sc.versions[c.To] && sc.versions[c.From]:
			return s.scopeOutside, "what alerts runs " + c.From + ", not " + c.To
		}
	}
	if len(sc.alerting) == 0 {
		return 0, ""
	}
	return s.weighPlaceNames(c)
}

// weighPlaceNames looks for the names of regions, clusters and the like in the change.
func (s *scene) weighPlaceNames(c *candidate) (float64, string) {
	var inside, outside string
	for w := range scopeWords(c.Change) {
		k, known := s.scopes.known[w]
		switch _, alerts := s.scopes.alerting[w]; {
		case alerts:
			inside = k + " " + w
		case known:
			outside = k + " " + w
		}
	}
	switch {
	case inside != "" && outside == "":
		return s.scopeMatch, "is about " + inside + ", where the alerts are"
	case inside == "" && outside != "":
		return s.scopeOutside, "is about " + outside + ", where nothing alerts"
	case inside == "" && outside == "":
		return 0, "unknown: which " + s.scopeNames() + " it reaches"
	}
	return 0, ""
}

func (s *scene) scopeNames() string {
	var keys []string
	for _, k := range s.scopes.alerting {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return strings.Join(keys, " or ")
}

// scopeWords gives the parts of a change's names in which a place may be named, in lower case: eu-west-1 stays whole.
func scopeWords(c *providers.Change) iter.Seq[string] {
	split := func(r rune) bool { return r != '-' && !wordRune(r) }
	return func(yield func(string) bool) {
		for _, t := range append([]string{c.Unit, c.Title}, c.Paths[:min(len(c.Paths), maxSharedPaths)]...) {
			for w := range strings.FieldsFuncSeq(strings.ToLower(t), split) {
				if !yield(w) {
					return
				}
			}
		}
	}
}

// wordRune reports letters, digits and the underscore; most text is ASCII, which needs no table.
func wordRune(r rune) bool {
	if r < unicode.MaxASCII {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r)
}
