package rollback

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// intend journals that the step is about to be tried, unless somebody asked the run to stop or to wait.
func (x *execution) intend(ctx context.Context, s *StepRun, o Observation) error {
	return x.write(ctx, "intent", func(tx *store.Tx) error {
		row, err := tx.Run(x.run.ID)
		if err != nil {
			return err
		}
		if x.run.AbortBy = row.AbortBy; row.AbortBy != "" {
			return errStopAsked
		}
		if row.PauseBy != "" {
			return errPauseAsked
		}
		s.State, s.Attempt, s.At, s.Result = StepIntent, s.Attempt+1, x.e.cfg.Now().UTC(), nil
		if err := x.setMeasure(tx, s); err != nil {
			return err
		}
		s.Token = o.Token // the content is the plan's; the condition is on what was seen just now
		x.run.State, x.run.Detail = RunRunning, s.Title
		return x.note(tx, ledger.KindIntent, s, o.Token, "about to: "+s.Title)
	})
}

// result journals what came of a step. The first effect on what a unit serves is the time from which the rollback counts.
func (x *execution) result(ctx context.Context, s *StepRun, state StepState, res Result) error {
	return x.write(ctx, "result", func(tx *store.Tx) error {
		now := x.e.cfg.Now().UTC()
		s.State, s.Result, s.EndedAt = state, &res, now
		if s.At.IsZero() {
			s.At = now
		}
		if err := x.measureAnswered(tx, s, res); err != nil {
			return err
		}
		if state == StepApplied && s.From != s.To && x.run.AppliedAt.IsZero() {
			x.run.AppliedAt = now
			if res.Outcome == AlreadyApplied {
				x.run.AppliedAt = s.At // it took effect at some time after the intent
			}
		}
		return x.note(tx, ledger.KindResult, s, res.Token, strings.TrimSuffix(fmt.Sprintf("%s: %s: %s", s.Title, state, res.Detail), ": "))
	})
}

// note writes the step, the run's row, the ledger entry and a line of the log.
func (x *execution) note(tx *store.Tx, kind ledger.Kind, s *StepRun, token, text string) error {
	doc, err := json.Marshal(s.Step)
	if err != nil {
		return err
	}
	row := store.Step{N: s.N, Unit: string(s.Unit), State: string(s.State), Attempt: s.Attempt, Doc: doc, At: s.At, EndedAt: s.EndedAt}
	body := ledger.StepBody{
		Step: s.N, Action: s.Action, Title: s.Title, From: s.From, To: s.To, Token: token, Attempt: s.Attempt, Op: x.op,
		Fence: fmt.Sprint(x.operation(s.Unit).Fence), State: string(s.State),
	}
	if s.Result != nil {
		body.Outcome, body.Detail = string(s.Result.Outcome), s.Result.Detail
		if row.Result, err = json.Marshal(s.Result); err != nil {
			return err
		}
	}
	if err := tx.SaveStep(x.run.ID, row); err != nil {
		return err
	}
	if err := x.save(tx); err != nil {
		return err
	}
	entry := x.e.entry(kind, x.run.ID, x.run.Plan, x.run.By, x.run.ID+" step "+fmt.Sprint(s.N)+": "+text)
	entry.Unit = string(s.Unit)
	if entry.Body, err = json.Marshal(body); err != nil {
		return err
	}
	if _, err := tx.Append(entry, nil); err != nil {
		return err
	}
	return tx.Log(x.run.ID, text)
}
