package rollback

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// measureID names a measure by the run and the step that sets it.
func measureID(run string, step int) string { return fmt.Sprintf("%s.%d", run, step) }

// setMeasure journals, in the transaction of a step's intent and before it, the measure that the step is about to set: one
// that may exist is on the record from before the moment in which it can.
func (x *execution) setMeasure(tx *store.Tx, s *StepRun) error {
	if s.Measure == "" {
		return nil
	}
	u, m, ok := x.planned(s)
	if !ok {
		return fmt.Errorf("step %d of %s sets a measure that its plan does not hold: make a new plan", s.N, x.run.ID)
	}
	row := MeasureRun{Measure: m, Run: x.run.ID, Step: s.N, State: MeasureSetting, Service: u.Unit.Service, Environment: u.Unit.Environment}
	row.ID, row.Op, row.Owner = measureID(x.run.ID, s.N), x.op, x.run.By.By.ID
	row.Expires = x.e.cfg.Now().UTC().Add(m.TTL)
	row.Reason = x.why(u)
	if i := x.measure(s.N); i >= 0 { // tried before: it may stand since then
		row.Expires = x.run.Measures[i].Expires
		x.run.Measures[i] = row
	} else {
		x.run.Measures = append(x.run.Measures, row)
	}
	return x.e.saveMeasure(tx, row, measureNote{event: "setting", by: x.run.By.By, text: fmt.Sprintf("about to: %s (until %s)", s.Title, row.Exit)})
}

// why is the reason for a measure: what was said, else what it is for.
func (x *execution) why(u UnitPlan) string {
	for _, said := range []string{x.run.By.Reason, x.run.Plan.Reason} {
		if said = strings.TrimSpace(said); said != "" {
			return said
		}
	}
	return fmt.Sprintf("%s takes %s back to %s", x.run.ID, u.Unit.ID, name(u.To))
}

// measureAnswered journals with a step's result what that says of its measure. Only where it is known that the step never had
// an effect, nothing has to be lifted.
func (x *execution) measureAnswered(tx *store.Tx, s *StepRun, res Result) error {
	if err := x.drillWentBack(tx, s); err != nil {
		return err
	}
	i := x.measure(s.N)
	if i < 0 {
		return nil
	}
	m, note := &x.run.Measures[i], measureNote{by: x.run.By.By, outcome: res.Outcome}
	m.Detail = providers.Clean(res.Detail)
	switch s.State {
	case StepApplied:
		m.State, m.SetAt, m.Token = MeasureInForce, s.EndedAt, res.Token
		note.event, note.text = "set", fmt.Sprintf("%s, until %s; it expires %s", m.What, m.Exit, m.Expires.Format("2006-01-02 15:04Z07:00"))
	case StepFailed, StepPrecondFailed:
		if s.loose() {
			return nil // an earlier attempt may yet arrive
		}
		m.State, m.EndedAt = MeasureNever, s.EndedAt
		note.event, note.text = "never set", m.What+": it was not set: "+res.Detail
	case StepPending, StepIntent, StepNoOp, StepUnknown:
		return nil
	}
	return x.e.saveMeasure(tx, *m, note)
}

// planned finds the plan's measure that a step sets.
func (x *execution) planned(s *StepRun) (UnitPlan, Measure, bool) {
	for _, u := range x.run.Plan.Units {
		if u.Unit.ID == s.Unit {
			if i := slices.IndexFunc(u.Measures, func(m Measure) bool { return m.ID == s.Measure }); i >= 0 {
				return u, u.Measures[i], true
			}
		}
	}
	return UnitPlan{}, Measure{}, false
}

// measure is the index of the measure that a step of this run set, or may have set; -1 none.
func (x *execution) measure(step int) int {
	return slices.IndexFunc(x.run.Measures, func(m MeasureRun) bool { return m.Step == step })
}

// standing says at the end of a run what it leaves behind, and how that is lifted: nothing is lifted by itself.
func (x *execution) standing() string {
	var parts []string
	for _, m := range slices.Backward(x.run.Measures) { // in the order in which they are to be lifted
		if m.State.Closed() || m.Provider == drillKeeper { // whoever drives the drill goes on from here
			continue
		}
		word := "stands"
		if m.State != MeasureInForce {
			word = "may stand"
		}
		parts = append(parts, fmt.Sprintf("%s: %s; when %s: backout measures lift %s", word, m.What, m.Exit, m.ID))
	}
	return strings.Join(parts, "; ")
}

// measureNote is what an entry about a measure says beside the measure itself.
type measureNote struct {
	event, text, detail string
	by                  policy.Principal
	outcome             Outcome
	lift                *Lifting
}

// saveMeasure writes a measure's row, its entry in the record and the line in its run's log, all in one transaction.
func (e *Engine) saveMeasure(tx *store.Tx, m MeasureRun, n measureNote) error {
	doc, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("journal the measure %s: %w", m.ID, err)
	}
	row := store.Measure{
		ID: m.ID, Run: m.Run, Step: m.Step, Unit: string(m.Unit), State: string(m.State), Closed: m.State.Closed(), Expires: m.Expires, Doc: doc,
	}
	if err := tx.SaveMeasure(row); err != nil {
		return err
	}
	body := ledger.MeasureBody{
		Measure: m.ID, Event: n.event, State: string(m.State), Closed: m.State.Closed(), What: m.What, Service: m.Service,
		Environment: m.Environment, Owner: m.Owner, Reason: m.Reason, Exit: m.Exit, Expires: m.Expires, SetAt: m.SetAt,
		InForce: string(m.InForce), ExitHolds: string(m.ExitHolds), Outcome: string(n.outcome), Detail: n.detail,
	}
	if body.Detail == "" {
		body.Detail = m.Detail
	}
	if m.Provider == drillKeeper {
		body.Drill = m.Args[drillArg]
	}
	if n.lift != nil {
		body.Op, body.Force, body.Why = n.lift.Op, n.lift.Force, n.lift.Reason
	}
	text := providers.Clean(m.ID + ": " + n.text)
	entry := ledger.Entry{
		At: e.cfg.Now().UTC(), Kind: ledger.KindMeasure, Actor: n.by.ID, ActorKind: string(n.by.Kind), Run: m.Run, Unit: string(m.Unit), Text: text,
	}
	if entry.Body, err = json.Marshal(body); err != nil {
		return fmt.Errorf("journal the measure %s: %w", m.ID, err)
	}
	if _, err := tx.Append(entry, nil); err != nil {
		return err
	}
	return tx.Log(m.Run, text)
}

func decodeMeasure(row store.Measure) (MeasureRun, error) {
	var m MeasureRun
	if err := json.Unmarshal(row.Doc, &m); err != nil {
		return MeasureRun{}, fmt.Errorf("read the measure %s: %w", row.ID, err)
	}
	m.State = MeasureState(row.State)
	return m, nil
}

// wholeMeasures checks that a proposal's measures can be lifted by somebody who never saw its plan, and that its steps and
// its measures belong together.
func (e *Engine) wholeMeasures(p *Proposal) error {
	var errs []error
	set := map[string]int{}
	for _, s := range p.Steps {
		if s.Measure != "" {
			set[s.Measure]++
			if s.From != s.To {
				errs = append(errs, fmt.Errorf("the step %q sets a measure and switches content: these have to be two steps", s.Title))
			}
		}
	}
	for i := range p.Measures {
		m := &p.Measures[i]
		m.What, m.Exit, m.Undo = providers.Clean(m.What), providers.Clean(m.Exit), providers.Clean(m.Undo)
		if m.TTL <= 0 {
			m.TTL = e.cfg.MeasureTTL
		}
		r, err := e.named(m.Provider)
		if _, ok := r.(Measurer); err != nil || !ok {
			errs = append(errs, fmt.Errorf("the measure %q cannot be lifted by %q", m.What, m.Provider))
		}
		if m.ID == "" || m.What == "" || m.Exit == "" || m.Undo == "" || set[m.ID] != 1 {
			errs = append(errs, fmt.Errorf("the measure %q needs an id, what it is, an exit condition, how it is lifted, and one step that sets it", m.ID))
		}
		delete(set, m.ID)
	}
	for id := range set {
		errs = append(errs, fmt.Errorf("a step sets the measure %q, which the proposal does not describe", id))
	}
	return errors.Join(errs...)
}
