package proof_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/proof"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// world is one unit that was taken back in production three days ago, and of which all is known and as it was then.
func world() ([]proof.Record, proof.Facts, proof.Rules) {
	m := proof.Mechanism{Name: "switch a link", Version: "1", Controller: "c1", Strategy: "s1", Keeps: 10}
	r := proof.Record{
		ID: "RUN-0007 u:a/b", Run: "RUN-0007", Kind: "incident", Unit: "u:a/b", Environment: "prod", Class: proof.Prod, Slice: proof.Full,
		Mechanism: m, From: proof.Content{Digest: "f"}, To: proof.Content{Digest: "t"}, Distance: 1, Change: "image only",
		Together: []string{"u:a/c"}, Owners: []string{"argo"}, Copies: 3, People: proof.People{Executor: "ana"}, Outcome: proof.Pass,
		Times: proof.Times{Approved: now.Add(-3*day - 41*time.Second), Verified: now.Add(-3 * day), Ended: now.Add(-3 * day)},
	}
	f := proof.Facts{
		Now: now, Unit: r.Unit, Tier: 1, From: proof.Content{Digest: "f2"}, To: proof.Content{Digest: "t2"}, Distance: 1, Change: "image only",
		Mechanism: m, Copies: 3, Together: []string{"u:a/c"}, Runnable: proof.Yes(), Reversible: proof.Yes(), Coupling: proof.Yes(),
		OwnersSeen: true, Owners: []string{"argo"}, Began: []time.Time{now.Add(-day)}, Complete: now.Add(-100 * day),
	}
	return []proof.Record{r}, f, proof.Rules{}
}

func TestWhatAProofLosesBy(t *testing.T) {
	older := func(r proof.Record, outcome proof.Outcome, ago time.Duration) proof.Record {
		r.ID, r.Run, r.Outcome, r.Times.Verified, r.Times.Ended = r.ID+"'", "RUN-0008", outcome, time.Time{}, now.Add(-ago)
		return r
	}
	type change func(r *[]proof.Record, f *proof.Facts, rules *proof.Rules)
	for name, c := range map[string]struct {
		do    change
		level proof.Level
		words string
	}{
		"nothing":               {func(*[]proof.Record, *proof.Facts, *proof.Rules) {}, proof.L4, "tested L4 3d ago by ana, 41s"},
		"no proof":              {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) { *r = nil }, proof.L1, "untested"},
		"no proof of this unit": {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Unit = "u:other" }, proof.L1, "untested"},
		"I1 version":            {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Mechanism.Version = "2" }, proof.L1, "another way"},
		"I1 controller":         {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Mechanism.Controller = "c2" }, proof.L1, "another version"},
		"I1 strategy":           {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Mechanism.Strategy = "s2" }, proof.L1, "settings"},
		"I1 fewer kept":         {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Mechanism.Keeps = 9 }, proof.L1, "fewer revisions"},
		"more kept":             {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Mechanism.Keeps = 20 }, proof.L4, "tested L4"},
		"I1 not recorded": {func(r *[]proof.Record, f *proof.Facts, _ *proof.Rules) {
			(*r)[0].Mechanism, f.Mechanism = proof.Mechanism{}, proof.Mechanism{}
		}, proof.L1, "was not recorded"},
		"I2, I4": {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Runnable = proof.No("release r41 is gone") }, proof.L0, "untested: release r41 is gone"},
		"I3": {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) {
			f.Reversible = proof.No("a column was dropped")
		}, proof.L0, "a column was dropped"},
		"I5 unknown":   {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Coupling = proof.Answer{} }, proof.L1, "what has to go back with it"},
		"I5 alone now": {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Together = nil }, proof.L1, "goes alone now"},
		"I6":           {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Owners = []string{"argo", "flux"} }, proof.L0, "reconciled by argo then, and by argo, flux now"},
		"I6 unseen":    {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.OwnersSeen = false }, proof.L0, "what reconciles it"},
		"I7 failed since": {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) {
			*r = append(*r, older((*r)[0], proof.Fail, day))
		}, proof.L0, "the last time, RUN-0008, it failed"},
		"I7 unverified since": {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) {
			*r = append(*r, older((*r)[0], proof.Unverified, day))
		}, proof.L0, "nobody saw"},
		"failed before": {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) {
			*r = append(*r, older((*r)[0], proof.Fail, 4*day))
		}, proof.L4, "tested L4 3d"},
		"stopped since": {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) {
			*r = append(*r, older((*r)[0], proof.Aborted, day))
		}, proof.L4, "tested L4 3d"},
		"only stopped":  {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) { (*r)[0].Outcome = proof.Aborted }, proof.L1, "untested: RUN-0007 was stopped"},
		"I8":            {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Copies = 2 }, proof.L1, "has 2 now"},
		"I8 unknown":    {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Copies = 0 }, proof.L1, "is not known"},
		"I9":            {func(_ *[]proof.Record, _ *proof.Facts, r *proof.Rules) { r.Rotation = []string{"bob"} }, proof.L1, "on call any more"},
		"still on call": {func(_ *[]proof.Record, _ *proof.Facts, r *proof.Rules) { r.Rotation = []string{"bob", "ana"} }, proof.L4, "tested"},
		"too old":       {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) { (*r)[0].Times.Verified = now.Add(-45 * day) }, proof.L1, "untested: the last proof is 45 days old (30 days allowed)"},
		"not too old for tier 2": {func(r *[]proof.Record, f *proof.Facts, _ *proof.Rules) {
			(*r)[0].Times.Verified, f.Tier = now.Add(-45*day), 2
		}, proof.L4, "tested L4 45d"},
		"tier unknown": {func(r *[]proof.Record, f *proof.Facts, _ *proof.Rules) {
			(*r)[0].Times.Verified, f.Tier = now.Add(-45*day), 0
		}, proof.L1, "45 days old"},
		"rules": {func(_ *[]proof.Record, _ *proof.Facts, r *proof.Rules) { r.Fresh[0] = 2 * day }, proof.L1, "3 days old (2 days allowed)"},
		"too many deployments": {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) {
			for range 26 {
				f.Began = append(f.Began, now.Add(-time.Hour))
			}
		}, proof.L1, "27 deployments since the last proof (25 allowed)"},
		"deployments unknown":     {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Complete = now.Add(-2 * day) }, proof.L1, "how many deployments"},
		"from the future":         {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) { (*r)[0].Times.Verified = now.Add(time.Hour) }, proof.L1, "cannot be told"},
		"another class of change": {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Change = "image and configuration" }, proof.L1, "another class of change"},
		"farther back":            {func(_ *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Distance = 2 }, proof.L1, "for 1 back, and this is 2"},
		"unknown class, the same two contents": {func(r *[]proof.Record, f *proof.Facts, _ *proof.Rules) {
			f.Change, f.Distance, f.From, f.To = "", 0, (*r)[0].From, (*r)[0].To
		}, proof.L4, "tested"},
		"unknown class, other contents": {func(r *[]proof.Record, f *proof.Facts, _ *proof.Rules) { f.Change, (*r)[0].Change = "", "" }, proof.L1, "other contents"},
		"a canary":                      {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) { (*r)[0].Slice = proof.Canary }, proof.L3, "tested L3"},
		"like production": {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) {
			(*r)[0].Class, (*r)[0].Environment = proof.ProdLike, "preprod"
		}, proof.L2, "untested: it was executed in preprod only, which gives L2"},
		"staging": {func(r *[]proof.Record, _ *proof.Facts, _ *proof.Rules) { (*r)[0].Class = proof.Staging }, proof.L1, "untested"},
	} {
		records, facts, rules := world()
		c.do(&records, &facts, &rules)
		s := proof.Judge(records, facts, rules)
		if s.Level != c.level || !strings.Contains(s.Words(now), c.words) {
			t.Errorf("%s: %s %q, want %s %q (%v)", name, s.Level, s.Words(now), c.level, c.words, s.Reasons)
		}
	}
}

func TestTheBestProofCounts(t *testing.T) {
	records, facts, rules := world()
	newer := records[0]
	newer.ID, newer.Run, newer.Class, newer.Times.Verified = "RUN-0009", "RUN-0009", proof.Staging, now.Add(-time.Hour)
	if s := proof.Judge([]proof.Record{newer, records[0]}, facts, rules); s.Level != proof.L4 || s.Proof.Run != "RUN-0007" {
		t.Errorf("a later one in staging hides it: %+v", s)
	}
	newer.Class = proof.Prod
	if s := proof.Judge([]proof.Record{records[0], newer}, facts, rules); s.Proof.Run != "RUN-0009" {
		t.Errorf("of equals the newer one counts: %+v", s.Proof)
	}
}

func TestAgesDoNotChangeTheKey(t *testing.T) {
	records, facts, rules := world()
	first := proof.Judge(records, facts, rules)
	facts.Now = facts.Now.Add(5 * day)
	second := proof.Judge(records, facts, rules)
	if first.Key() != second.Key() || first.Words(now) == second.Words(facts.Now) {
		t.Errorf("keys %q and %q, words %q and %q", first.Key(), second.Key(), first.Words(now), second.Words(facts.Now))
	}
	facts.Now = facts.Now.Add(40 * day)
	if third := proof.Judge(records, facts, rules); third.Key() == first.Key() {
		t.Errorf("it does not count any more, and the key is still %q", third.Key())
	}
}
