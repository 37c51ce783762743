package rollback_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
)

// ill is a check of r41 that fails until it is asked long enough.
func ill(u *fakeUnit) ([]rollback.Check, error) {
	state := rollback.CheckPass
	if u.current.Label == "r41" {
		state = rollback.CheckFail
	}
	return []rollback.Check{{Name: "answers", State: state, Observed: "503"}}, nil
}

func TestWhatStopsADrillSendsItForward(t *testing.T) {
	for name, c := range map[string]struct {
		set   func(*bench, *keeper)
		words string
		least time.Duration // before which it may not stop
		most  time.Duration
	}{
		"an alert of a dependant": {func(b *bench, k *keeper) {
			b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) {
				k.fire("5xx", "storefront")
				return []rollback.Check{{Name: "answers", State: rollback.CheckFail}}, nil
			}
		}, "5xx on storefront", 0, 10 * time.Second},
		"a check that goes on failing": {func(b *bench, _ *keeper) { b.target.onVerify = ill }, "check answers fails (503)", 20 * time.Second, 30 * time.Second},
		"alerts that cannot be told": {func(b *bench, k *keeper) {
			b.target.onVerify = func(u *fakeUnit) ([]rollback.Check, error) {
				k.mu.Lock()
				defer k.mu.Unlock()
				k.err = errAway
				return []rollback.Check{{Name: "answers", State: rollback.CheckUnknown}}, nil
			}
		}, "has not been known", 20 * time.Second, 30 * time.Second},
		"its time": {func(b *bench, _ *keeper) {
			b.target.onStatus = func(u *fakeUnit) (rollback.Convergence, error) {
				return rollback.Convergence{Done: u.current.Label == "r42", Detail: "2 of 3"}, nil
			}
		}, "", 40 * time.Second, 50 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, k := drillBench(t)
				u := b.pricing()
				d := b.drilled(t, &rollback.DrillAsk{Max: 40 * time.Second})
				c.set(b, k)
				began := time.Now()
				forward := b.another(t, func(cfg *rollback.Config) {
					cfg.Fail = func(point string) error { // the fault ends when it goes forward
						if point == "drill.state.before" && u.current.Label == "r41" {
							b.target.onVerify, b.target.onStatus = nil, nil
							k.mu.Lock()
							k.open, k.err = nil, nil
							k.mu.Unlock()
						}
						return nil
					}
				})
				d, err := forward.Drive(t.Context(), d.ID)
				took := time.Since(began)
				if err != nil || !d.State.Final() || d.State == rollback.DrillPassed || u.current.Label != "r42" {
					t.Fatalf("%q %s on %s, %v", d.State, d.Detail, u.current.Label, err)
				}
				if !strings.Contains(d.Detail, c.words) || took < c.least || took > c.most+10*time.Second {
					t.Errorf("after %s: %s", took, d.Detail)
				}
				if r := b.theProof(t); r.Outcome == proof.Pass || r.Forward == nil || !r.Forward.Verified {
					t.Errorf("it proves %q: %+v", r.Outcome, r.Forward)
				}
				b.nothingIsLeft(t)
				b.sound(t)
			})
		})
	}
}

// Every journal write of a drill fails once, before and after it is written; another process goes on, and the unit is forward again.
func TestAnInterruptedDrillIsGoneOnWith(t *testing.T) {
	halves := map[string]int{"drill.take": 1, "drill.state": 2, "drill.end": 1, "lease": 2, "intent": 2, "apply": 2, "result": 2, "outcome": 2, "confirm": 1}
	for point, most := range halves {
		for _, where := range []string{".before", ".after"} {
			for nth := 1; nth <= most; nth++ {
				t.Run(strings.Join([]string{point + where, string(rune('0' + nth))}, " "), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { interrupted(t, point+where, nth) })
				})
			}
		}
	}
}

func interrupted(t *testing.T, point string, nth int) {
	t.Helper()
	b, _ := drillBench(t)
	u := b.pricing()
	d := b.drilled(t, nil)
	passed, dead := 0, false
	first := b.another(t, func(c *rollback.Config) {
		c.Fail = func(at string) error {
			if at == point {
				passed++
			}
			if dead = dead || passed >= nth; dead { // a killed process writes nothing more
				return errors.New("killed")
			}
			return nil
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	_, _ = first.Drive(ctx, d.ID)
	if !dead {
		t.Fatalf("%s was not passed %d times", point, nth)
	}
	time.Sleep(2 * time.Minute) // its leases are over
	second := b.another(t, func(c *rollback.Config) { c.Executor = "there:2" })
	d, err := second.Drive(ctx, d.ID)
	if err != nil || !d.State.Final() || u.current.Label != "r42" {
		t.Fatalf("%q %s on %s, %v", d.State, d.Detail, u.current.Label, err)
	}
	if n := len(b.target.effects()); n != 2 && n != 0 {
		t.Errorf("%d effects", n)
	}
	b.nothingIsLeft(t)
	b.sound(t)
}

func TestADrillThatCannotGoForwardSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t)
		u := b.pricing()
		d := b.drilled(t, nil)
		refuse := true
		b.target.onApply = func(_ context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
			if refuse && s.To == digest("r42") {
				return rollback.Result{Outcome: rollback.Failed, Detail: "the disk is full"}, nil
			}
			return b.target.swap(u, op, s)
		}
		d, err := b.Drive(t.Context(), d.ID)
		if err != nil || d.State != rollback.DrillLeft || d.State.Final() || d.State.ExitCode() != 3 || !strings.Contains(d.Detail, "the disk is full") {
			t.Fatalf("%q %s, %v", d.State, d.Detail, err)
		}
		b.standsUntilResumed(t, d)
		refuse = false
		if d, err = b.Drive(t.Context(), d.ID); err != nil || d.State != rollback.DrillPassed || u.current.Label != "r42" {
			t.Errorf("gone on with: %q %s, %v", d.State, d.Detail, err)
		}
		b.nothingIsLeft(t)
		b.sound(t)
	})
}

// standsUntilResumed checks what is told of a unit that is left back, and that only its drill lifts that.
func (b *bench) standsUntilResumed(t *testing.T, d rollback.Drill) {
	t.Helper()
	measures, err := b.Probe(t.Context(), ana)
	if err != nil || len(measures) != 1 || measures[0].State != rollback.MeasureInForce || measures[0].InForce != rollback.TellYes {
		t.Errorf("%+v %v", measures, err)
	}
	if _, _, err := b.Lift(t.Context(), measures[0].ID, rollback.LiftRequest{By: ana, Force: true, Reason: "x"}); !errors.Is(err, rollback.ErrRefused) || !strings.Contains(err.Error(), "backout drill resume "+d.ID) {
		t.Errorf("lifted beside its drill: %v", err)
	}
}

func TestADrillLeavesAloneWhatSomebodyElseSwitched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t)
		u := b.pricing()
		d := b.drilled(t, nil)
		once := false
		b.target.onVerify = func(u *fakeUnit) ([]rollback.Check, error) {
			if !once && u.current.Label == "r41" {
				once = true
				b.target.foreign(u, rev("r43", "newer", 0))
			}
			return nil, nil
		}
		d, err := b.Drive(t.Context(), d.ID)
		if err != nil || d.State != rollback.DrillSuperseded || u.current.Label != "r43" {
			t.Errorf("%q %s on %s, %v", d.State, d.Detail, u.current.Label, err)
		}
		if r := b.theProof(t); r.Outcome != proof.Aborted {
			t.Errorf("it proves %q", r.Outcome)
		}
		b.nothingIsLeft(t)
		b.sound(t)
	})
}

func TestWhoMayDrill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := drillBench(t)
		b.pricing()
		p, _ := b.drillPlan(t, rollback.Request{})
		c := yes(p)
		for _, by := range []policy.Principal{{ID: "x", Kind: policy.Agent}, {}} {
			c.By = by
			if _, err := b.Drill(t.Context(), p, c); !errors.Is(err, rollback.ErrRefused) || rollback.ExitCode(err) != 5 {
				t.Errorf("%+v: %v", by, err)
			}
		}
		if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrRefused) {
			t.Errorf("confirmed as a rollback: %v", err)
		}
		reader := b.another(t, func(c *rollback.Config) { c.ReadOnly = true })
		if _, err := reader.Drill(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrReadOnly) {
			t.Errorf("read-only: %v", err)
		}
		c.By = policy.Principal{ID: "cron", Kind: policy.Automation}
		if d, err := b.Drill(t.Context(), p, c); err != nil || d.By.Kind != policy.Automation {
			t.Errorf("an automation: %v", err)
		}
		if n := len(b.entries(t, ledger.KindDrill)); n != 1 {
			t.Errorf("%d entries of drills", n)
		}
		b.sound(t)
	})
}
