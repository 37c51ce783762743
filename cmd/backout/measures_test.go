package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// liftDesk is the measure commands on a real record, with a target of which the reconciler is a fake, for its faults.
type liftDesk struct {
	*app
	g        *rollbacktest.Guarded
	out, err bytes.Buffer
}

func newLiftDesk(t *testing.T) *liftDesk {
	t.Helper()
	dir := t.TempDir()
	config := "environment: dev\nidentity: {name: ana, kind: human}\nrollback: {hold: 10ms, poll: 5ms, deadline: 5s}\nstate_dir: " + dir + "\n"
	if err := os.WriteFile(filepath.Join(dir, "backout.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &liftDesk{g: rollbacktest.NewGuarded(rollbacktest.NewTarget("mem:dev/pricing", time.Now, "r40", "r41", "r42"))}
	in, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	d.app = newApp(in, &d.out, &d.err, nil)
	d.boundary = os.Getpid()
	d.flags.output, d.flags.config, d.flags.timeout = "text", filepath.Join(dir, "backout.yaml"), time.Minute
	d.flags.store = filepath.Join(dir, "b.db")
	return d
}

// do runs one command on a session of its own, and gives its exit code and what it printed.
func (d *liftDesk) do(t *testing.T, command func(context.Context, *opened) error) (int, string) {
	t.Helper()
	d.out.Reset()
	err := d.record(t.Context(), func(ctx context.Context, s *opened) error {
		s.Reversers()["mem"] = d.g // the map that the engine has
		return command(ctx, s)
	})
	text := d.out.String()
	if err == nil {
		return codeOK, text
	}
	return exitCode(t.Context(), err), text + err.Error()
}

// rolledBack leaves one measure behind.
func (d *liftDesk) rolledBack(t *testing.T) {
	t.Helper()
	code, text := d.do(t, func(ctx context.Context, s *opened) error {
		p, err := s.Engine.Plan(ctx, rollback.Request{Unit: "mem:dev/pricing"})
		if err != nil {
			return err
		}
		ana := policy.Principal{ID: "ana", Kind: policy.Human}
		run, err := s.Engine.Confirm(ctx, p, rollback.Confirmation{PlanHash: p.Hash, By: ana, Typed: p.Decision.Name, Reason: "errors"})
		if err != nil {
			return err
		}
		if run, err = s.Engine.Execute(ctx, run.ID); err != nil {
			return err
		}
		return errors.Join(d.printPlan(p, "CHG-1", planFlags{}), d.printRun(run))
	})
	for _, want := range []string{
		"measure: the reconciler is suspended; to be lifted when its source holds the good revision, within 24h0m0s: let the reconciler run again",
		"lasting fix: revert the bad revision", "measure RUN-0001.1  in force", "stands: the reconciler is suspended",
	} {
		if code != codeOK || !strings.Contains(text, want) {
			t.Errorf("code %d, no %q in\n%s", code, want, text)
		}
	}
}

func TestMeasureCommands(t *testing.T) {
	d := newLiftDesk(t)
	d.rolledBack(t)
	list := func(ctx context.Context, s *opened) error { return d.listMeasures(ctx, s, false) }
	probe := func(ctx context.Context, s *opened) error { return d.probeMeasures(ctx, s, nil) }
	lift := func(f liftFlags) func(context.Context, *opened) error {
		return func(ctx context.Context, s *opened) error { return d.liftMeasures(ctx, s, []string{"RUN-0001.1"}, f) }
	}
	for _, step := range []struct {
		name    string
		prepare func()
		command func(context.Context, *opened) error
		code    int
		says    string
	}{
		{"list", nil, list, codeOK, `RUN-0001.1  in force  mem:dev/pricing  ana`},
		{"probe", nil, probe, codeOK, "in force: yes; exit condition holds: no (its source still holds the bad revision)"},
		{"nobody to ask", nil, lift(liftFlags{}), codeUsage, "--yes"},
		{"refused", nil, lift(liftFlags{yes: true}), codeRefused, "does not hold"},
		{"force without a reason", nil, lift(liftFlags{yes: true, force: true}), codeRefused, "--reason"},
		{"not seen", func() { d.g.Blind(errors.New("away")) }, probe, codeUnknown, "in force: unknown"},
		{"lifted by somebody else", func() { d.g.Blind(nil); d.g.Resume() }, probe, codeSuperseded, "lifted by somebody else"},
		{"taken note of", nil, lift(liftFlags{yes: true}), codeOK, "RUN-0001.1  lifted"},
		{"nothing is left", nil, list, codeOK, "no measure stands"},
		{"again", nil, lift(liftFlags{yes: true}), codeOK, "it is lifted already"},
	} {
		if step.prepare != nil {
			step.prepare()
		}
		if code, text := d.do(t, step.command); code != step.code || !strings.Contains(text, step.says) {
			t.Errorf("%s: code %d, want %d and %q:\n%s", step.name, code, step.code, step.says, text)
		}
	}
}

func TestMeasuresAreLifted(t *testing.T) {
	d := newLiftDesk(t)
	d.rolledBack(t)
	d.g.Allow(true)
	d.flags.output = "json"
	code, text := d.do(t, func(ctx context.Context, s *opened) error {
		return d.liftMeasures(ctx, s, []string{"RUN-0001.1"}, liftFlags{yes: true})
	})
	var doc struct {
		Schema string
		Items  []lifted
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil || code != codeOK || doc.Schema != "backout.measure-lift/v1" || len(doc.Items) != 1 ||
		doc.Items[0].Measure.State != rollback.MeasureLifted || doc.Items[0].Result.Outcome != rollback.Applied || d.g.Suspended() {
		t.Errorf("code %d, %v, %s", code, err, text)
	}
}

func TestALiftThatIsNotKnownSaysSo(t *testing.T) {
	d := newLiftDesk(t)
	d.rolledBack(t)
	d.g.Allow(true)
	d.g.MisbehaveLift(rollbacktest.FaultGarbage)
	lift := func(ctx context.Context, s *opened) error {
		return d.liftMeasures(ctx, s, []string{"RUN-0001.1"}, liftFlags{yes: true})
	}
	if code, text := d.do(t, lift); code != codeUnknown || !strings.Contains(text, "lift it again") {
		t.Errorf("code %d: %s", code, text)
	}
	d.g.MisbehaveLift(rollbacktest.FaultNone)
	if code, text := d.do(t, lift); code != codeOK || d.g.Suspended() {
		t.Errorf("code %d: %s", code, text)
	}
}
