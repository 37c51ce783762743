package proof_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/rollback/proof"
)

func looks(states ...string) []proof.Look {
	var out []proof.Look
	for i, s := range states {
		out = append(out, proof.Look{What: "thing", Rule: []string{"I4", "I2"}[i%2], Answer: proof.Answer{State: s, Text: "why"}})
	}
	return out
}

func probe(ago time.Duration, states ...string) *proof.Probe {
	p := proof.ProbeOf("u:a/b", now.Add(-ago), proof.Content{Digest: "f2"}, proof.Content{Digest: "t2"}, looks(states...))
	return &p
}

func TestWhatAProbeTakesAwayAndGivesBack(t *testing.T) {
	type change func(f *proof.Facts)
	for name, c := range map[string]struct {
		do    change
		level proof.Level
		words string
	}{
		"nobody looked":       {func(*proof.Facts) {}, proof.L4, "41s"},
		"valid":               {func(f *proof.Facts) { f.Probe = probe(12*time.Minute, "yes", "yes") }, proof.L4, "41s; plan valid 12m ago"},
		"a right is missing":  {func(f *proof.Facts) { f.Probe = probe(2*time.Hour, "yes", "no") }, proof.L0, "untested: plan not valid since 10:00 UTC: thing: why"},
		"an artifact is gone": {func(f *proof.Facts) { f.Probe = probe(2*time.Hour, "no", "yes") }, proof.L0, "untested: plan not valid since 10:00 UTC"},
		"on another day":      {func(f *proof.Facts) { f.Probe = probe(30*time.Hour, "no", "yes") }, proof.L0, "not valid since 2026-04-30 06:00 UTC"},
		"gone, and the plan sees it too": {func(f *proof.Facts) {
			f.Probe, f.Runnable = probe(time.Hour, "no"), proof.No("it is gone")
		}, proof.L0, "untested: plan not valid since"},
		"gone, of another target":     {func(f *proof.Facts) { f.Probe = probe(time.Hour, "no"); f.To.Digest = "t3" }, proof.L4, "41s"},
		"no right, to another target": {func(f *proof.Facts) { f.Probe = probe(time.Hour, "yes", "no"); f.To.Digest = "t3" }, proof.L0, "plan not valid"},
		"stale":                       {func(f *proof.Facts) { f.Probe = probe(25*time.Hour, "yes") }, proof.L4, "; plan was valid 25h ago, which no longer counts"},
		"could not be seen":           {func(f *proof.Facts) { f.Probe = probe(time.Hour, "yes", "") }, proof.L4, "could not be seen: thing: why"},
		"only a probe can tell, and did": {func(f *proof.Facts) {
			f.Probe, f.Probed = probe(time.Hour, "yes"), true
		}, proof.L4, "plan valid"},
		"only a probe can tell, and did not": {func(f *proof.Facts) { f.Probed = true }, proof.L0, "untested: nobody has seen yet"},
		"only a probe can tell, and is stale": {func(f *proof.Facts) {
			f.Probe, f.Probed = probe(25*time.Hour, "yes"), true
		}, proof.L0, "untested: whether the plan is valid was seen 25h ago (24h allowed)"},
		"only a probe can tell, and could not": {func(f *proof.Facts) {
			f.Probe, f.Probed = probe(time.Minute, ""), true
		}, proof.L0, "untested: nobody has seen yet"},
		"from the future": {func(f *proof.Facts) { f.Probe, f.Probed = probe(-time.Hour, "yes"), true }, proof.L0, "untested"},
	} {
		t.Run(name, func(t *testing.T) {
			records, f, rules := world()
			c.do(&f)
			s := proof.Judge(records, f, rules)
			if words := s.Words(now); s.Level != c.level || !strings.Contains(words, c.words) || strings.Count(words, "plan not valid") > 1 {
				t.Errorf("%s, %q, want %s, %q", s.Level, words, c.level, c.words)
			}
		})
	}
}

func TestAnAnswerStaysUntilThereIsAnother(t *testing.T) {
	lost := probe(3*time.Hour, "yes", "no")
	dark := probe(time.Hour, "yes", "").After(*lost)
	if dark.State != "no" || !dark.Since.Equal(lost.Since) || !dark.Tried.Equal(now.Add(-time.Hour)) || dark.Unseen == "" {
		t.Errorf("not looking found it again: %+v", dark)
	}
	still := probe(time.Minute, "yes", "no").After(dark)
	if !still.Since.Equal(lost.Since) || !still.At.Equal(now.Add(-time.Minute)) || still.Unseen != "" {
		t.Errorf("since when: %+v", still)
	}
	found := probe(0, "yes", "yes").After(still)
	if !found.Valid(now) || !found.Since.Equal(now) {
		t.Errorf("%+v", found)
	}
	if first := probe(0, "").After(proof.Probe{}); first.State != "" || first.Valid(now) || !first.At.IsZero() {
		t.Errorf("%+v", first)
	}
	if none := probe(0); none.State != "" || none.Unseen == "" {
		t.Errorf("nothing was looked at, and that is an answer: %+v", none)
	}
}

// Whatever is seen and not seen, in whatever order: what was lost is found again only by a look that finds everything, and an answer
// to a probe never raises a level above the one without any.
func TestOnlyAGoodLookFindsAgainWhatWasLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := rapid.SampledFrom([]string{"yes", "no", ""})
		var kept proof.Probe
		lost := false
		for i := range rapid.IntRange(1, 8).Draw(t, "probes") {
			states := rapid.SliceOfN(state, 1, 3).Draw(t, "looks")
			kept = probe(time.Duration(8-i)*time.Minute, states...).After(kept)
			switch {
			case slices.Contains(states, "no"):
				lost = true
			case !slices.Contains(states, ""):
				lost = false
			}
		}
		r, f := near(t)
		without := proof.Judge([]proof.Record{r}, f, proof.Rules{}).Level
		kept.To, f.Probe = f.To, &kept
		got := proof.Judge([]proof.Record{r}, f, proof.Rules{}).Level
		if lost && got > proof.L0 || got > without {
			t.Fatalf("lost: %v, %s, and %s without: %+v", lost, got, without, kept)
		}
	})
}
