package export

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// pseudonyms puts engineer-1, engineer-2, ... in place of people. The numbers follow a keyed hash of the names, so that
// they tell nothing of the alphabet, and the same person is the same engineer everywhere in one export.
type pseudonyms struct {
	byName  map[string]string
	pattern *regexp.Regexp // the names that are long enough to be looked for in texts
}

// shortestName is the shortest name that is looked for inside texts: "al" would be found in every other word.
const shortestName = 3

func newPseudonyms(names []string, key []byte) *pseudonyms {
	if len(key) == 0 {
		key = make([]byte, 32)
		_, _ = rand.Read(key) // never fails: crypto/rand ends the process instead
	}
	hash := func(name string) string {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(name))
		return string(h.Sum(nil))
	}
	names = slices.Clone(names)
	slices.Sort(names)
	names = slices.Compact(names)
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(hash(a), hash(b)) })
	p := &pseudonyms{byName: map[string]string{}}
	var inText []string
	for i, n := range names {
		p.byName[n] = "engineer-" + number(i+1)
		if len(n) >= shortestName {
			inText = append(inText, regexp.QuoteMeta(n))
		}
	}
	slices.SortFunc(inText, func(a, b string) int { // the longest first, so that no part is taken for the whole
		if d := len(b) - len(a); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	if len(inText) > 0 {
		p.pattern = regexp.MustCompile(`(^|[^\pL\pN_])(` + strings.Join(inText, "|") + `)($|[^\pL\pN_])`)
	}
	return p
}

// in replaces the names inside a text, as whole words.
func (p *pseudonyms) in(s string, counts map[string]int) string {
	if p.pattern == nil {
		return s
	}
	for from := 0; from < len(s); {
		at := p.pattern.FindStringSubmatchIndex(s[from:])
		if at == nil {
			break
		}
		start, end := from+at[4], from+at[5]
		instead := p.byName[s[start:end]]
		s = s[:start] + instead + s[end:]
		counts["name"]++
		from = start + len(instead)
	}
	return s
}

// person redacts a name of somebody or something. Agents and automations keep theirs: what acted is a fact.
func (r *redactor) person(name, kind string) string {
	if r.off || name == "" {
		return name
	}
	if r.people != nil && isPerson(name, kind) {
		if v, ok := r.people.byName[name]; ok {
			r.counts["name"]++
			return v
		}
	}
	return r.text(name)
}

func (r *redactor) persons(names []string) []string {
	if names == nil {
		return nil
	}
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = r.person(n, "")
	}
	return out
}

// isPerson takes everybody for a person who is not known to be an agent or an automation.
func isPerson(name, kind string) bool {
	return name != "" && kind != "agent" && kind != "automation" && kind != "system" && !strings.HasSuffix(name, "[bot]")
}

// peopleOf collects the names of the people in the data.
func peopleOf(d *Data) []string {
	var names []string
	add := func(name, kind string) {
		if isPerson(name, kind) {
			names = append(names, name)
		}
	}
	for i := range d.Changes {
		c := &d.Changes[i]
		add(c.Author.Name, c.Author.Kind)
		for _, a := range c.Approvers {
			add(a, "")
		}
	}
	for i := range d.Alerts {
		for _, s := range d.Alerts[i].SilencedBy {
			add(s, "")
		}
	}
	for i := range d.Record {
		add(d.Record[i].Actor, d.Record[i].ActorKind)
	}
	return names
}

// idsOf collects the ids that the data may refer to.
func idsOf(d *Data) []string {
	var ids []string
	source := func(l []providers.Source) {
		for i := range l {
			ids = append(ids, l[i].ID)
		}
	}
	for i := range d.Changes {
		ids = append(append(ids, d.Changes[i].ID), d.Changes[i].Reverts...)
		source(d.Changes[i].Sources)
	}
	for i := range d.Alerts {
		ids = append(ids, d.Alerts[i].ID)
		source(d.Alerts[i].Sources)
	}
	for i := range d.Record {
		ids = append(ids, d.Record[i].Change)
	}
	return ids
}

func number(n int) string { return strconv.Itoa(n) }
