package export

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
)

// fact is one row of the timeline: something that was observed at a time, in words that claim no cause.
type fact struct {
	at          time.Time
	what        string // alert began, change took effect, plan, ...
	summary     string // the source's own words
	service     string
	environment string
	actor       string
	actorKind   string
	source      string // provider and id
	id          string // the source's own
	ai          string
	approvedBy  string
	link        string
	evidence    string
	words       bool // what a person said of it, not what a source observed
}

// facts lists everything with a time, oldest first.
func (p *prepared) facts() []fact {
	var out []fact
	for i := range p.Alerts {
		out = append(out, p.alertFacts(&p.Alerts[i])...)
	}
	for i := range p.Changes {
		c := &p.Changes[i]
		if !isNote(c) {
			out = append(out, p.changeFacts(c)...)
		} else if !p.recorded(c) {
			out = append(out, fact{
				at: c.At(), what: "note (in somebody's words)", words: true, summary: c.Title, actor: c.Author.Name, actorKind: c.Author.Kind,
				source: reference(c.Provider, c.ID), id: c.ID,
			})
		}
	}
	for i := range p.Record {
		out = append(out, p.recordFact(&p.Record[i]))
	}
	slices.SortStableFunc(out, func(a, b fact) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.source, b.source), cmp.Compare(a.what, b.what), cmp.Compare(a.summary, b.summary))
	})
	return out
}

func (p *prepared) alertFacts(a *providers.Alert) []fact {
	f := fact{
		at: a.StartsAt, what: "alert began", summary: alertText(a), service: a.Service, environment: a.Environment,
		source: reference(a.Provider, a.ID), id: a.ID, link: p.link(a.URL, a.Provider, a.ID),
	}
	var parts []string
	for _, k := range sortedKeys(a.Labels) {
		parts = append(parts, k+"="+a.Labels[k])
	}
	f.evidence = strings.Join(parts, " ")
	if len(a.SilencedBy) > 0 {
		f.evidence = strings.TrimSpace("silenced by " + strings.Join(a.SilencedBy, ", ") + " " + f.evidence)
	}
	var out []fact
	if !f.at.IsZero() {
		out = append(out, f)
	}
	if !a.EndsAt.IsZero() {
		f.at, f.what, f.evidence = a.EndsAt, "alert ended", ""
		out = append(out, f)
	}
	return out
}

func alertText(a *providers.Alert) string {
	text := a.Name
	if a.Summary != "" {
		text = strings.TrimPrefix(text+": "+a.Summary, ": ")
	}
	if a.Severity != "" {
		text += " (" + a.Severity + ")"
	}
	return text
}

func (p *prepared) changeFacts(c *providers.Change) []fact {
	f := fact{
		summary: changeText(c), service: c.Service, environment: c.Environment, actor: c.Author.Name, actorKind: c.Author.Kind,
		source: reference(c.Provider, c.ID), id: c.ID, ai: p.assistance(c), approvedBy: strings.Join(c.Approvers, ", "),
		link: p.link(c.URL, c.Provider, c.ID), evidence: c.Commit,
	}
	kind := string(c.Kind)
	if kind == "" {
		kind = "change"
	}
	var out []fact
	add := func(at time.Time, what string) {
		if !at.IsZero() {
			g := f
			g.at, g.what = at, kind+" "+what
			out = append(out, g)
		}
	}
	landed := "landed"
	if c.LandedApproximate {
		landed = "landed (about)"
	}
	add(c.LandedAt, landed)
	if !c.EffectiveFrom.Equal(c.LandedAt) {
		add(c.EffectiveFrom, "took effect")
	}
	for _, s := range c.Rollout {
		if !s.At.Equal(c.EffectiveFrom) || s.Share < 1 {
			add(s.At, fmt.Sprintf("reached %.0f%%", 100*s.Share))
		}
	}
	if !c.EffectiveTo.Equal(c.EffectiveFrom) {
		add(c.EffectiveTo, "was everywhere")
	}
	add(c.VerifiedAt, "was verified from outside")
	return out
}

func changeText(c *providers.Change) string {
	text := c.Title
	if text == "" {
		text = c.ID
	}
	if c.From != "" || c.To != "" {
		text += " [" + orUnknown(c.From) + " to " + orUnknown(c.To) + "]"
	}
	return text
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// assistance says what is known of AI in a change. Nothing found is said as such: it never means a human.
func assistance(c *providers.Change) string {
	a := &c.Assistance
	switch a.State {
	case "":
		return "not looked at"
	case providers.AssistanceNone:
		return "none found"
	default:
		if len(a.Tools) > 0 {
			return string(a.State) + " (" + strings.Join(a.Tools, ", ") + ")"
		}
		return string(a.State)
	}
}

// assistance says what is known of AI in a change now, and what the record says where that is something else.
func (p *prepared) assistance(c *providers.Change) string {
	now := assistance(c)
	told := p.attributed(c)
	if len(told) == 0 {
		return now
	}
	last := told[len(told)-1]
	if b := last.body; b.State == string(c.Assistance.State) && slices.Equal(b.Tools, slices.Sorted(slices.Values(c.Assistance.Tools))) && b.Evidence == len(c.Assistance.Evidence) {
		return now
	}
	return fmt.Sprintf("now: %s; record %d: %s", now, last.entry.Seq, last.body.String())
}

// attributed is what was recorded of AI in a change.
type attributed struct {
	entry *ledger.Entry
	body  ledger.AttributionBody
}

// attributed lists what was recorded of AI in a change, the oldest first.
func (p *prepared) attributed(c *providers.Change) []attributed {
	var out []attributed
	for i := range p.Record {
		e := &p.Record[i]
		var b ledger.AttributionBody
		if e.Kind == ledger.KindAttribution && e.Change == c.ID && json.Unmarshal(e.Body, &b) == nil {
			out = append(out, attributed{e, b})
		}
	}
	return out
}

// isNote reports a note that stands among the changes because the record is a source of the timeline.
func isNote(c *providers.Change) bool { return c.Status == providers.StatusNote }

// recorded reports a note that the record at hand holds itself.
func (p *prepared) recorded(c *providers.Change) bool {
	return slices.ContainsFunc(p.Record, func(e ledger.Entry) bool {
		return e.Kind == ledger.KindNote && e.Text == c.Title && e.At.Equal(c.At())
	})
}

func (p *prepared) recordFact(e *ledger.Entry) fact {
	f := fact{
		at: e.At.UTC(), what: string(e.Kind), summary: e.Text, actor: e.Actor, actorKind: e.ActorKind,
		source: fmt.Sprintf("record %d", e.Seq), id: strconv.FormatInt(e.Seq, 10), evidence: e.Payload,
	}
	if e.Kind == ledger.KindNote || e.Kind == ledger.KindSuspect {
		f.what, f.words = f.what+" (in somebody's words)", true
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; e.Change != "" && c.ID == e.Change {
			f.service, f.environment = c.Service, c.Environment
		}
	}
	return f
}

// untimed lists the changes of which no time is known.
func (p *prepared) untimed() []*providers.Change {
	var out []*providers.Change
	for i := range p.Changes {
		if c := &p.Changes[i]; len(p.changeFacts(c)) == 0 {
			out = append(out, c)
		}
	}
	return out
}

// link is an address that a browser opens, or "".
func (p *prepared) link(url, provider, id string) string {
	if url == "" && p.Link != nil {
		url = p.Link(provider, id)
	}
	if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		return ""
	}
	return url
}

func reference(provider, id string) string {
	if provider == "" {
		return id
	}
	return provider + " " + id
}

// stamp writes a time in UTC with its offset, to the millisecond where it has one.
func stamp(t time.Time) string { return stampIn(t, time.UTC) }

func stampIn(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	layout := "2006-01-02 15:04:05"
	if t.Nanosecond() >= int(time.Millisecond) {
		layout += ".000"
	}
	return t.Format(layout + " -07:00")
}

// since writes a time relative to the first alert: T+00:01:30; "" where there is no alert.
func (p *prepared) since(t time.Time) string {
	if p.first.IsZero() {
		return ""
	}
	d, sign := t.Sub(p.first), "+"
	if d < 0 {
		d, sign = -d, "-"
	}
	s := int(d / time.Second)
	return fmt.Sprintf("T%s%02d:%02d:%02d", sign, s/3600, s/60%60, s%60)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
