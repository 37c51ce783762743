package rollback_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
)

// far is a fake of which only a probe sees all that its plans need.
type far struct {
	*fake
	looks []rollback.Look
	err   error
	asked []string
}

func (f *far) ProbePlan(_ context.Context, obs rollback.Observation, to rollback.Revision) ([]rollback.Look, error) {
	f.asked = append(f.asked, obs.Current.Label+">"+to.Label)
	return f.looks, f.err
}

func probed(t *testing.T, b *bench) proof.Probe {
	t.Helper()
	p, err := b.ProbePlan(t.Context(), rollback.Request{Unit: pricingUnit})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// standing is what the unit's way back counts for, as a plan, the list of units and the list of proofs have it.
func standing(t *testing.T, b *bench) *proof.Standing {
	t.Helper()
	all, err := b.StandingsOf(t.Context(), rollback.Request{}, []rollback.UnitID{pricingUnit})
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	if u := b.plan(t, rollback.Request{}).Units[0]; u.Tested != all[0].Tested || u.Proof.Level != all[0].Proof.Level {
		t.Errorf("the plan says %q, the list %q", u.Tested, all[0].Tested)
	}
	return all[0].Proof
}

// sees probes and compares the answer, what it says, and what it could not see; "" is nothing.
func sees(t *testing.T, b *bench, what, state, rule, text, unseen string) {
	t.Helper()
	p := probed(t, b)
	if p.State != state || p.Rule != rule || !strings.Contains(p.Text, text) || !strings.Contains(p.Unseen, unseen) || unseen == "" && p.Unseen != "" {
		t.Errorf("%s: %+v", what, p)
	}
}

// counts compares what the way back counts for, and what is said of it.
func counts(t *testing.T, b *bench, what string, level proof.Level, words string) {
	t.Helper()
	if s := standing(t, b); s.Level != level || !strings.Contains(s.Words(time.Now()), words) {
		t.Errorf("%s: %s %q %+v", what, s.Level, s.Words(time.Now()), s.Reasons)
	}
}

func TestALostRightIsLostUntilAProbeFindsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		missing := ""
		switching(b, "all at once", "code")
		how := b.target.proposal
		b.target.proposal = func(p *rollback.Proposal) {
			how(p)
			if missing != "" {
				p.Missing = append(p.Missing, missing)
			}
			p.LookedAt(rollback.LostRight, "the right to switch", 0)
		}
		proved(t, b)
		if p := probed(t, b); !p.Valid(time.Now()) || p.From.Label != "r43" || p.To.Label != "r41" || len(p.Looks) != 1 {
			t.Fatalf("%+v", p)
		}
		time.Sleep(12 * time.Minute)
		counts(t, b, "all is there", proof.L4, "; plan valid 12m ago")
		missing = "the right to write"
		sees(t, b, "a right is lost", "no", rollback.LostRight, missing, "")
		missing = "" // it came back, and nobody has looked yet
		time.Sleep(time.Hour)
		counts(t, b, "an hour later", proof.L0, "plan not valid since 01:12 UTC: the right to switch: the right to write")
		b.target.onObserve = func(*fakeUnit) error { return errors.New("no route to host") }
		sees(t, b, "a look that saw nothing", "no", rollback.LostRight, "the right to write", "no route")
		b.target.onObserve = func(*fakeUnit) error { return &providers.Error{Class: providers.ClassAuth, Err: errors.New("401")} }
		sees(t, b, "a credential that is not taken", "no", rollback.LostRight, "401", "")
		b.target.onObserve = nil
		sees(t, b, "found again", "yes", "", "", "")
		counts(t, b, "found again", proof.L4, "; plan valid less than 1m ago")
	})
}

// Where a probe sees more than a plan, the plan alone does not say that it is valid; and only where that is wanted.
func TestWhatOnlyAProbeSees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		f := &far{fake: b.target, looks: []rollback.Look{rollback.There(rollback.LostRight, "the token may write")}}
		b.cfg.Reversers["fake"], b.Engine = f, b.another(t)
		switching(b, "all at once", "code")
		proved(t, b)
		if s := standing(t, b); s.Level != proof.L4 {
			t.Errorf("nobody wants it probed: %s %+v", s.Level, s.Reasons)
		}
		b.cfg.Probed = func(u rollback.Unit) bool { return u.ID == pricingUnit }
		b.Engine = b.another(t)
		if s := standing(t, b); s.Level != proof.L0 || !strings.Contains(s.Why(), "nobody has seen yet") {
			t.Errorf("before any: %s %+v", s.Level, s.Reasons)
		}
		if p := probed(t, b); !p.Valid(time.Now()) || len(p.Looks) != 2 || !slices.Equal(f.asked, []string{"r43>r41"}) {
			t.Errorf("%+v %v", p, f.asked)
		}
		if s := standing(t, b); s.Level != proof.L4 {
			t.Errorf("after it: %s %+v", s.Level, s.Reasons)
		}
		time.Sleep(25 * time.Hour)
		if s := standing(t, b); s.Level != proof.L0 || !strings.Contains(s.Why(), "25h ago (24h allowed)") {
			t.Errorf("a day later: %s %+v", s.Level, s.Reasons)
		}
		f.err = errors.New("503")
		if p := probed(t, b); p.Valid(time.Now()) || !strings.Contains(p.Unseen, "503") {
			t.Errorf("%+v", p)
		}
	})
}

// Only the unit itself is looked at, as long as nothing ties it to others.
func TestAProbeLooksAtLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.target.add("orders", rev("o2", "x2", 50), rev("o1", "x1", 200))
		var seen []rollback.UnitID
		b.target.onObserve = func(u *fakeUnit) error {
			seen = append(seen, u.unit.ID)
			return nil
		}
		probed(t, b)
		if slices.Contains(seen, "fake:prod/orders") {
			t.Errorf("it looked at %v", seen)
		}
		if _, err := b.ProbePlan(t.Context(), rollback.Request{Unit: "fake:prod/none"}); !errors.Is(err, rollback.ErrNotFound) {
			t.Errorf("a unit that there is not: %v", err)
		}
	})
}

// What a unit reads goes back with it, so its plan is valid although the target alone would lack something.
func TestAProbeSeesWhatGoesBackWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, f := reads(t)
		if p := probed(t, b); !p.Valid(time.Now()) || len(f.with[pricingUnit]) != 1 {
			t.Errorf("%+v, with %v", p, f.with)
		}
	})
}

func TestNowhereToGoBackToIsNoValidPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.target.add("pricing", rev("r1", "c1", 10))
		if p := probed(t, b); p.State != "no" || p.Rule != "I4" || !strings.Contains(p.Text, "none is there that is known to have served well") {
			t.Errorf("%+v", p)
		}
	})
}
