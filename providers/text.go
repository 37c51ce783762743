package providers

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// MaxText is the longest text in bytes that a provider hands on in one field.
const MaxText = 4096

// Clean makes text from outside safe to show: escape sequences, control, bidirectional-override and invalid characters
// are removed, line breaks and tabs become spaces, and what is longer than MaxText bytes is cut. Every text field of a
// Change or an Alert must have gone through it.
func Clean(s string) string {
	if clean(s) {
		return s
	}
	if len(s) > 4*MaxText {
		s = s[:4*MaxText] // bounds the work on hostile input; the result is cut to MaxText below
	}
	s = ansi.Strip(strings.ToValidUTF8(s, ""))
	var b strings.Builder
	b.Grow(min(len(s), MaxText))
	for _, r := range s {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			r = ' '
		case unicode.IsControl(r) || bidi(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError:
			continue
		}
		if b.Len()+utf8.RuneLen(r) > MaxText {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// bidi reports the characters that reorder the text around them, which can make a title read as another.
func bidi(r rune) bool {
	return r == '\u200e' || r == '\u200f' || (r >= '\u202a' && r <= '\u202e') || (r >= '\u2066' && r <= '\u2069')
}

func clean(s string) bool {
	if len(s) > MaxText {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// CleanChange cleans every text field of c in place and makes its times UTC.
func CleanChange(c *Change) {
	for _, p := range []*string{
		&c.ID, &c.Provider, (*string)(&c.Kind), &c.Service, &c.Environment, &c.Title, &c.Author.Name, &c.Author.Kind,
		&c.From, &c.To, &c.Unit, &c.Status, &c.URL, &c.Commit, &c.ChangeSet, &c.Delivers,
	} {
		*p = Clean(*p)
	}
	for _, l := range [][]string{c.Paths, c.Approvers, c.Reverts, c.Artifacts, c.Within, c.Assistance.Tools, c.Assistance.Checked} {
		cleanAll(l)
	}
	for i := range c.Assistance.Evidence {
		e := &c.Assistance.Evidence[i]
		for _, p := range []*string{&e.Role, &e.Strength, &e.Tool, &e.Model, &e.Session, &e.Source, &e.Raw, &e.Caveat} {
			*p = Clean(*p)
		}
	}
	for i := range c.Rollout {
		c.Rollout[i].At = c.Rollout[i].At.UTC()
	}
	c.LandedAt, c.EffectiveFrom, c.EffectiveTo, c.VerifiedAt = c.LandedAt.UTC(), c.EffectiveFrom.UTC(), c.EffectiveTo.UTC(), c.VerifiedAt.UTC()
}

// CleanAlert cleans every text field of a in place and makes its times UTC.
func CleanAlert(a *Alert) {
	for _, p := range []*string{
		&a.ID, &a.Provider, &a.Name, &a.Service, &a.Environment, &a.Severity, &a.Summary, &a.URL, (*string)(&a.State),
	} {
		*p = Clean(*p)
	}
	cleanAll(a.SilencedBy)
	labels := make(map[string]string, len(a.Labels))
	for k, v := range a.Labels {
		labels[Clean(k)] = Clean(v)
	}
	if a.Labels != nil {
		a.Labels = labels
	}
	a.StartsAt, a.EndsAt = a.StartsAt.UTC(), a.EndsAt.UTC()
}

func cleanAll(l []string) {
	for i, s := range l {
		l[i] = Clean(s)
	}
}
