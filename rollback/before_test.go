package rollback_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
)

// forgetful is a source that drops an alert when it is over, and in a new process cannot tell that from never having had it.
type forgetful struct {
	mu     sync.Mutex
	firing bool
	seen   bool
	asked  []string // what had been applied when it was asked
	target *fake
	hang   bool
}

func (f *forgetful) States(_ context.Context, refs []rollback.AlertRef) ([]rollback.Symptom, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, strings.Join(f.target.effects(), " "))
	if f.hang && len(f.asked) == 1 {
		f.mu.Unlock()
		time.Sleep(time.Minute) // it does not even listen to its context
		f.mu.Lock()
	}
	s := rollback.Symptom{AlertRef: refs[0], State: providers.AlertUnknown, SeenAt: time.Now(), Detail: "gone, and nobody saw it"}
	switch {
	case f.firing:
		s.State, s.Detail, f.seen = providers.AlertFiring, "", true
	case f.seen:
		s.State = providers.AlertResolved
	}
	return []rollback.Symptom{s}, nil
}

// forgetfulBench is a bench whose alert ends with the effect.
func forgetfulBench(t *testing.T) (*bench, *forgetful) {
	t.Helper()
	f := &forgetful{firing: true}
	b := newBench(t, func(c *rollback.Config) { c.Symptoms = f })
	f.target = b.target
	b.pricing()
	b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
		res, err := b.target.swap(u, op, s)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.firing = false
		return res, err
	}
	return b, f
}

var forgotten = rollback.Request{Alerts: []rollback.AlertRef{{Provider: "alerts", ID: "a1", Name: "PricingErrors"}}}

func TestTheRunAsksHowItsAlertsStandBeforeItTouchesAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, f := forgetfulBench(t)
		run, err := b.Execute(t.Context(), b.confirmed(t, forgotten).ID)
		if err != nil || run.State != rollback.RunSucceeded {
			t.Fatalf("%s: %s, %v: only a source that was asked before could say that it is over", run.State, run.Detail, err)
		}
		if len(f.asked) < 2 || f.asked[0] != "" || f.asked[1] == "" {
			t.Errorf("asked after %q, want once before the effect and then after it", f.asked)
		}
		if len(run.Before) != 1 || run.Before[0].State != providers.AlertFiring || run.Before[0].ID != "a1" {
			t.Errorf("before: %+v, want firing", run.Before)
		}
		var body struct{ Before, Symptoms []rollback.Symptom }
		if err := json.Unmarshal(b.entries(t, ledger.KindVerification)[0].Body, &body); err != nil {
			t.Fatal(err)
		}
		if len(body.Before) != 1 || body.Before[0].State != providers.AlertFiring || body.Symptoms[0].State != providers.AlertResolved {
			t.Errorf("the record has %+v", body)
		}
		b.sound(t)
	})
}

func TestASourceThatDoesNotAnswerHoldsNoRollbackUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, f := forgetfulBench(t)
		f.hang = true
		confirmed, started := b.confirmed(t, forgotten), time.Now()
		run, err := b.Execute(t.Context(), confirmed.ID)
		if err != nil || run.AppliedAt.Sub(started) != 5*time.Second {
			t.Fatalf("applied after %s, %v: want five seconds at the most", run.AppliedAt.Sub(started), err)
		}
		if len(run.Before) != 1 || run.Before[0].State != providers.AlertUnknown || run.Before[0].Detail != "no answer in 5s" {
			t.Errorf("before: %+v, want unknown, and why", run.Before)
		}
	})
}

func TestARunThatIsGoneOnWithKeepsWhatWasAskedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, f := forgetfulBench(t)
		id := b.confirmed(t, forgotten).ID
		ctx, cancel := context.WithCancel(t.Context())
		swap := b.target.onApply
		b.target.onApply = func(ctx context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
			defer cancel() // the process ends with its effect
			return swap(ctx, u, op, s)
		}
		if run, err := b.Execute(ctx, id); err == nil || run.State.Final() {
			t.Fatalf("%s, %v: want a run that was interrupted", run.State, err)
		}
		before := len(f.asked)
		run, err := b.another(t).Execute(t.Context(), id)
		if err != nil || len(run.Before) != 1 || run.Before[0].State != providers.AlertFiring {
			t.Fatalf("before: %+v, %v: want what the first process heard", run.Before, err)
		}
		if slices.Contains(f.asked[before:], "") {
			t.Error("asked again as if nothing had been touched")
		}
	})
}
