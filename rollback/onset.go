package rollback

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// onsetSlack is how long before what is taken back an alert may have begun and still count as a symptom of it: clocks differ, and
// a revision may serve a little before anybody says so.
const onsetSlack = 2 * time.Minute

// symptomsOf keeps the alerts that opened after the change: those a rollback has to have cured. One that was open before is
// told of and does not count. Where it is not known when what is taken back began to serve, all count.
func (p *Plan) symptomsOf(s *set, c *providers.Change) {
	if p.Kind == kindForward {
		return
	}
	began := s.began()
	if c != nil && !c.EffectiveFrom.IsZero() && c.EffectiveFrom.Before(began) {
		began = c.EffectiveFrom
	}
	if began.IsZero() {
		return
	}
	p.Onset = began.Add(-onsetSlack)
	all := p.Alerts
	before := func(a AlertRef) bool { return !a.StartsAt.IsZero() && a.StartsAt.Before(p.Onset) }
	p.Alerts = slices.DeleteFunc(slices.Clone(all), before)
	for _, a := range all {
		if before(a) {
			p.Earlier = append(p.Earlier, a)
			p.Warnings = append(p.Warnings, fmt.Sprintf("the alert %s has been open since %s, before what is taken back began to serve (%s): going back is not expected to cure it, and it does not count",
				providers.Clean(cmp.Or(a.Name, a.ID)), providers.Clock(a.StartsAt, p.CreatedAt), providers.Clock(began, p.CreatedAt)))
		}
	}
	if len(p.Earlier) > 0 && len(p.Alerts) == 0 {
		p.Warnings = append(p.Warnings, "no alert of the incident opened after the change: taking it back is unlikely to help")
	}
}

// began is when the first of what is taken back began to serve; zero where that is not known of a unit that goes back.
func (s *set) began() time.Time {
	var first time.Time
	for i := range s.parts {
		taken := s.parts[i].choice.taken()
		if len(taken) == 0 {
			continue
		}
		start := since(taken)
		if start.IsZero() {
			return time.Time{}
		}
		if first.IsZero() || start.Before(first) {
			first = start
		}
	}
	return first
}
