package proof_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/rollback/proof"
)

// executions are so many that passed, each a second longer than the one before, and so many that failed.
func executions(passed, failed int) []proof.Record {
	var out []proof.Record
	for i := range passed {
		r := proof.Record{Outcome: proof.Pass}
		r.Times.Approved, r.Times.Verified = now, now.Add(time.Duration(i+1)*time.Second)
		out = append(out, r)
	}
	for range failed {
		out = append(out, proof.Record{Outcome: proof.Fail})
	}
	return append(out, proof.Record{Outcome: proof.Aborted})
}

func TestFewSuccessesSayLittle(t *testing.T) {
	for _, c := range []struct {
		passed, failed int
		low, high      float64
	}{{5, 0, 0.5655, 1}, {0, 5, 0, 0.4345}, {8, 2, 0.4902, 0.9433}, {0, 0, 0, 1}} {
		r := proof.SuccessRate(executions(c.passed, c.failed))
		if r.Of != c.passed+c.failed || math.Abs(r.Low-c.low) > 0.0001 || math.Abs(r.High-c.high) > 0.0001 {
			t.Errorf("%d of %d: %+v, want %v to %v", c.passed, c.passed+c.failed, r, c.low, c.high)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := proof.SuccessRate(executions(rapid.IntRange(0, 50).Draw(t, "passed"), rapid.IntRange(0, 50).Draw(t, "failed")))
		if r.Of > 0 && (r.Low > float64(r.Passed)/float64(r.Of)+1e-9 || r.High < float64(r.Passed)/float64(r.Of)-1e-9 || r.Low < 0 || r.High > 1) {
			t.Fatalf("the rate is not within its interval: %+v", r)
		}
	})
}

func TestAPercentileNeedsEnough(t *testing.T) {
	for _, c := range []struct {
		n    int
		want string
	}{{0, "never measured"}, {3, "n=3, max 3s"}, {19, "n=19, max 19s"}, {20, "n=20, p50 10s, p95 19s, max 20s"}, {100, "n=100, p50 50s, p95 1m35s, max 1m40s"}} {
		if got := proof.Took(executions(c.n, 2)).String(); got != c.want {
			t.Errorf("%d: %q, want %q", c.n, got, c.want)
		}
	}
}

func TestCoverageWeighsWhatMuchDependsOn(t *testing.T) {
	all := []proof.Standing{{Level: proof.L4, Tier: 1}, {Level: proof.L2, Tier: 2}, {Level: proof.L3, Tier: 3}}
	if got := proof.Coverage(all); math.Abs(got-4.0/6) > 1e-9 {
		t.Errorf("coverage is %v", got)
	}
	if got := proof.Coverage(nil); got != 0 {
		t.Errorf("of no unit %v is covered", got)
	}
}

func TestALevelReadsBackAsItWasWritten(t *testing.T) {
	records, facts, rules := world()
	s := proof.Judge(records, facts, rules)
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back proof.Standing
	if err := json.Unmarshal(raw, &back); err != nil || back.Level != proof.L4 || back.Key() != s.Key() {
		t.Errorf("%s reads back as %+v, %v", raw, back, err)
	}
	if err := json.Unmarshal([]byte(`{"level":"L9"}`), &back); err == nil {
		t.Error("a level that there is not was read")
	}
}
