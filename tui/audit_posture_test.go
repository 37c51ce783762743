package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"github.com/backout-dev/backout/rollback/posture"
	proofs "github.com/backout-dev/backout/rollback/proof"
)

// preparedness is the posture of a bakery that has taken back a little.
func preparedness() posture.Report {
	took := func(days int, d time.Duration, o proofs.Outcome) proofs.Record {
		end := at("14:00:00").AddDate(0, 0, -days)
		return proofs.Record{Outcome: o, Times: proofs.Times{Decided: end.Add(-d), Approved: end.Add(-d), Verified: end, Ended: end}}
	}
	return posture.Of(&posture.Facts{
		Now: at("14:20:31"), Since: at("14:20:31").AddDate(0, 0, -30), Read: at("14:20:31").AddDate(0, 0, -1), Silent: []string{"probes"},
		Units: []posture.Unit{
			{ID: "oven", Alone: "yes", Deployments: 3, Standing: proofs.Standing{Level: proofs.L4, Tier: 1}},
			{ID: "mixer", Alone: "no", Standing: proofs.Standing{Tier: 2}},
			{ID: "flags", Alone: "unknown", Standing: proofs.Standing{Tier: 3}},
		},
		Records: []proofs.Record{took(20, 4*time.Minute+10*time.Second, proofs.Pass), took(3, 40*time.Second, proofs.Pass), took(2, time.Minute, proofs.Fail)},
		Runs: []posture.Run{
			{ID: "RUN-1", At: at("14:00:00").AddDate(0, 0, -20), Over: true, Verified: true},
			{ID: "RUN-2", At: at("14:00:00").AddDate(0, 0, -3), Over: true, Verified: true, Tested: true, Changes: []string{"c05"}},
			{ID: "RUN-3", At: at("14:00:00").AddDate(0, 0, -2), Over: true},
		},
		Changes: []posture.Change{{ID: "c05", Assistance: "agent"}, {ID: "c06", Assistance: "none"}, {ID: "c07"}},
		Losses:  []posture.Loss{{Proof: "p1", Rule: "I1", At: at("10:00:00")}, {Proof: "p2", Rule: "age", At: at("11:00:00")}},
	})
}

func TestPostureScreens(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 36}} {
		for _, color := range []string{"color", "nocolor"} {
			t.Run(fmt.Sprintf("%dx%d-%s", size[0], size[1], color), func(t *testing.T) {
				k := newRecord(t, baking()...)
				w := audited(t, k, func(o *Options) {
					o.NoColor, o.ASCII = color == "nocolor", color == "nocolor"
					o.Posture = func(context.Context) (posture.Report, error) { return preparedness(), nil }
				})
				w.size(size[0], size[1])
				golden.RequireEqual(t, w.screen())
			})
		}
	}
}

func TestPostureThatIsNotKnown(t *testing.T) {
	asked := 0
	k := newRecord(t, baking()...)
	w := audited(t, k, func(o *Options) {
		o.Posture = func(context.Context) (posture.Report, error) {
			asked++
			return posture.Report{}, errors.New("boom\x1b[2J")
		}
	})
	for _, size := range [][2]int{{minWidth, minHeight}, {80, 24}, {120, 36}} {
		w.size(size[0], size[1])
		check(t, w.screen(), size[0], size[1])
		if !strings.Contains(w.screen(), "the posture is not known: boom") || !strings.Contains(ansiFree(w.screen()), ">2026-10-09 14:20") && !strings.Contains(ansiFree(w.screen()), ">10-09 14:20") {
			t.Errorf("at %v:\n%s", size, w.screen())
		}
	}
	w.press("1", "7")
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	if w.press("c"); asked != 2 {
		t.Errorf("asked %d times after looking again", asked)
	}
}
