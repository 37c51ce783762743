package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/gameday"
)

// resumeGame goes on with a game day from the record.
func (a *app) resumeGame(ctx context.Context, s *opened, id string, undo bool, f gamedayFlags) error {
	if err := s.Engine.Writable(); err != nil {
		return err
	}
	_, g, err := a.game(ctx, s, id)
	if err != nil {
		return err
	}
	if !g.Open() {
		return refusal("%s is over: %s", id, g.Outcome)
	}
	c := &conductor{a: a, s: s, scenario: &g.Scenario, id: id}
	for i := range g.Steps {
		c.targets = append(c.targets, g.Steps[i].Target)
	}
	if err := c.checks("."); err != nil {
		return refusal("%v", err)
	}
	if c.lease, err = s.Conduct(ctx, id); err != nil {
		return err
	}
	if err := s.TellGame(ctx, gameday.Event{Game: id, What: gameday.Resumed}); err != nil {
		return err
	}
	c.say("goes on")
	if undo && g.StoppedAt.IsZero() {
		err = s.TellGame(ctx, gameday.Event{Game: id, What: gameday.Stopping, Outcome: gameday.OutcomeCalled, Detail: a.principal(s.settings).ID + " called it off"})
		if err != nil {
			return err
		}
		if err := c.undo(ctx); err != nil {
			return &coded{code: codeUnknown, err: fmt.Errorf("%s: %w", id, err)}
		}
	}
	var failed error
	if !g.Made() {
		failed = fmt.Errorf("its conductor was interrupted while it made the fault")
	}
	return c.conduct(ctx, f, failed)
}

// gameRuns are the facts of the runs that were confirmed while the fault of a game day could stand.
func gameRuns(g *gameday.Game, runs []rollback.Run) []gameday.RunFact {
	var out []gameday.RunFact
	from := g.InjectedAt()
	for i := len(runs) - 1; i >= 0 && !from.IsZero(); i-- { // they come newest first
		r := &runs[i]
		if r.StartedAt.Before(from) || !g.EndedAt.IsZero() && r.StartedAt.After(g.EndedAt) {
			continue
		}
		f := gameday.RunFact{
			ID: r.ID, By: r.By.By.ID, State: string(r.State), PlannedAt: r.Plan.CreatedAt, ApprovedAt: r.StartedAt, ConvergedAt: r.ConvergedAt, EndedAt: r.EndedAt,
		}
		if r.State == rollback.RunSucceeded {
			f.VerifiedAt = r.EndedAt
		}
		for j := range r.Steps {
			if s := &r.Steps[j]; s.State == rollback.StepApplied && (f.EffectAt.IsZero() || s.EndedAt.Before(f.EffectAt)) {
				f.EffectAt = s.EndedAt
			}
		}
		for j := range r.Plan.Units {
			u := &r.Plan.Units[j]
			f.Units = append(f.Units, string(u.Unit.ID))
			if !strings.HasPrefix(u.Tested, "tested") {
				f.Untested = append(f.Untested, string(u.Unit.ID))
			}
		}
		for j := range r.Measures {
			if m := &r.Measures[j]; !m.State.Closed() {
				f.Left = append(f.Left, m.ID)
			}
		}
		out = append(out, f)
	}
	return out
}

// gameReport makes the report of one game day.
func (a *app) gameReport(ctx context.Context, s *opened, id string) (gameday.Report, error) {
	book, g, err := a.game(ctx, s, id)
	if err != nil {
		return gameday.Report{}, err
	}
	runs, err := s.Engine.Runs(ctx)
	if err != nil {
		return gameday.Report{}, err
	}
	return gameday.MakeReport(&book, g, gameRuns(g, runs), a.now()), nil
}

func (a *app) reportGame(ctx context.Context, s *opened, id, dir string) error {
	r, err := a.gameReport(ctx, s, id)
	if err != nil {
		return err
	}
	if dir != "" {
		return a.writeReport(&r, dir)
	}
	if a.jsonOut() {
		return a.printJSON(gameday.ReportSchema, r)
	}
	return r.Markdown(a.out)
}

// writeReport writes the three files of a report, each whole or not at all.
func (a *app) writeReport(r *gameday.Report, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	var md, page bytes.Buffer
	if err := r.Markdown(&md); err != nil {
		return err
	}
	if err := r.HTML(&page); err != nil {
		return err
	}
	data, err := withSchema(gameday.ReportSchema, r)
	if err == nil {
		data, err = json.MarshalIndent(json.RawMessage(data), "", "  ")
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	for _, f := range []struct {
		ext  string
		data []byte
	}{{"md", md.Bytes()}, {"json", append(data, '\n')}, {"html", page.Bytes()}} {
		path := filepath.Join(dir, r.Game.ID+"."+f.ext)
		next, err := os.CreateTemp(dir, ".report-*")
		if err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
		_, err = next.Write(f.data)
		if err = firstOf(err, next.Chmod(0o644), next.Close()); err == nil {
			err = os.Rename(next.Name(), path)
		}
		if err != nil {
			_ = os.Remove(next.Name())
			return fmt.Errorf("write the report: %w", err)
		}
		a.warn("written: %s", path)
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// result prints how a game day ended, writes its report, and gives the exit code.
func (c *conductor) result(ctx context.Context, f gamedayFlags) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r, err := c.a.gameReport(ctx, c.s, c.id)
	if err != nil {
		return err
	}
	if f.report != "" {
		if err := c.a.writeReport(&r, f.report); err != nil {
			return err
		}
	}
	if c.a.jsonOut() {
		err = c.a.printJSON(gameday.ReportSchema, r)
	} else {
		err = r.Markdown(c.a.out)
	}
	if err != nil {
		return err
	}
	if r.Game.Outcome != gameday.OutcomeCured {
		return ended(codeFailed)
	}
	return nil
}
