package rollback_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

var helper = policy.Principal{ID: "helper", Kind: policy.Agent, OnBehalfOf: "ana"}

func (b *bench) proposed(t *testing.T) (rollback.Plan, rollback.Ask) {
	t.Helper()
	p := b.plan(t, rollback.Request{})
	a, err := b.Propose(t.Context(), p, rollback.Ask{By: helper, Name: "fake:prod/pricing", Reason: "errors\x1b[2J", Evidence: "environment: X is set"})
	if err != nil {
		t.Fatal(err)
	}
	return p, a
}

func TestProposalIsTakenUpByAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		p, a := b.proposed(t)
		c := yes(p)
		c.Proposal = a.ID
		run, err := b.Confirm(t.Context(), p, c)
		if err != nil {
			t.Fatal(err)
		}
		a, err = b.ProposalOf(t.Context(), a.ID)
		if err != nil || a.State != rollback.AskTaken || a.Run != run.ID || a.ClosedBy != ana.ID {
			t.Errorf("%+v, %v", a, err)
		}
		if run, err = b.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
			t.Fatalf("%s, %v", run.State, err)
		}
		if _, err := b.Reject(t.Context(), a.ID, ana, "late"); !errors.Is(err, rollback.ErrRefused) {
			t.Errorf("what was taken up was rejected: %v", err)
		}
		if n := len(b.entries(t, ledger.KindProposal)); n != 1 {
			t.Errorf("%d entries", n)
		}
		b.sound(t)
	})
}

// No agent and no automation takes a proposal up, and nobody one that is not there.
func TestProposalWaitsForAPerson(t *testing.T) {
	b := newBench(t)
	b.pricing()
	p, a := b.proposed(t)
	if a.State != rollback.AskOpen || a.By != helper || a.PlanHash != p.Hash || a.Evidence == "" || strings.Contains(a.Reason, "\x1b") || len(a.Units) != 1 {
		t.Errorf("%+v", a)
	}
	if n := len(b.target.effects()); n != 0 {
		t.Errorf("a proposal had %d effects", n)
	}
	c := yes(p)
	c.Proposal = a.ID
	for _, by := range []policy.Principal{helper, {ID: "cron", Kind: policy.Automation}} {
		other := c
		other.By = by
		if _, err := b.Confirm(t.Context(), p, other); !errors.Is(err, rollback.ErrRefused) {
			t.Errorf("%s took it up: %v", by.ID, err)
		}
	}
	missing := c
	missing.Proposal = "PROP-99"
	if _, err := b.Confirm(t.Context(), p, missing); !errors.Is(err, rollback.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
	if a, err := b.ProposalOf(t.Context(), a.ID); err != nil || a.State != rollback.AskOpen {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestProposalIsRejected(t *testing.T) {
	b := newBench(t)
	b.pricing()
	p, a := b.proposed(t)
	if _, err := b.Reject(t.Context(), a.ID, helper, "mine"); !errors.Is(err, rollback.ErrRefused) {
		t.Errorf("by an agent: %v", err)
	}
	if _, err := b.Reject(t.Context(), a.ID, ana, " "); err == nil {
		t.Error("without a reason")
	}
	a, err := b.Reject(t.Context(), a.ID, ana, "the flag did it")
	if err != nil || a.State != rollback.AskRejected || a.Why != "the flag did it" || a.ClosedBy != ana.ID || a.Run != "" {
		t.Errorf("%+v, %v", a, err)
	}
	c := yes(p)
	c.Proposal = a.ID
	if _, err := b.Confirm(t.Context(), p, c); !errors.Is(err, rollback.ErrRefused) || !strings.Contains(err.Error(), "rejected by ana") {
		t.Errorf("what was rejected was taken up: %v", err)
	}
	b.sound(t)
}

func TestWhatCannotBeProposed(t *testing.T) {
	b := newBench(t)
	b.pricing()
	p := b.plan(t, rollback.Request{})
	ask := rollback.Ask{By: helper, Name: "fake:prod/pricing"}
	altered, refused := p, p
	altered.Hash = strings.Repeat("0", 64)
	refused.Verdict = rollback.Irreversible
	refused.Hash, _ = rollback.HashPlan(refused)
	for name, err := range map[string]error{
		"another hash": func() error { _, err := b.Propose(t.Context(), altered, ask); return err }(),
		"refused":      func() error { _, err := b.Propose(t.Context(), refused, ask); return err }(),
		"by nobody":    func() error { _, err := b.Propose(t.Context(), p, rollback.Ask{Name: "x"}); return err }(),
	} {
		if err == nil {
			t.Errorf("%s was proposed", name)
		}
	}
	if all, err := b.Proposals(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if n := len(b.entries(t, ledger.KindRefusal)); n != 1 {
		t.Errorf("%d refusals on the record", n)
	}
}

// An agent stops and pauses nothing that a person began.
func TestAgentLeavesRunsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		if err := b.Abort(t.Context(), run.ID, helper, "no"); !errors.Is(err, rollback.ErrRefused) {
			t.Errorf("stopped: %v", err)
		}
		for _, on := range []bool{true, false} {
			if err := b.Pause(t.Context(), run.ID, helper, on); !errors.Is(err, rollback.ErrRefused) {
				t.Errorf("paused: %v", err)
			}
		}
		if run, err := b.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
			t.Errorf("%s, %v", run.State, err)
		}
	})
}
