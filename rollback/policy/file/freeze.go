package file

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/rollback/policy"
)

func (r *reader) freeze(n *yaml.Node, key string, names map[string]bool) Freeze {
	s := r.section(n, key, "name", "when", "if", "direction", "start", "end", "cron", "duration", "timezone", "reason", "owner", "expires_at", "until")
	f := Freeze{Name: s.name(names), Line: n.Line, When: s.condition(), Start: s.time("start"), End: s.time("end"), Duration: s.duration("duration", month)}
	recurs := s.of["cron"] != nil
	f.Ends = s.ends(!recurs)
	switch {
	case recurs:
		s.need("duration", "timezone")
		f.Cron = s.cron("cron", s.zone("timezone"))
		if s.of["start"] != nil || s.of["end"] != nil {
			r.report(n, key, "has both cron and start or end: a freeze comes again and again, or once")
		}
	case s.of["start"] == nil || s.of["end"] == nil:
		s.need("start", "end")
	case !f.Start.Before(f.End):
		r.report(s.of["end"], at(key, "end"), "is not after its start")
	case s.of["duration"] != nil || s.of["timezone"] != nil:
		r.report(n, key, "has start and end: duration and timezone belong to cron")
	}
	return f
}

// on reports whether the freeze stands at a moment, and until when as far as the calendar tells.
func (f *Freeze) on(now time.Time) (until time.Time, stands bool) {
	if f.Cron == nil {
		return f.End, !now.Before(f.Start) && now.Before(f.End)
	}
	began, ok := f.Cron.last(now, f.Duration)
	if until = began.Add(f.Duration); !ok || !now.Before(until) {
		return time.Time{}, false
	}
	if !f.Ends.At.IsZero() && f.Ends.At.Before(until) {
		until = f.Ends.At
	}
	return until.UTC(), true
}

// stops reports whether a freeze stops an action. What takes back is never stopped for a responder: at night it is the cure.
func (p *Policy) stops(s *policy.Situation, who asker) bool {
	switch s.Action {
	case policy.ActionForward, policy.ActionDrill:
		return true
	case policy.ActionRollback:
		if s.Direction == policy.Forward {
			return true
		}
	case policy.ActionSee, policy.ActionPlan, policy.ActionPropose, policy.ActionApprove, policy.ActionLift, policy.ActionPolicy:
		return false
	default:
		return false
	}
	if s.Actor.Kind != policy.Human {
		return true
	}
	return len(p.Responders) > 0 && !slices.ContainsFunc(p.Responders, who.is)
}

func (f *Freeze) ruling(until time.Time, stops bool, v *view) policy.Ruling {
	out := policy.Ruling{Rule: f.Name, Effect: policy.EffectNote, Mode: policy.ModeWarn, Facts: append(f.When.reads(v), policy.Read{Path: "now", Value: show(v.facts["now"])})}
	out.Text = fmt.Sprintf("a freeze stands until %s: %s (%s)", until.UTC().Format(time.RFC3339), f.Ends.Reason, f.Ends.Owner)
	if stops {
		out.Effect, out.Mode = policy.EffectRefuse, policy.ModeDeny
	}
	return out
}
