package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
)

// The words that the record uses of a measure; rollback has them too, and a source of the record need not know it.
const (
	inForce       = "in force"
	liftedAway    = "lifted by somebody else"
	answerYes     = "yes"
	answerUnknown = "unknown"
	eventSet      = "set"
)

// drillGrace is how long after its deadline a drill may be on its way forward before that is an alert: going forward begins at
// the deadline, and a drill that does so as it should is nobody's incident.
const drillGrace = time.Minute

// trouble is one thing that is wrong with a measure, from when the record first tells of it until it does not any more.
type trouble struct {
	id       string
	kind     string
	from, to time.Time
	detail   string
}

// measure is what the record tells of one temporary measure.
type measure struct {
	unit     string
	body     ledger.MeasureBody // the last word
	closedAt time.Time
	troubles []trouble
}

// What can be wrong with a measure, with how bad that is. That it has expired is told by the clock, not by the record.
const (
	troubleElsewhere = "lifted by somebody else"
	troubleUnseen    = "cannot be seen"
	troubleDone      = "outlived its exit condition"
	troubleExpired   = "expired"
)

func severity(kind string) string {
	if kind == troubleElsewhere {
		return "critical" // what it kept away may come back at any moment
	}
	return "warning"
}

// measured folds an entry about a measure, and returns the changes that it tells of.
func (v *view) measured(e ledger.Entry) []providers.Change {
	var b ledger.MeasureBody
	if json.Unmarshal(e.Body, &b) != nil || b.Measure == "" {
		return nil // a damaged entry is what "ledger verify" is for
	}
	m := v.measures[b.Measure]
	if m == nil {
		m = &measure{}
		v.measures[b.Measure] = m
		v.measureOrder = append(v.measureOrder, b.Measure)
	}
	was := m.body
	m.unit, m.body = e.Unit, b
	m.closedAt = time.Time{}
	if b.Closed {
		m.closedAt = e.At.UTC()
	}
	m.mark(e, troubleElsewhere, b.State == liftedAway)
	m.mark(e, troubleUnseen, !b.Closed && b.InForce == answerUnknown)
	m.mark(e, troubleDone, b.State == inForce && b.InForce == answerYes && b.ExitHolds == answerYes)
	switch {
	case b.Drill != "":
		return nil // its runs stand there
	case b.Event == eventSet:
		return v.put("measure-"+b.Measure, []providers.Change{v.turned(e, b, "measure-"+b.Measure, b.What)})
	case b.State == liftedAway && was.State != liftedAway:
		c := v.turned(e, b, fmt.Sprintf("measure-%s-lifted-%d", b.Measure, e.Seq), "lifted by somebody else: "+b.What)
		c.Author = providers.Author{} // the one who looked is not the one who did it
		return v.put(c.ID, []providers.Change{c})
	case b.Closed && b.State == "lifted" && was.State != liftedAway:
		return v.put("measure-"+b.Measure+"-lifted", []providers.Change{v.turned(e, b, "measure-"+b.Measure+"-lifted", "lifted: "+b.What)})
	}
	return nil
}

// turned is a measure that was set or lifted, as a change: what happens after it may come of it.
func (v *view) turned(e ledger.Entry, b ledger.MeasureBody, id, title string) providers.Change {
	c := providers.Change{
		ID: id, Provider: v.provider, Kind: providers.KindOperation, Title: b.Measure + ": " + title, Service: b.Service, Environment: b.Environment,
		Unit: e.Unit, Status: b.State, Author: providers.Author{Name: e.Actor, Kind: e.ActorKind}, LandedAt: e.At.UTC(), EffectiveFrom: e.At.UTC(),
	}
	providers.CleanChange(&c)
	return c
}

// mark begins or ends a trouble.
func (m *measure) mark(e ledger.Entry, kind string, on bool) {
	i := slices.IndexFunc(m.troubles, func(t trouble) bool { return t.kind == kind && t.to.IsZero() })
	switch {
	case on && i < 0:
		m.troubles = append(m.troubles, trouble{id: fmt.Sprintf("measure-%s-%d", m.body.Measure, e.Seq), kind: kind, from: e.At.UTC(), detail: m.body.Detail})
	case !on && i >= 0:
		m.troubles[i].to = e.At.UTC()
	}
}

// alerts are the troubles of all measures as they stand at a time.
func (v *view) alerts(now time.Time) []providers.Alert {
	var out []providers.Alert
	for _, id := range v.measureOrder {
		m := v.measures[id]
		all := slices.Clone(m.troubles)
		end := m.body.Expires
		if m.body.Drill != "" && !end.IsZero() {
			end = end.Add(drillGrace)
		}
		if !end.IsZero() && !now.Before(end) && (m.closedAt.IsZero() || !m.closedAt.Before(end)) {
			all = append(all, trouble{id: "measure-" + id + "-expired", kind: troubleExpired, from: end.UTC(), to: m.closedAt})
		}
		for _, t := range all {
			out = append(out, v.alert(m, t))
		}
	}
	slices.SortStableFunc(out, func(a, b providers.Alert) int { return cmp.Compare(a.StartsAt.UnixNano(), b.StartsAt.UnixNano()) })
	return out
}

func (v *view) alert(m *measure, t trouble) providers.Alert {
	b := m.body
	a := providers.Alert{
		ID: t.id, Provider: v.provider, Name: "measure " + t.kind, Service: b.Service, Environment: b.Environment, Severity: severity(t.kind),
		StartsAt: t.from, EndsAt: t.to, State: providers.AlertFiring,
		Labels: map[string]string{"measure": b.Measure, "unit": m.unit, "owner": b.Owner},
	}
	switch t.kind {
	case troubleElsewhere:
		a.Summary = fmt.Sprintf("%s: %s, and somebody else lifted that: the rollback may be undone; 'backout measures lift %s' takes note of it", b.Measure, b.What, b.Measure)
	case troubleUnseen:
		a.Summary = fmt.Sprintf("%s: %s: whether that is so cannot be seen", b.Measure, b.What)
	case troubleDone:
		a.Summary = fmt.Sprintf("%s: %s, although its exit condition holds (%s): backout measures lift %s", b.Measure, b.What, b.Exit, b.Measure)
	default:
		a.Summary = fmt.Sprintf("%s: %s for longer than it was meant to; %s set it (%s); it may be lifted when %s", b.Measure, b.What, b.Owner, b.Reason, b.Exit)
	}
	if t.detail != "" {
		a.Summary += " (" + t.detail + ")"
	}
	if !t.to.IsZero() {
		a.State = providers.AlertResolved
	}
	providers.CleanAlert(&a)
	return a
}
