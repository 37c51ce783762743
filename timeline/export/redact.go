package export

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// mark stands where something was taken out.
const mark = "[redacted]"

// rule takes one sort of secret out of a text. The replacement must not match any rule again, so that redacting twice is
// the same as once.
type rule struct {
	name    string
	pattern *regexp.Regexp
	keep    func(groups []string) string // what stands in place of a match; "" leaves the match as it is
}

func whole([]string) string { return mark }

// rules in the order in which they are tried: what holds others first.
var rules = []rule{
	{"private key", regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`), whole},
	{
		"authorization", regexp.MustCompile(`(?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?)((?:(?:bearer|basic|digest|token|negotiate)\s+)?)([^\s"'\[]+)`),
		func(g []string) string { return g[1] + g[2] + mark },
	},
	{"authorization", regexp.MustCompile(`(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{12,}`), func(g []string) string { return g[1] + g[2] + mark }},
	{"address with password", regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@\[\]"']+@`), func(g []string) string { return g[1] + mark + "@" }},
	{"jwt", regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), whole},
	{"token", regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}`), whole},
	{"token", regexp.MustCompile(`\bgl(?:pat|dt|rt|cbt|ptt|soat)-[A-Za-z0-9_.-]{16,}`), whole},
	{"token", regexp.MustCompile(`\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/[A-Za-z0-9/]+`), whole},
	{"token", regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[0-9A-Za-z_-]{35}`), whole},
	{"token", regexp.MustCompile(`\bsk-[A-Za-z0-9_-]{20,}|\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}`), whole},
	{"token", regexp.MustCompile(`\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{30,}|\bdop_v1_[a-f0-9]{30,}|\bhv[sb]\.[A-Za-z0-9_-]{20,}|\bdckr_pat_[A-Za-z0-9_-]{20,}`), whole},
	{
		"password", regexp.MustCompile(`(?i)((?:password|passwd|passphrase|pwd)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s,;&"'\[]+)`),
		func(g []string) string { return g[1] + mark },
	},
	{
		"secret by name", regexp.MustCompile(`(?i)((?:secret|token|key|signature)["']?\s*[:=]\s*["']?)([A-Za-z0-9+/_.=~-]{12,})`),
		func(g []string) string {
			if entropy(g[2]) < 3 {
				return ""
			}
			return g[1] + mark
		},
	},
	{
		"e-mail address", regexp.MustCompile(`([A-Za-z0-9._%+-]*[A-Za-z0-9_%+-])(@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})`),
		func(g []string) string {
			if nobody(g[1]) {
				return ""
			}
			return g[1][:1] + "***" + g[2]
		},
	},
}

// nobody reports names before an @ that belong to no person: what tools sign with, and the user of a git address.
func nobody(local string) bool {
	local = strings.ToLower(local)
	return local == "git" || strings.HasPrefix(local, "noreply") || strings.HasPrefix(local, "no-reply")
}

// entropy is the Shannon entropy of a text, in bits a character.
func entropy(s string) float64 {
	counts := map[rune]float64{}
	n := 0.0
	for _, r := range s {
		counts[r]++
		n++
	}
	e := 0.0
	for _, c := range counts {
		e -= c / n * math.Log2(c/n)
	}
	return e
}

// Redact takes credentials and e-mail addresses out of a text. Twice is the same as once.
func Redact(text string) string {
	r := redactor{counts: map[string]int{}}
	return r.text(text)
}

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
	for i := range rules {
		s = r.apply(&rules[i], s)
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

var secretName = regexp.MustCompile(`(?i)^(?:.*[_-])?(?:password|passwd|secret|token|api_?key)$`)

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

func (r *redactor) change(c providers.Change) providers.Change {
	c.ID = r.id(c.ID)
	for _, p := range []*string{
		&c.Service, &c.Environment, &c.Title, &c.From, &c.To, &c.Unit, &c.Status, &c.URL, &c.ChangeSet,
	} {
		*p = r.text(*p)
	}
	c.Author.Name = r.person(c.Author.Name, c.Author.Kind)
	c.Paths, c.Artifacts = r.texts(c.Paths), r.texts(c.Artifacts)
	c.Approvers = r.persons(c.Approvers)
	reverts := make([]string, len(c.Reverts))
	for i, id := range c.Reverts {
		reverts[i] = r.id(id)
	}
	c.Reverts = reverts
	a := c.Assistance
	a.Tools, a.Checked = r.texts(a.Tools), r.texts(a.Checked)
	a.Evidence = slices.Clone(a.Evidence)
	for i := range a.Evidence {
		e := &a.Evidence[i]
		e.Session, e.Raw, e.Caveat = r.text(e.Session), r.text(e.Raw), r.text(e.Caveat)
	}
	c.Assistance = a
	c.Sources = r.sources(c.Sources)
	c.Unknown = r.unknown(c.Unknown)
	return c
}

func (r *redactor) alert(a providers.Alert) providers.Alert {
	a.ID = r.id(a.ID)
	for _, p := range []*string{&a.Name, &a.Service, &a.Environment, &a.Severity, &a.Summary, &a.URL} {
		*p = r.text(*p)
	}
	a.Labels = r.labels(a.Labels)
	a.SilencedBy = r.persons(a.SilencedBy)
	a.Sources = r.sources(a.Sources)
	a.Unknown = r.unknown(a.Unknown)
	return a
}

func (r *redactor) sources(l []providers.Source) []providers.Source {
	out := slices.Clone(l)
	for i := range out {
		out[i].ID, out[i].URL = r.id(out[i].ID), r.text(out[i].URL)
	}
	return out
}
