package proof_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/rollback/proof"
)

func rules(reasons []proof.Reason) []string {
	out := []string{}
	for _, r := range reasons {
		out = append(out, r.Rule)
	}
	return out
}

func TestWhatAProofIsLostBy(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(r *proof.Record, f *proof.Facts)
		want []string
	}{
		"nothing":        {func(*proof.Record, *proof.Facts) {}, []string{}},
		"settings":       {func(_ *proof.Record, f *proof.Facts) { f.Mechanism.Strategy = "sha256:other" }, []string{"I1"}},
		"no right":       {func(_ *proof.Record, f *proof.Facts) { f.Runnable = proof.No("no right") }, []string{"I2/I4"}},
		"one way":        {func(_ *proof.Record, f *proof.Facts) { f.Reversible = proof.No("a column is gone") }, []string{"I3"}},
		"company":        {func(_ *proof.Record, f *proof.Facts) { f.Together = []string{"x"} }, []string{"I5"}},
		"age":            {func(_ *proof.Record, f *proof.Facts) { f.Now = f.Now.Add(400 * day) }, []string{"age"}},
		"another target": {func(_ *proof.Record, f *proof.Facts) { f.To.Digest, f.Distance = "sha256:older", 2 }, []string{}},
		"nobody knows":   {func(_ *proof.Record, f *proof.Facts) { *f = proof.Facts{Now: f.Now, Unit: f.Unit} }, []string{}},
		"never counted":  {func(r *proof.Record, f *proof.Facts) { r.Class, f.Runnable = proof.Staging, proof.No("no right") }, []string{}},
	} {
		records, facts, how := world()
		c.do(&records[0], &facts)
		s := proof.Judge(records, facts, how)
		if got := rules(s.Lost()); !slices.Equal(got, c.want) {
			t.Errorf("%s: lost by %v, want %v: %+v", name, got, c.want, s)
		}
	}
}

func TestWhatNobodyKnowsIsNoLoss(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := drawRecord(rt)
		s := proof.Judge([]proof.Record{r}, proof.Facts{Now: now, Unit: "u"}, proof.Rules{})
		for _, rule := range rules(s.Lost()) {
			if rule != "age" || now.Sub(r.Times.Verified) <= 30*day {
				rt.Errorf("nothing is known but the time, and it is lost by %s: %+v", rule, s)
			}
		}
	})
}

func TestRateOf(t *testing.T) {
	if r := proof.RateOf(5, 5); r.Low < .56 || r.Low > .57 || r.High != 1 {
		t.Errorf("%+v", r)
	}
	if r := proof.RateOf(0, 0); r.Low != 0 || r.High != 1 {
		t.Errorf("%+v", r)
	}
}
