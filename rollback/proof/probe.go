package proof

import (
	"fmt"
	"strings"
	"time"
)

// ProbeCounts is for how long a look at whether a plan is valid counts.
const ProbeCounts = day

// Look is one thing that was looked at to tell whether a plan is valid. Rule is the event that the way back is lost by where it is
// not there: "I2" a right, "I4" what it goes to.
type Look struct {
	What string `json:"what"`
	Rule string `json:"rule,omitempty"`
	Answer
}

// Probe is what looking whether one unit's plan is valid said last. The zero value is that nobody looked. An answer stays until
// there is another one: a look that gave none alters only Tried and Unseen, so that what was lost is not found by not looking.
type Probe struct {
	Unit  string    `json:"unit"`
	At    time.Time `json:"at,omitzero"`    // of the last answer
	Since time.Time `json:"since,omitzero"` // since when it is what it is
	From  Content   `json:"from"`
	To    Content   `json:"to"`
	Rule  string    `json:"rule,omitempty"`
	Answer
	Looks  []Look    `json:"looks,omitempty"`
	Tried  time.Time `json:"tried"`            // when it was looked last, with an answer or without
	Unseen string    `json:"unseen,omitempty"` // why that gave no answer
}

// ProbeOf sums looks up: what is not there makes the plan one that is not valid, and what cannot be told one that is not known.
func ProbeOf(unit string, at time.Time, from, to Content, looks []Look) Probe {
	p := Probe{Unit: unit, Tried: at, From: from, To: to, Looks: looks}
	var missing, dark []string
	for _, l := range looks {
		switch {
		case l.yes():
		case l.State == "no":
			missing = append(missing, trailing(l.What, l.Text))
			if p.Rule == "" || p.Rule > l.Rule {
				p.Rule = l.Rule
			}
		default:
			dark = append(dark, trailing(l.What, l.Text))
		}
	}
	switch {
	case len(missing) > 0:
		p.Answer = No(strings.Join(missing, "; "))
	case len(dark) > 0:
		p.Unseen = strings.Join(dark, "; ")
	case len(looks) == 0:
		p.Unseen = "there was nothing to look at"
	default:
		p.Answer = Yes()
	}
	if p.State != "" {
		p.At, p.Since = at, at
	}
	return p
}

// After is the newer of two probes as it follows the older one.
func (p Probe) After(old Probe) Probe {
	if p.State == "" && old.State != "" {
		old.Tried, old.Unseen = p.Tried, p.Unseen
		return old
	}
	if p.State == old.State && p.State != "" && p.To.Digest == old.To.Digest && p.Rule == old.Rule {
		p.Since = old.Since
	}
	return p
}

// Valid reports whether the last answer was that the plan is valid, and still counts.
func (p *Probe) Valid(now time.Time) bool {
	return p != nil && p.yes() && now.Sub(p.At) <= ProbeCounts && p.At.Sub(now) <= clockSlack
}

// Words say what the last look said: "plan valid 12m ago", or "plan not valid since 14:02 UTC: ...".
func (p *Probe) Words(now time.Time) string {
	switch {
	case p == nil:
		return ""
	case p.State == "no":
		return fmt.Sprintf("plan not valid since %s: %s", clock(p.Since, now), p.Text)
	case p.Valid(now):
		return fmt.Sprintf("plan valid %s ago", Age(now.Sub(p.At)))
	case p.yes():
		return fmt.Sprintf("plan was valid %s ago, which no longer counts", Age(now.Sub(p.At)))
	default:
		return trailing("whether the plan is valid could not be seen", p.Unseen)
	}
}

// clock is a time of day, with the day where that is another one.
func clock(t, now time.Time) string {
	if t = t.UTC(); t.Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return t.Format("15:04 UTC")
	}
	return t.Format("2006-01-02 15:04 UTC")
}

// about is the probe as far as it is of this way back: what was not there of another target says nothing, a right that was missing
// is missing for that one too.
func (f *Facts) about() *Probe {
	p := f.Probe
	if p == nil || p.To.Digest != f.To.Digest && (p.State != "no" || p.Rule != "I2") {
		return nil
	}
	return p
}

// probed is what looking whether the plan is valid takes away. What was seen to be missing stays so until a look finds it there. Where
// only a probe can look far enough, the plan alone does not say that it is valid.
func (f *Facts) probed() []Reason {
	p := f.about()
	switch {
	case p != nil && p.State == "no":
		rule := p.Rule
		if rule == "" {
			rule = "I2/I4"
		}
		return []Reason{{rule, L0, p.Words(f.Now)}}
	case !f.Probed || p.Valid(f.Now):
		return nil
	case p == nil || p.State == "":
		return []Reason{{"age", L0, "nobody has seen yet whether the plan is valid"}}
	default:
		return []Reason{{"age", L0, fmt.Sprintf("whether the plan is valid was seen %s ago (%s allowed)", Age(f.Now.Sub(p.At)), Age(ProbeCounts))}}
	}
}
