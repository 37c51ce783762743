package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/policy"
)

// voices stands in for a session that signs and records: what it is asked to say.
type voices struct {
	said []string
	seen error
}

func (v *voices) Seen(context.Context, rollback.Plan) error { return v.seen }

func (v *voices) Approve(_ context.Context, p rollback.Pending, decision, reason string) error {
	v.said = append(v.said, strings.TrimSpace(decision+" "+p.ID+" "+reason))
	return nil
}

// wantsApproval makes the world's plan wait for one of group sre.
func wantsApproval(w *world) {
	need := policy.Need{Rule: "approvals.require", Any: []policy.Threshold{{Approve: 1, From: policy.Who{Group: "sre"}}}, Not: []string{"requester"}}
	w.f.plan.Decision.Needs = []policy.Need{need}
	w.f.refusal = &rollback.Waiting{
		Request: "REQ1", Plan: w.f.plan.Hash, Asks: []string{approval.Asks(need)},
		Answers: []approval.Answer{{Rule: need.Rule, Missing: "1 more of group sre"}},
	}
}

// waits has the source show the plan as one that waits, or that was approved.
func (w *world) waits(met bool) {
	p := rollback.Pending{
		ID: "REQ1", State: "waiting", Plan: w.f.plan, By: policy.Principal{ID: "eve@bakery", Kind: policy.Human}, AskedAt: at("14:20:11"),
		Needs: w.f.plan.Decision.Needs, Answers: []approval.Answer{{Rule: "approvals.require", Met: met, Missing: "1 more of group sre"}},
	}
	if met {
		p.Answers[0] = approval.Answer{Rule: "approvals.require", Met: true, By: []string{"bob@bakery"}}
		p.Said = []rollback.Said{{By: "bob@bakery", Decision: approval.Yes, State: "given"}}
	}
	w.f.st.Waiting = []rollback.Pending{p}
	w.f.st.Version++
	w.send(stateMsg{w.f.st})
}

// What was confirmed once goes on by itself when the last yes is there, and is tried once for each word.
func TestAPlanThatWaitsGoesOnByItself(t *testing.T) {
	w := newWorld(t, nil)
	wantsApproval(w)
	toConfirm(w)
	w.press("enter")
	if got := w.screen(); len(w.f.started) > 0 || !strings.Contains(got, "1 more of group sre") || !strings.Contains(got, "backout approve 9c1e44d0aa17") {
		t.Fatalf("started %v:\n%s", w.f.started, got)
	}
	w.waits(false)
	if len(w.f.yes) != 1 {
		t.Fatalf("confirmed %d times without a yes", len(w.f.yes))
	}
	w.waits(true)
	w.waits(true)
	if len(w.f.yes) != 2 || len(w.f.started) > 0 {
		t.Fatalf("confirmed %d times, where the engine says that it still waits; started %v", len(w.f.yes), w.f.started)
	}
	w.press("c") // planned again, it has to be confirmed again
	w.waits(true)
	if len(w.f.yes) != 2 {
		t.Fatalf("confirmed %d times after it was planned again", len(w.f.yes))
	}

	again := newWorld(t, nil)
	wantsApproval(again)
	toConfirm(again)
	again.press("enter")
	again.f.refusal = nil
	again.waits(true)
	if len(again.f.started) != 1 || again.f.yes[0].Typed != "oven" || again.f.yes[1].Typed != "oven" {
		t.Errorf("started %v, confirmed with %+v", again.f.started, again.f.yes)
	}
}

// On the other console it takes a key, a question, and a target that is still what the plan saw.
func TestApprovingOnAnotherConsole(t *testing.T) {
	v := &voices{}
	w := newWorld(t, func(o *Options, _ *fake) { o.Approvals = v })
	if w.press("8"); !strings.Contains(w.screen(), "no plan waits for approval") {
		t.Errorf("nothing waits:\n%s", w.screen())
	}
	wantsApproval(w)
	w.waits(false)
	if got := w.screen(); !strings.Contains(got, "APPROVAL  oven r41") || !strings.Contains(got, "asked by eve@bakery: 8 shows it") {
		t.Fatalf("it is not announced:\n%s", got)
	}
	w.press("8", "A")
	w.wait(defaultGrace)
	w.press("enter")
	if len(v.said) > 0 {
		t.Fatal("enter signed")
	}
	w.press("y")
	if fmt.Sprint(v.said) != "[yes REQ1]" {
		t.Fatalf("said %v\n%s", v.said, w.screen())
	}
	w.press("D", "n", "o", "enter")
	if fmt.Sprint(v.said) != "[yes REQ1 no REQ1 no]" {
		t.Errorf("said %v", v.said)
	}

	v = &voices{seen: fmt.Errorf("%w: oven served r41 and now serves r42", rollback.ErrPlanChanged)}
	w = newWorld(t, func(o *Options, _ *fake) { o.Approvals = v })
	wantsApproval(w)
	w.waits(false)
	w.press("8", "A")
	w.wait(defaultGrace)
	w.press("y")
	if got := w.screen(); len(v.said) > 0 || !strings.Contains(got, "now serves r42") {
		t.Errorf("said %v of what has changed:\n%s", v.said, got)
	}
}
