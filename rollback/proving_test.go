package rollback_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/proof"
)

// switching gives every plan a mechanism and a class of change.
func switching(b *bench, strategy, class string) {
	b.target.proposal = func(p *rollback.Proposal) {
		p.Mechanism, p.ChangeClass = rollback.MechanismOf("switch", "1", map[string]string{"strategy": strategy}), class
	}
}

// proved takes pricing back from r42 to r41 and deploys r43 upon it.
func proved(t *testing.T, b *bench) *fakeUnit {
	t.Helper()
	u := b.pricing()
	run := b.confirmed(t, rollback.Request{})
	if run, err := b.Execute(t.Context(), run.ID); err != nil || run.State != rollback.RunSucceeded {
		t.Fatalf("%+v %v", run, err)
	}
	time.Sleep(time.Hour)
	b.target.foreign(u, rev("r43", "c43", 0))
	return u
}

// recorded is what a run that went well leaves, bound to its outcome.
func recorded(t *testing.T, b *bench) {
	t.Helper()
	records, err := b.Proofs(t.Context())
	if err != nil || len(records) != 1 {
		t.Fatalf("%+v %v", records, err)
	}
	r := records[0]
	got := []any{r.Outcome, r.Earned(), r.From.Label, r.To.Label, r.Distance, r.People.Executor, r.Change, r.Mechanism.Known(), r.Times.Took(), len(r.Checks)}
	want := []any{proof.Pass, proof.L4, "r42", "r41", 1, "ana", "code", true, b.cfg.Hold, 1}
	if !slices.Equal(got, want) || r.Times.Converged.IsZero() || r.Times.FirstEffect.IsZero() {
		t.Errorf("%v, want %v: %+v", got, want, r)
	}
	outcome, entry := b.entries(t, ledger.KindOutcome), b.entries(t, ledger.KindProof)
	if len(entry) != 1 || len(outcome) != 1 || entry[0].Seq != outcome[0].Seq+1 || r.Evidence.Seq != outcome[0].Seq || r.Evidence.Hash != entry[0].Prev {
		t.Errorf("it is not bound to the outcome: %+v, %+v, %+v", r.Evidence, outcome, entry)
	}
	b.sound(t)
}

func TestAWayBackThatWasExecutedIsTested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		switching(b, "all at once", "code")
		proved(t, b)
		recorded(t, b)
		p := b.plan(t, rollback.Request{})
		u := p.Units[0]
		if !strings.HasPrefix(u.Tested, "tested L4 1h ago by ana, 5s") || u.Proof == nil || !u.Proof.Tested() {
			t.Errorf("%q %+v", u.Tested, u.Proof)
		}
		if text := strings.Join(append(p.Warnings, p.Decision.Reasons...), "\n"); strings.Contains(text, "untested") {
			t.Errorf("it warns: %s", text)
		}
		time.Sleep(3 * time.Hour)
		if later := b.plan(t, rollback.Request{}); later.Hash != p.Hash || later.Units[0].Tested == u.Tested {
			t.Errorf("the hash goes by the age: %s and %s, %q and %q", p.Hash, later.Hash, u.Tested, later.Units[0].Tested)
		}
		raw, err := json.Marshal(p)
		var back rollback.Plan
		if err == nil {
			err = json.Unmarshal(raw, &back)
		}
		if hash, hashErr := rollback.HashPlan(back); err != nil || hashErr != nil || hash != p.Hash {
			t.Errorf("read back it has another hash: %s, want %s, %v %v", hash, p.Hash, err, hashErr)
		}
	})
}

func TestWhatChangedSinceTheProof(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(b *bench, u *fakeUnit)
		want string
	}{
		"the strategy":        {func(b *bench, _ *fakeUnit) { switching(b, "one by one", "code") }, "untested: the settings of how it goes back"},
		"the class of change": {func(b *bench, _ *fakeUnit) { switching(b, "all at once", "code, migrations") }, "untested: it was proved for another class"},
		"nothing says how":    {func(b *bench, _ *fakeUnit) { b.target.proposal = nil }, "untested: how it would go back now is not known"},
		"a right is missing": {func(b *bench, _ *fakeUnit) {
			b.target.proposal = func(p *rollback.Proposal) { p.Missing = []string{"the right to write"} }
		}, "untested: the right to write"},
		"a reconciler": {func(_ *bench, u *fakeUnit) { u.owners = []string{"argo/pricing"} }, "untested: it was reconciled by nobody then"},
		"time":         {func(*bench, *fakeUnit) { time.Sleep(45 * 24 * time.Hour) }, "untested: the last proof is 45 days old (30 days allowed)"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				switching(b, "all at once", "code")
				u := proved(t, b)
				before := b.plan(t, rollback.Request{To: "r41"})
				c.do(b, u)
				p := b.plan(t, rollback.Request{To: "r41"})
				if got := p.Units[0].Tested; !strings.HasPrefix(got, c.want) || p.Units[0].Proof.Tested() {
					t.Errorf("%q, want %q", got, c.want)
				}
				if p.Hash == before.Hash {
					t.Error("the hash does not tell")
				}
				if text := strings.Join(p.Warnings, "\n"); !strings.Contains(text, "untested") {
					t.Errorf("it does not warn: %s", text)
				}
			})
		})
	}
}

func TestWhatARunShowsByItsEnd(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(b *bench, u *fakeUnit)
		want proof.Outcome // "" no proof
	}{
		"a check fails": {func(b *bench, _ *fakeUnit) {
			b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) {
				return []rollback.Check{{Name: "answers", State: rollback.CheckFail}}, nil
			}
		}, proof.Fail},
		"nobody can see it": {func(b *bench, _ *fakeUnit) {
			b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) {
				return []rollback.Check{{Name: "answers", State: rollback.CheckUnknown}}, nil
			}
		}, proof.Unverified},
		"somebody else was there first": {func(b *bench, u *fakeUnit) { b.target.foreign(u, rev("r44", "c44", 0)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				switching(b, "all at once", "code")
				u := b.pricing()
				run := b.confirmed(t, rollback.Request{})
				c.do(b, u)
				run, err := b.Execute(t.Context(), run.ID)
				if err != nil {
					t.Fatal(err)
				}
				records, err := b.Proofs(t.Context())
				if err != nil || (c.want == "") != (len(records) == 0) {
					t.Fatalf("%s leaves %+v, %v", run.State, records, err)
				}
				if c.want != "" && (records[0].Outcome != c.want || len(records[0].Surprises) == 0) {
					t.Errorf("%s leaves %+v", run.State, records[0])
				}
				if c.want != "" {
					b.target.onVerify = nil
					time.Sleep(time.Hour)
					b.target.foreign(u, rev("r43", "c43", 0))
					if p := b.plan(t, rollback.Request{To: "r41"}); p.Units[0].Proof.Level != proof.L0 || !strings.Contains(p.Units[0].Tested, "the last time, RUN-0001") {
						t.Errorf("%q", p.Units[0].Tested)
					}
				}
				b.sound(t)
			})
		})
	}
}

// What was shown of going back says nothing of going forward, and going forward leaves no proof.
func TestForwardIsNoProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		switching(b, "all at once", "code")
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		if _, err := b.Execute(t.Context(), run.ID); err != nil {
			t.Fatal(err)
		}
		forward := b.confirmed(t, rollback.Request{Run: run.ID})
		if forward.Plan.Kind != "forward" || forward.Plan.Units[0].Tested != "untested" {
			t.Errorf("%s is %q", forward.Plan.Kind, forward.Plan.Units[0].Tested)
		}
		if run, err := b.Execute(t.Context(), forward.ID); err != nil || run.State != rollback.RunSucceeded {
			t.Fatalf("%+v %v", run, err)
		}
		if records, err := b.Proofs(t.Context()); err != nil || len(records) != 1 {
			t.Errorf("%+v %v", records, err)
		}
	})
}

// What was left by a rollback lies behind the unit, not between it and the next one back.
func TestWhatWasLeftDoesNotLieBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		switching(b, "all at once", "code")
		b.pricing()
		run := b.confirmed(t, rollback.Request{})
		if _, err := b.Execute(t.Context(), run.ID); err != nil {
			t.Fatal(err)
		}
		p := b.plan(t, rollback.Request{})
		if u := p.Units[0]; u.To.Label != "r40" || u.Distance != 1 || !u.Proof.Tested() {
			t.Errorf("to %s, %d back, %q", u.To.Label, u.Distance, u.Tested)
		}
		if s, err := b.StandingsOf(t.Context(), rollback.Request{}, []rollback.UnitID{"fake:prod/pricing"}); err != nil || len(s) != 1 || s[0].To.Label != "r40" || s[0].Proof.Level != proof.L4 {
			t.Errorf("%+v %v", s, err)
		}
		if s := b.Unplanned(rollback.Unit{ID: "fake:prod/pricing"}, nil, nil, rollback.ErrNoTarget); s.Level != proof.L0 || len(s.Reasons) == 0 {
			t.Errorf("%+v", s)
		}
	})
}
