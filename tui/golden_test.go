package tui

import (
	"fmt"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

// shots are the ways to every screen.
func shots() map[string]func(w *world) {
	typed := func(keys ...string) func(w *world) {
		return func(w *world) { w.press(keys...) }
	}
	return map[string]func(w *world){
		"timeline": typed(),
		"filter":   typed("/", "o", "v"),
		"palette":  typed(":", "s"),
		"culprit":  typed("enter"),
		"none": func(w *world) {
			w.f.st.Ranking.None = .7
			for i := range w.f.st.Ranking.Ranking {
				w.f.st.Ranking.Ranking[i].P = .075
			}
			w.f.st.Version++
			w.send(stateMsg{w.f.st})
		},
		"plan": typed("r"),
		"plan-declared": func(w *world) {
			w.f.plan = declared(w.f.plan)
			w.press("r")
		},
		"coupled": func(w *world) {
			w.f.plan = together()
			w.press("r")
		},
		"coupled-confirm": func(w *world) {
			w.f.plan = together()
			w.press("r", "R")
		},
		"diff": typed("r", "d"),
		"waiting": func(w *world) {
			wantsApproval(w)
			toConfirm(w)
			w.press("enter")
		},
		"approve": func(w *world) {
			wantsApproval(w)
			w.waits(false)
			w.press("8")
		},
		"approve-confirm": func(w *world) {
			wantsApproval(w)
			w.waits(false)
			w.press("8", "A")
		},
		"refused": func(w *world) {
			w.f.plan.Verdict, w.f.plan.Units[0].Verdict = rollback.Blocked, rollback.Blocked
			w.f.plan.Decision.Allowed, w.f.plan.Decision.Reasons = false, []string{"the plan is blocked"}
			w.press("r", "R")
		},
		"ruled": func(w *world) {
			d := &w.f.plan.Decision
			read := []policy.Read{{Path: "env", Value: "prod"}, {Path: "plan.level", Value: "1"}}
			d.Rules = []policy.Ruling{
				{Rule: "prod-two-person", Effect: policy.EffectNeed, Mode: policy.ModeDeny, Text: "needs 2 approvals of group sre, or 1 approval of role incident-commander", Facts: read},
				{Rule: "black-friday", Effect: policy.EffectNote, Mode: policy.ModeWarn, Text: "a freeze stands until 2026-11-30T11:00:00Z: sales (ana)"},
				{Rule: "quietly", Effect: policy.EffectRefuse, Mode: policy.ModeAudit, Text: "only watched"},
			}
			d.Reasons = []string{d.Rules[0].String(), d.Rules[1].String() + " (only warns)"}
			d.Needs = []policy.Need{{Rule: "prod-two-person", Any: []policy.Threshold{{Approve: 2, From: policy.Who{Group: "sre"}}, {Approve: 1, From: policy.Who{Role: "incident-commander"}}}}}
			w.press("r")
		},
		"confirm": func(w *world) {
			w.press("r", "R")
			w.wait(defaultGrace)
			w.press("o", "v", "e")
		},
		"confirm-destroys": func(w *world) {
			w.f.plan.Units[0].Destroys = []string{"pvc/data-0, which r41 does not have: the data on its volume may go with it", "pod oven-2, which is stuck"}
			w.press("r", "R")
			w.wait(defaultGrace)
			w.press("o", "v", "e", "n", "enter", "p", "v", "c")
		},
		"run": func(w *world) {
			w.press("r", "R")
			w.wait(defaultGrace)
			w.press("o", "v", "e", "n", "enter")
		},
		"paused": func(w *world) {
			w.f.run = pausedRun()
			w.press("r", "R")
			w.wait(defaultGrace)
			w.press("o", "v", "e", "n", "enter")
		},
		"ended": func(w *world) {
			w.f.run = run(rollback.RunSucceeded)
			w.press("r", "R")
			w.wait(defaultGrace)
			w.press("o", "v", "e", "n", "enter")
		},
		"help":    typed("r", "?"),
		"sources": typed("5"),
		"runs": func(w *world) {
			w.f.st.Runs = []rollback.Run{run(rollback.RunVerifying)}
			w.send(stateMsg{w.f.st})
			w.press("4")
		},
		"empty": func(w *world) {
			w.m.opts.Hints = []string{"no alert source: add one with `backout providers add`"}
			w.send(stateMsg{State{}})
		},
	}
}

// declared is a plan with checks that people declared, one of which cannot be looked at.
func declared(p rollback.Plan) rollback.Plan {
	most := 0.01
	p.Hold = 2 * time.Minute
	p.Units[0].Declared = []rollback.DeclaredCheck{
		{Name: "error ratio", Goal: "at most 0.01 for 3m0s", Source: "backout.yaml:4", PromQL: &rollback.PromQLCheck{Provider: "prom", Query: `sum(rate(errors_total{service="oven"}[1m]))`, Max: &most, Window: 3 * time.Minute}},
		{Name: "smoke", Goal: "exit code 0", Source: "backout.yaml:9", Command: &rollback.CommandCheck{Argv: []string{"./smoke.sh", "--fast"}}},
		{Name: "backout.dev/verify-http", Source: "annotation backout.dev/verify-http", Guest: true, Bad: "http[0].url: is not an address: write https://HOST[:PORT]/PATH"},
	}
	return p
}

func TestScreens(t *testing.T) {
	for name, way := range shots() {
		for _, size := range [][2]int{{80, 24}, {120, 36}} {
			for _, color := range []string{"color", "nocolor"} {
				t.Run(fmt.Sprintf("%s-%dx%d-%s", name, size[0], size[1], color), func(t *testing.T) {
					w := newWorld(t, func(o *Options, _ *fake) {
						o.NoColor = color == "nocolor"
						o.ASCII = o.NoColor // the plainest look, in the same pictures
					})
					w.size(size[0], size[1])
					way(w)
					golden.RequireEqual(t, w.screen())
				})
			}
		}
	}
}

func TestReadOnlyScreen(t *testing.T) {
	w := newWorld(t, func(o *Options, _ *fake) { o.ReadOnly = "read-only mode" })
	w.size(80, 24)
	w.press("r", "R")
	golden.RequireEqual(t, w.screen())
}

func TestTooSmall(t *testing.T) {
	w := newWorld(t, nil)
	w.size(59, 24)
	if got := w.screen(); got != "terminal too small, 60x15 needed" {
		t.Errorf("at 59x24: %q", got)
	}
	w.size(60, 15)
	if got := w.screen(); len(got) < 500 {
		t.Errorf("at 60x15 the console should be there: %q", got)
	}
}
