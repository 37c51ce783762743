package proof_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/proof"
)

func TestOnePersonsKnowledgeIsNotEnough(t *testing.T) {
	by := func(who, kind string, days int, o proof.Outcome) proof.Record {
		return proof.Record{
			ID: who, Unit: "u", Outcome: o, Class: proof.Prod, Slice: proof.Full, Times: proof.Times{Verified: now.Add(-time.Duration(days) * day)},
			People: proof.People{Executor: who, ExecutorKind: kind},
		}
	}
	ana, bob := by("ana@tower", "human", 3, proof.Pass), by("bob@tower", "human", 100, proof.Pass)
	for name, c := range map[string]struct {
		records []proof.Record
		owners  []string
		why     string
	}{
		"nobody":                    {nil, []string{"ana"}, "no person"},
		"one":                       {[]proof.Record{ana, ana}, []string{"cleo"}, "only ana@tower"},
		"two, one is no owner":      {[]proof.Record{ana, bob}, []string{"ana"}, ""},
		"two owners":                {[]proof.Record{ana, bob}, []string{"Ana", "bob@tower"}, "only those who own it"},
		"nobody said who owns it":   {[]proof.Record{ana, bob}, nil, "proofs.owners"},
		"the other is too long ago": {[]proof.Record{ana, by("bob", "human", 181, proof.Pass)}, []string{"ana"}, "only ana@tower"},
		"the other failed":          {[]proof.Record{ana, by("bob", "human", 1, proof.Fail)}, []string{"ana"}, "only ana@tower"},
		"the other is no person":    {[]proof.Record{ana, by("cron", "automation", 1, proof.Pass)}, []string{"ana"}, "only ana@tower"},
	} {
		f := proof.Facts{Now: now, Unit: "u", People: c.owners}
		s := proof.Judge(c.records, f, proof.Rules{})
		if s.Crew.Enough != (c.why == "") || !strings.Contains(s.Crew.Why, c.why) {
			t.Errorf("%s: %+v", name, s.Crew)
		}
		asked := proof.Judge(c.records, f, proof.Rules{TwoPeople: true})
		found := false
		for _, r := range asked.Reasons {
			found = found || r.Rule == "people" && r.Cap == proof.L1
		}
		if found != (c.why != "" && len(c.records) > 0) {
			t.Errorf("%s, where two are required: %+v", name, asked.Reasons)
		}
	}
}

func TestSwitchingToTheSameContentProvesRightsOnly(t *testing.T) {
	r := proof.Record{Outcome: proof.Pass, Class: proof.Prod, Slice: proof.Full, From: proof.Content{Digest: "a"}, To: proof.Content{Digest: "a"}}
	if got := r.Earned(); got != proof.L1 {
		t.Errorf("it reached %s", got)
	}
	for slice, want := range map[proof.Slice]proof.Level{proof.Full: proof.L4, proof.Cell: proof.L3, proof.Canary: proof.L3, proof.Shadow: proof.L2} {
		r.To.Digest, r.Slice = "b", slice
		if got := r.Earned(); got != want {
			t.Errorf("a %s in production: %s, want %s", slice, got, want)
		}
	}
	r.Class, r.Slice = proof.ProdLike, proof.Full
	if got := r.Earned(); got != proof.L2 {
		t.Errorf("like production: %s", got)
	}
}
