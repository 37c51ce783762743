package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/backout-dev/backout/rollback"
	proofs "github.com/backout-dev/backout/rollback/proof"
)

// Whether a way back is tested, or by what it is no longer, is said where it is offered and where it is confirmed.
func TestThePlanSaysWhetherItIsTested(t *testing.T) {
	record := &proofs.Record{ID: "RUN-0007 u", Run: "RUN-0007", Outcome: proofs.Pass, People: proofs.People{Executor: "ana\x1b[2J"}}
	record.Times.Verified = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		standing proofs.Standing
		column   string
	}{
		"tested":       {proofs.Standing{Level: proofs.L4, Earned: proofs.L4, Proof: record}, " L4 "},
		"not any more": {proofs.Standing{Level: proofs.L1, Earned: proofs.L4, Proof: record, Reasons: []proofs.Reason{{Rule: "I1", Cap: proofs.L1, Text: "the settings were changed"}}}, " untested "},
		"probed": {proofs.Standing{Level: proofs.L1, Probe: &proofs.Probe{
			At: record.At().Add(71 * time.Hour), Answer: proofs.Yes(),
		}}, " untested "},
		"probed, and a right is missing": {proofs.Standing{Level: proofs.L0, Probe: &proofs.Probe{
			At: record.At().Add(71 * time.Hour), Since: record.At().Add(70 * time.Hour), Answer: proofs.No("no right"), Rule: "I2",
		}}, " untested "},
		"never executed": {proofs.Standing{Level: proofs.L1}, " untested "},
	} {
		words := c.standing.Words(record.At().Add(72 * time.Hour))
		wd := newWorld(t, func(_ *Options, f *fake) { f.plan.Units[0].Proof, f.plan.Units[0].Tested = &c.standing, words })
		wd.press("r")
		s := wd.m.top().(*planScreen)
		text := strings.Join(strings.Fields(ansi.Strip(strings.Join(s.lines(120), "\n"))), " ")
		if want := plain(words); !strings.Contains(text, want) || !strings.Contains(text, c.column) || strings.Contains(text, "\x1b[2J") {
			t.Errorf("%s: no %q or %q in\n%s", name, want, c.column, text)
		}
		if never := strings.Contains(text, "never proved"); never != (c.standing.Proof == nil) {
			t.Errorf("%s: it says that it was never proved: %v\n%s", name, never, text)
		}
		wd.press("R")
		if got := wd.screen(); !strings.Contains(got, plain(strings.SplitN(words, ":", 2)[0])) {
			t.Errorf("%s: the confirmation does not say it:\n%s", name, got)
		}
	}
	if got := proofLevel(&rollback.UnitPlan{}); got != "untested" {
		t.Errorf("a plan that says nothing of it is %q", got)
	}
}

// Where some of a set are tested and some are not, the confirmation does not let one speak for the others.
func TestTheConfirmationSaysItOfEachUnit(t *testing.T) {
	wd := newWorld(t, func(_ *Options, f *fake) {
		second := f.plan.Units[0]
		second.Unit.ID, second.Tested = "releases:bakery/till", "untested: the last proof is 45 days old (30 days allowed)"
		f.plan.Units[0].Tested = "tested L4 3d ago by ana, 41s"
		f.plan.Units = append(f.plan.Units, second)
	})
	wd.press("r", "R")
	first := unitName(wd.m.top().(*planScreen).plan.Units[0].Unit.ID)
	got := ansi.Strip(wd.screen())
	for _, want := range []string{"proof    " + first + ": tested L4 3d ago by ana", "proof    till: untested: the last proof is 45 days"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
