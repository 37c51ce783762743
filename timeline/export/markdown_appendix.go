package export

import (
	"fmt"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// shownSuspects is how many suspects an appendix lists; the incident file holds what it takes to rank them all.
const shownSuspects = 10

func (m *page) hypothesis() {
	r := &m.ranking
	m.line("## Appendix A: hypothesis at %s", stamp(r.At))
	m.line("")
	m.line("A machine's ranking from what was known at that moment. A suspect is not a finding: only people, or a rollback that")
	m.line("verifiably ended the symptoms, confirm one. Weights are in nats and add up to the score.")
	m.line("")
	if m.reworded {
		m.line("Redaction altered words or names that the ranking compares, so this is the ranking of the redacted data.")
		m.line("")
	}
	m.line("- None of these: %.3f", r.None)
	if r.Tie {
		m.line("- Tie: the first suspects cannot be told apart")
	}
	m.line("")
	if len(r.Ranking) == 0 {
		return
	}
	title := map[string]*providers.Change{}
	for i := range m.Changes {
		title[m.Changes[i].ID] = &m.Changes[i]
	}
	m.table("#", "p", "score", "change", "service", "id")
	shown := r.Ranking[:min(len(r.Ranking), shownSuspects)]
	for i, s := range shown {
		text, service := "", ""
		if c := title[s.Change]; c != nil {
			text, service = changeText(c), c.Service
		}
		m.row(fmt.Sprint(i+1), fmt.Sprintf("%.3f", s.P), fmt.Sprintf("%+.2f", s.Score), md(text), md(service), md(s.Change))
	}
	m.line("")
	if rest := len(r.Ranking) - len(shown); rest > 0 {
		m.line("And %d more, each less likely.", rest)
		m.line("")
	}
	for i, s := range shown[:min(3, len(shown))] {
		m.line("Evidence for and against %d, %s:", i+1, md(s.Change))
		m.line("")
		var unknown []string
		for _, e := range s.Evidence {
			if e.Unknown() {
				unknown = append(unknown, e.Term+" ("+strings.TrimPrefix(e.Text, "unknown: ")+")")
				continue
			}
			m.line("- %+.2f %s: %s", e.Weight, md(e.Term), md(e.Text))
		}
		if len(unknown) > 0 {
			m.line("- Unknown, so neither for nor against: %s", md(strings.Join(unknown, "; ")))
		}
		m.line("")
	}
}

// details tells of each change what the table has no room for.
func (m *page) details() {
	m.line("## Appendix B: changes")
	m.line("")
	if len(m.Changes) == 0 {
		m.line("None.")
		m.line("")
	}
	for i := range m.Changes {
		if !isNote(&m.Changes[i]) {
			m.detail(&m.Changes[i])
		}
	}
}

func (m *page) detail(c *providers.Change) {
	m.line("### %s", md(reference(c.Provider, c.ID)))
	m.line("")
	m.line("- %s", md(changeText(c)))
	item := func(name, value string) {
		if value != "" {
			m.line("- %s: %s", name, md(value))
		}
	}
	item("kind", string(c.Kind))
	item("unit", c.Unit)
	author := c.Author.Name
	if c.Author.Kind != "" {
		author = strings.TrimSpace(author + " (" + c.Author.Kind + ")")
	}
	item("by", orUnknown(author))
	if len(c.Approvers) == 0 {
		item("approved by", "nobody that the sources name")
	}
	item("approved by", strings.Join(c.Approvers, ", "))
	item("AI assistance", m.assistance(c))
	for _, a := range m.attributed(c) {
		m.line("  - recorded %s by %s (record %d, version %d, rules %s): %s", stamp(a.entry.At), md(a.entry.Actor), a.entry.Seq, a.body.Version, md(orUnknown(a.body.Ruleset)), md(a.body.String()))
	}
	for _, e := range c.Assistance.Evidence {
		parts := []string{}
		for _, v := range []string{e.Strength, e.Role, e.Tool, e.Model, e.Source, cut(e.Raw), e.Caveat} {
			if v != "" {
				parts = append(parts, v)
			}
		}
		m.line("  - %s", md(strings.Join(parts, "; ")))
		if l := mdLink("session", e.Session); l != "" {
			m.line("  - %s", l)
		}
	}
	item("looked at for AI", strings.Join(c.Assistance.Checked, ", "))
	if c.Files > 0 || c.Lines > 0 {
		m.line("- size: %s, %s", counted(c.Files, "file"), counted(c.Lines, "line"))
	}
	item("commit", c.Commit)
	item("takes back", strings.Join(c.Reverts, ", "))
	item("artifacts", strings.Join(c.Artifacts, ", "))
	for _, s := range c.Sources {
		if s.Provider == c.Provider && s.ID == c.ID {
			continue // the heading names it
		}
		item("also reported by", reference(s.Provider, s.ID))
	}
	if l := mdLink("open", m.link(c.URL, c.Provider, c.ID)); l != "" {
		m.line("- %s", l)
	}
	m.line("")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// cut keeps a line of evidence from becoming a transcript.
func cut(s string) string {
	const most = 200
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most]) + "..."
}

func (m *page) report() {
	m.line("## Appendix C: redaction")
	m.line("")
	if m.options.mode() == Off {
		m.line("Off: nothing was taken out.")
		return
	}
	m.line("Mode %s. It finds what looks like a credential or an address; read before publishing.", m.options.mode())
	m.line("")
	if len(m.counts) == 0 {
		m.line("Nothing was taken out.")
		return
	}
	m.table("rule", "taken out")
	for _, c := range m.counts {
		m.row(md(c.Rule), fmt.Sprint(c.N))
	}
}
