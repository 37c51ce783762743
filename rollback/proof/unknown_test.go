package proof_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backout-dev/backout/rollback/proof"
)

func answers(t *rapid.T, name string) proof.Answer {
	return rapid.SampledFrom([]proof.Answer{proof.Yes(), proof.No("why"), {}}).Draw(t, name)
}

func mechanisms(t *rapid.T, name string) proof.Mechanism {
	word := func(n string) string { return rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, name+n) }
	return proof.Mechanism{Name: word("name"), Version: word("version"), Controller: word("controller"), Strategy: word("strategy"), Keeps: rapid.IntRange(0, 2).Draw(t, name+"keeps")}
}

func sets(t *rapid.T, name string) []string {
	return rapid.SampledFrom([][]string{nil, {"x"}, {"x", "y"}}).Draw(t, name)
}

func drawRecord(t *rapid.T) proof.Record {
	pick := rapid.SampledFrom([]string{"", "1", "2"})
	r := proof.Record{
		ID: "p", Run: "RUN", Unit: "u", Mechanism: mechanisms(t, "then "), From: proof.Content{Digest: pick.Draw(t, "from")}, To: proof.Content{Digest: pick.Draw(t, "to")},
		Class: rapid.SampledFrom([]proof.Class{proof.Prod, proof.ProdLike, proof.Staging, proof.Dev, ""}).Draw(t, "class"),
		Slice: rapid.SampledFrom([]proof.Slice{proof.Full, proof.Canary, proof.Shadow, ""}).Draw(t, "slice"), Change: pick.Draw(t, "class of change"),
		Distance: rapid.IntRange(0, 2).Draw(t, "distance"), Together: sets(t, "together"), Owners: sets(t, "owners"), Copies: rapid.IntRange(0, 2).Draw(t, "copies"),
		Outcome: rapid.SampledFrom([]proof.Outcome{proof.Pass, proof.Pass, proof.Pass, proof.Fail, proof.Unverified, proof.Aborted, ""}).Draw(t, "outcome"),
	}
	r.Times.Verified = now.Add(-time.Duration(rapid.IntRange(-1, 40).Draw(t, "days ago")) * day)
	return r
}

func drawFacts(t *rapid.T) proof.Facts {
	pick := rapid.SampledFrom([]string{"", "1", "2"})
	return proof.Facts{
		Now: now, Unit: "u", Tier: rapid.IntRange(0, 4).Draw(t, "tier"), From: proof.Content{Digest: pick.Draw(t, "from now")}, To: proof.Content{Digest: pick.Draw(t, "to now")},
		Distance: rapid.IntRange(0, 2).Draw(t, "distance now"), Change: pick.Draw(t, "class now"), Mechanism: mechanisms(t, "now "), Copies: rapid.IntRange(0, 3).Draw(t, "copies now"),
		Together: sets(t, "together now"), Runnable: answers(t, "runnable"), Reversible: answers(t, "reversible"), Coupling: answers(t, "coupling"),
		OwnersSeen: rapid.Bool().Draw(t, "owners seen"), Owners: sets(t, "owners now"), Began: []time.Time{now.Add(-day)},
		Complete: rapid.SampledFrom([]time.Time{{}, now.Add(-100 * day), now.Add(-2 * day)}).Draw(t, "complete"),
	}
}

// near is a record and facts that agree in most things, so that most draws reach a level that can be lost.
func near(t *rapid.T) (proof.Record, proof.Facts) {
	r, f := drawRecord(t), drawFacts(t)
	if rapid.Bool().Draw(t, "agree") {
		f.Mechanism, f.Together, f.Owners, f.Change, f.Distance, f.Copies = r.Mechanism, r.Together, r.Owners, r.Change, r.Distance, r.Copies
		f.Runnable, f.Reversible, f.Coupling, f.OwnersSeen, f.Complete = proof.Yes(), proof.Yes(), proof.Yes(), true, now.Add(-100*day)
	}
	return r, f
}

func TestWhatIsNotKnownNeverRaisesALevel(t *testing.T) {
	forget := map[string]func(*proof.Facts){
		"now":         func(f *proof.Facts) { f.Now = time.Time{} },
		"tier":        func(f *proof.Facts) { f.Tier = 0 },
		"contents":    func(f *proof.Facts) { f.From.Digest, f.To.Digest = "", "" },
		"distance":    func(f *proof.Facts) { f.Distance = 0 },
		"change":      func(f *proof.Facts) { f.Change = "" },
		"mechanism":   func(f *proof.Facts) { f.Mechanism = proof.Mechanism{} },
		"version":     func(f *proof.Facts) { f.Mechanism.Version = "" },
		"copies":      func(f *proof.Facts) { f.Copies = 0 },
		"runnable":    func(f *proof.Facts) { f.Runnable = proof.Answer{} },
		"reversible":  func(f *proof.Facts) { f.Reversible = proof.Answer{} },
		"coupling":    func(f *proof.Facts) { f.Coupling, f.Together = proof.Answer{}, nil },
		"owners":      func(f *proof.Facts) { f.OwnersSeen, f.Owners = false, nil },
		"deployments": func(f *proof.Facts) { f.Began, f.Complete = nil, time.Time{} },
		"which unit":  func(f *proof.Facts) { f.Unit = "" },
	}
	rapid.Check(t, func(t *rapid.T) {
		r, f := near(t)
		level := proof.Judge([]proof.Record{r}, f, proof.Rules{}).Level
		for name, do := range forget {
			less := f
			do(&less)
			if got := proof.Judge([]proof.Record{r}, less, proof.Rules{}).Level; got > level && name != "which unit" || got > proof.L1 && name == "which unit" {
				t.Fatalf("without %s it is %s, with it %s", name, got, level)
			}
		}
	})
}

func TestWhatWasNotRecordedNeverRaisesALevel(t *testing.T) {
	forget := map[string]func(*proof.Record){
		"class":     func(r *proof.Record) { r.Class = "" },
		"slice":     func(r *proof.Record) { r.Slice = "" },
		"mechanism": func(r *proof.Record) { r.Mechanism = proof.Mechanism{} },
		"change":    func(r *proof.Record) { r.Change = "" },
		"distance":  func(r *proof.Record) { r.Distance = 0 },
		"contents":  func(r *proof.Record) { r.From.Digest, r.To.Digest = "", "" },
		"when":      func(r *proof.Record) { r.Times = proof.Times{} },
	}
	rapid.Check(t, func(t *rapid.T) {
		r, f := near(t)
		level := proof.Judge([]proof.Record{r}, f, proof.Rules{}).Level
		for name, do := range forget {
			less := r
			do(&less)
			if got := proof.Judge([]proof.Record{less}, f, proof.Rules{}).Level; got > level {
				t.Fatalf("without %s on record it is %s, with it %s", name, got, level)
			}
		}
	})
}

func TestNothingIsTestedThatWasNotExecutedInProduction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, f := near(t)
		s := proof.Judge([]proof.Record{r}, f, proof.Rules{})
		if s.Tested() && (r.Outcome != proof.Pass || r.Class != proof.Prod || len(s.Reasons) > 0) {
			t.Fatalf("%+v counts as tested: %+v", r, s)
		}
		if s.Level > max(r.Earned(), proof.L1) {
			t.Fatalf("it counts for %s, and reached %s", s.Level, r.Earned())
		}
		if s.Level == proof.L0 && len(s.Reasons) == 0 {
			t.Fatalf("it counts for nothing, and nobody says why: %+v", s)
		}
	})
}
