package export

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Redact takes credentials and e-mail addresses out of a text. Twice is the same as once.
func Redact(text string) string {
	r := redactor{counts: map[string]int{}}
	return r.text(text)
}

// RedactJSON takes the same out of every text inside a JSON value, and what is named like a credential. What is no JSON
// becomes nothing.
func RedactJSON(raw json.RawMessage) json.RawMessage {
	r := redactor{counts: map[string]int{}}
	return r.json(raw)
}

// maxRounds bounds the work on hostile text; two rounds do for any other.
const maxRounds = 10

// redactor redacts texts and counts what it took out, by rule.
type redactor struct {
	off    bool
	counts map[string]int
	people *pseudonyms
	ids    map[string]string // redacted ids, where redaction altered them
}

// text redacts one text that is not a name of a thing.
func (r *redactor) text(s string) string {
	if r.off || s == "" {
		return s
	}
	for range maxRounds { // what one rule leaves may be what another looks for
		before := s
		for i := range rules {
			s = r.apply(&rules[i], s)
		}
		if s == before {
			break
		}
	}
	if r.people != nil {
		s = r.people.in(s, r.counts)
	}
	return s
}

func (r *redactor) apply(u *rule, s string) string {
	found := u.pattern.FindAllStringSubmatchIndex(s, -1)
	if len(found) == 0 {
		return s
	}
	var b strings.Builder
	last := 0
	for _, at := range found {
		groups := make([]string, len(at)/2)
		for i := range groups {
			if at[2*i] >= 0 {
				groups[i] = s[at[2*i]:at[2*i+1]]
			}
		}
		instead := u.keep(groups)
		if instead == "" || instead == groups[0] {
			continue
		}
		r.counts[u.name]++
		b.WriteString(s[last:at[0]])
		b.WriteString(instead)
		last = at[1]
	}
	b.WriteString(s[last:])
	return b.String()
}

// texts redacts a list into a new one.
func (r *redactor) texts(l []string) []string {
	if l == nil {
		return nil
	}
	out := make([]string, len(l))
	for i, s := range l {
		out[i] = r.text(s)
	}
	return out
}

// labels redacts the values of labels; what is named like a secret is one.
func (r *redactor) labels(m map[string]string) map[string]string {
	if m == nil || r.off {
		return m
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		if secretName.MatchString(k) && v != "" && v != mark {
			r.counts["secret by name"]++
			v = mark
		}
		out[k] = r.text(v)
	}
	return out
}

var secretName = regexp.MustCompile(`(?i)^(?:.*[_-])?(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|authorization|cookie|credentials?)$`)

// id gives the redacted form of a change's or an alert's id. Ids that differ stay different.
func (r *redactor) id(s string) string {
	if v, ok := r.ids[s]; ok {
		return v
	}
	return s
}

// learnIDs decides, in one fixed order, what becomes of each id.
func (r *redactor) learnIDs(ids []string) {
	r.ids = map[string]string{}
	if r.off {
		return
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	taken := map[string]bool{}
	var altered []string
	quiet := redactor{counts: map[string]int{}}
	for _, id := range slices.Compact(ids) {
		if quiet.text(id) == id {
			taken[id] = true
		} else {
			altered = append(altered, id)
		}
	}
	for _, id := range altered {
		base := r.text(id)
		v := base
		for n := 2; taken[v]; n++ {
			v = base + "~" + number(n)
		}
		taken[v], r.ids[id] = true, v
	}
}

// Count is how often a rule took something out.
type Count struct {
	Rule string `json:"rule"`
	N    int    `json:"n"`
}

// report lists the counts by rule.
func (r *redactor) report() []Count {
	out := []Count{}
	for name, n := range r.counts {
		out = append(out, Count{name, n})
	}
	slices.SortFunc(out, func(a, b Count) int { return strings.Compare(a.Rule, b.Rule) })
	return out
}
