package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// drillKeeper is the provider of the measure that a drill's way back is: the engine itself looks at it. No provider has a
// name with a space in it.
const (
	drillKeeper = "a drill"
	drillArg    = "drill"
	drillTo     = "to"
)

// Drill takes a person's yes to a drill, or an automation's, as [Engine.Confirm] does to a rollback, and on the same conditions.
// It also is the yes to the way forward. Nothing is done yet: [Engine.Drive] does it. A refusal is a [DrillRefusal] or one of
// [Engine.Confirm], and is put on the record.
func (e *Engine) Drill(ctx context.Context, p Plan, c Confirmation) (Drill, error) {
	if p.basis == nil || p.basis.req.Drill == nil || len(p.Units) == 0 {
		return Drill{}, fmt.Errorf("%w: it is no plan of a drill: make it again", ErrPlanChanged)
	}
	if e.cfg.ReadOnly {
		return Drill{}, ErrReadOnly
	}
	before := e.preconditions(ctx, &p)
	why := refusal(before)
	if why == nil {
		why = p.unasked(c)
	}
	if why != nil {
		return Drill{}, errors.Join(why, e.recordRefusal(ctx, p, c, why))
	}
	u := &p.Units[0]
	now := e.cfg.Now().UTC()
	d := Drill{
		Unit: u.Unit, Slice: p.Slice, From: u.From, To: u.To, By: c.By, Reason: ledger.Scrub(providers.Clean(c.Reason)), Via: c.Via, State: DrillBack,
		Detail: "confirmed, nothing done yet", Until: now.Add(p.Deadline), Services: p.services(), Before: before, StartedAt: now,
	}
	row := store.Drill{Unit: string(d.Unit.ID), Environment: d.Unit.Environment, State: string(d.State), StartedAt: now}
	run, err := e.confirm(ctx, p, c, &beside{
		first: func(tx *store.Tx, c *Confirmation) error {
			err := tx.NameDrill(&row)
			d.ID, c.Drill = row.ID, row.ID
			return err
		},
		then: func(tx *store.Tx, runID string) error {
			row.Run, d.Back = runID, runID
			var err error
			if row.Doc, err = json.Marshal(d); err != nil {
				return fmt.Errorf("journal %s: %w", d.ID, err)
			}
			if err := tx.CreateDrill(row); err != nil {
				return err
			}
			return e.announce(tx, &d)
		},
	})
	switch {
	case err != nil && errors.Is(err, ErrLocked):
		return Drill{}, &DrillRefusal{DrillBusy, err.Error()}
	case err != nil:
		return Drill{}, err
	}
	return e.DrillOf(ctx, run.By.Drill)
}

// announce puts the beginning of a drill on the record, with what it leaves until it is forward again.
func (e *Engine) announce(tx *store.Tx, d *Drill) error {
	if err := e.drillEntry(tx, d, d.By, "began", fmt.Sprintf("%s of %s began: back from %s to %s, and forward again by %s", d.ID, d.Unit.ID, name(d.From), name(d.To), d.Until.Format("15:04:05 UTC"))); err != nil {
		return err
	}
	m := MeasureRun{
		Measure: Measure{
			ID: measureID(d.Back, 0), Provider: drillKeeper, Unit: d.Unit.ID, Owner: d.By.ID, Reason: "drill " + d.ID, Expires: d.Until,
			What: fmt.Sprintf("%s is rolled back by %s from %s to %s", d.Unit.ID, d.ID, name(d.From), name(d.To)),
			Exit: fmt.Sprintf("%s has brought it forward to %s, by %s", d.ID, name(d.From), d.Until.Format("15:04:05 UTC")),
			Undo: fmt.Sprintf("bring it forward: backout drill resume %s", d.ID),
			TTL:  d.Until.Sub(d.StartedAt), Args: map[string]string{drillArg: d.ID, drillTo: d.To.Digest},
		},
		Run: d.Back, State: MeasureSetting, Service: d.Unit.Service, Environment: d.Unit.Environment,
	}
	return e.saveMeasure(tx, m, measureNote{event: "setting", by: d.By, text: "about to: " + m.What})
}

// drillEntry writes an entry about a drill.
func (e *Engine) drillEntry(tx *store.Tx, d *Drill, by policy.Principal, event, text string) error {
	entry := ledger.Entry{
		At: e.cfg.Now().UTC(), Kind: ledger.KindDrill, Actor: by.ID, ActorKind: string(by.Kind), Run: d.Back, Unit: string(d.Unit.ID), Text: providers.Clean(text),
	}
	var err error
	entry.Body, err = json.Marshal(ledger.DrillBody{
		Drill: d.ID, Event: event, State: string(d.State), Service: d.Unit.Service, Environment: d.Unit.Environment, Slice: string(d.Slice),
		From: d.From.Digest, FromLabel: d.From.Label, To: d.To.Digest, ToLabel: d.To.Label, Back: d.Back, Forward: d.Forward, Until: d.Until, Detail: d.Detail,
	})
	if err != nil {
		return fmt.Errorf("journal %s: %w", d.ID, err)
	}
	_, err = tx.Append(entry, nil)
	return err
}

// drillWentBack notes with the first switch of a drill's way back that what it leaves is in force from now on.
func (x *execution) drillWentBack(tx *store.Tx, s *StepRun) error {
	if s.State != StepApplied || s.From == s.To {
		return nil
	}
	for i := range x.run.Measures {
		m := &x.run.Measures[i]
		if m.Provider != drillKeeper || m.State != MeasureSetting {
			continue
		}
		m.State, m.SetAt = MeasureInForce, s.EndedAt
		if err := x.e.saveMeasure(tx, *m, measureNote{event: "set", by: x.run.By.By, text: m.What + ", until " + m.Exit}); err != nil {
			return err
		}
	}
	return nil
}

// lookAtDrill looks whether a unit is where a drill took it. That it may go forward is for its drill to say.
func (e *Engine) lookAtDrill(ctx context.Context, m Measure) measureLook {
	o, err := e.observe(ctx, m.Unit)
	if err != nil {
		return measureLook{inForce: TellUnknown, exit: TellNo, detail: providers.Clean("it cannot be seen: " + err.Error())}
	}
	look := measureLook{inForce: tell(o.Current.Digest == m.Args[drillTo], nil), exit: TellNo, detail: providers.Clean("it serves " + name(o.Current))}
	if d, err := e.DrillOf(ctx, m.Args[drillArg]); err != nil || d.State != DrillBack && d.State != DrillLeft {
		look.strange = true // on its way forward: the drill itself says what becomes of it
	}
	return look
}
