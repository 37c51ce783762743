package rollback_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// What is coupled may have changed since a plan was made: a confirmation judges it again.
func TestAConfirmationJudgesWhatIsCoupledAgain(t *testing.T) {
	away := func(u *fakeUnit) error {
		if u.unit.Service == "storefront" {
			return errAway
		}
		return nil
	}
	cases := map[string]struct {
		plan, then func(b *bench, store *fakeUnit)
		because    string // "": it is taken
	}{
		"nothing changed": {},
		"the same change went live on another unit": {
			then:    func(b *bench, store *fakeUnit) { b.target.foreign(store, rev("s9", "bad", 0)) },
			because: "fake:prod/storefront: neither goes back without the other",
		},
		"another unit was switched to something else": {
			then: func(b *bench, store *fakeUnit) { b.target.foreign(store, rev("s9", "other", 0)) },
		},
		"another unit does not answer any more": {then: func(b *bench, _ *fakeUnit) { b.target.onObserve = away }},
		"another unit answers again, and has nothing to do with it": {
			plan: func(b *bench, _ *fakeUnit) { b.target.onObserve = away },
			then: func(b *bench, _ *fakeUnit) { b.target.onObserve = nil },
		},
		"another unit answers again, and has the same change": {
			plan: func(b *bench, _ *fakeUnit) { b.target.onObserve = away },
			then: func(b *bench, store *fakeUnit) {
				b.target.onObserve = nil
				b.target.foreign(store, rev("s9", "bad", 0))
			},
			because: "neither goes back without the other",
		},
		"not all units can be listed any more": {
			then: func(b *bench, _ *fakeUnit) { b.target.listErr = errAway }, because: "not all units could be listed",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.pricing()
				store := b.target.add("storefront", rev("s8", "s8", 5000))
				if c.plan != nil {
					c.plan(b, store)
				}
				p := b.plan(t, rollback.Request{})
				if c.then != nil {
					c.then(b, store)
				}
				run, err := b.Confirm(t.Context(), p, yes(p))
				if c.because == "" {
					if err != nil || run.State != rollback.RunConfirmed {
						t.Errorf("%q, %v", run.State, err)
					}
					return
				}
				if !errors.Is(err, rollback.ErrPlanChanged) || !strings.Contains(err.Error(), c.because) {
					t.Errorf("got %v, want it refused because %q", err, c.because)
				}
				b.wasRefused(t, run, c.because)
			})
		})
	}
}

// slowStore is a target one of whose units takes a minute to answer once it is slow.
type slowStore struct {
	*fake
	slow bool
}

func (s *slowStore) Observe(ctx context.Context, id rollback.UnitID) (rollback.Observation, error) {
	if s.slow && strings.HasSuffix(string(id), "/storefront") {
		select {
		case <-ctx.Done():
			return rollback.Observation{}, ctx.Err()
		case <-time.After(time.Minute):
		}
	}
	return s.fake.Observe(ctx, id)
}

// A unit beside the plan's that is slow holds nobody up.
func TestAConfirmationDoesNotWaitForOtherUnits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		b.target.add("storefront", rev("s8", "s8", 5000))
		target := &slowStore{fake: b.target}
		b.Engine = b.another(t, func(c *rollback.Config) { c.Reversers = map[string]rollback.Reverser{"fake": target} })
		p := b.plan(t, rollback.Request{})
		target.slow = true
		started := time.Now()
		run, err := b.Confirm(t.Context(), p, yes(p))
		if err != nil || run.State != rollback.RunConfirmed {
			t.Errorf("%q, %v", run.State, err)
		}
		if took := time.Since(started); took > time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

// A plan that came from somewhere else cannot be judged again.
func TestAPlanOfAnotherProcessIsNotConfirmed(t *testing.T) {
	b := newBench(t)
	b.pricing()
	raw, err := json.Marshal(b.plan(t, rollback.Request{}))
	if err != nil {
		t.Fatal(err)
	}
	var p rollback.Plan
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Confirm(t.Context(), p, yes(p)); !errors.Is(err, rollback.ErrPlanChanged) || !strings.Contains(err.Error(), "make it again") {
		t.Errorf("got %v", err)
	}
}
