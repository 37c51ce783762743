package rollback_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
)

func TestALossIsNotedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		switching(b, "all at once", "code")
		proved(t, b)
		by := policy.Principal{ID: "cron", Kind: policy.Automation}
		note := func() int {
			t.Helper()
			s := *b.plan(t, rollback.Request{Unit: "fake:prod/pricing", To: "r41"}).Units[0].Proof
			losses, err := b.NoteLosses(t.Context(), by, []proof.Standing{s, s})
			if err != nil {
				t.Fatal(err)
			}
			return len(losses)
		}
		if n := note(); n != 0 {
			t.Errorf("%d losses while it counts", n)
		}
		switching(b, "one by one", "code")
		seen := time.Now()
		first := note()
		time.Sleep(time.Hour)
		if again := note(); first != 1 || again != 1 {
			t.Errorf("%d losses, then %d", first, again)
		}
		time.Sleep(45 * 24 * time.Hour)
		if later := note(); later != 2 {
			t.Errorf("%d losses after it grew old as well", later)
		}
		losses, err := b.Losses(t.Context())
		if err != nil || losses[0].Rule != "I1" || losses[1].Rule != "age" || !losses[0].At.Equal(seen) || !strings.Contains(losses[0].Proof, "RUN-0001") {
			t.Errorf("%+v, %v", losses, err)
		}
		if r, err := b.cfg.Store.Verify(t.Context()); err != nil || !r.OK {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestALossIsToldAndNotWrittenReadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		switching(b, "all at once", "code")
		proved(t, b)
		switching(b, "one by one", "code")
		s := *b.plan(t, rollback.Request{Unit: "fake:prod/pricing", To: "r41"}).Units[0].Proof
		cfg := b.cfg
		cfg.ReadOnly = true
		looking, err := rollback.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if losses, err := looking.NoteLosses(t.Context(), policy.Principal{ID: "cron"}, []proof.Standing{s}); !errors.Is(err, rollback.ErrReadOnly) || len(losses) != 0 {
			t.Errorf("%+v, %v", losses, err)
		}
	})
}
