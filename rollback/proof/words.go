package proof

import (
	"fmt"
	"strings"
	"time"
)

// Words say what a way back counts for as every screen has it: "tested L4 3d ago by ana, 41s", or "untested", with why an
// execution does not count where there was one; and what the last look at the plan said, where there was one.
func (s *Standing) Words(now time.Time) string {
	text, plan := s.shown(now), s.Probe.Words(now)
	if plan == "" || strings.Contains(text, plan) {
		return text
	}
	return text + "; " + plan
}

func (s *Standing) shown(now time.Time) string {
	switch {
	case s.Proof == nil:
		return "untested"
	case s.Tested():
		text := fmt.Sprintf("tested %s %s ago by %s", s.Level, Age(now.Sub(s.Proof.At())), s.Proof.People.Executor)
		if took := s.Proof.Times.Took(); took > 0 {
			text += ", " + took.Round(time.Second).String()
		}
		return text
	default:
		return "untested: " + s.Why()
	}
}

// Why is the one reason that counts most, "" where nothing was lost.
func (s *Standing) Why() string {
	switch {
	case len(s.Reasons) > 0:
		return s.Reasons[0].Text
	case s.Proof == nil || s.Tested():
		return ""
	case s.Proof.Outcome == Pass:
		where := s.Proof.Environment
		if where == "" {
			where = "an environment without a name"
		}
		return fmt.Sprintf("it was executed in %s only, which gives %s", where, s.Earned)
	default:
		return fmt.Sprintf("%s was stopped before it could show anything", s.Proof.Run)
	}
}

// Key says the same as Words without any age, so that it is the same a minute later: it changes only when the level, what it
// rests on, or the rules that it lost by do.
func (s *Standing) Key() string {
	if s.Proof == nil {
		return "untested"
	}
	key := s.Level.String() + " " + s.Proof.ID
	for _, r := range s.Reasons {
		key += " " + r.Rule
	}
	return key
}

// Age is how long ago something was, coarsely.
func Age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than 1m"
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 2*day:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d/day))
	}
}

// List is all reasons in one line each.
func List(reasons []Reason) []string {
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = strings.TrimSpace(r.Text + " (" + r.Rule + ")")
	}
	return out
}
