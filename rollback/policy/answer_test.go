package policy_test

import (
	"slices"
	"testing"

	"github.com/backout-dev/backout/rollback/policy"
)

func TestAnAnswerOnlyTakesAway(t *testing.T) {
	ruling := func(e policy.Effect, m policy.Mode) policy.Ruling {
		return policy.Ruling{Rule: "r", Effect: e, Mode: m, Text: "so"}
	}
	need := &policy.Need{Rule: "r", Any: []policy.Threshold{{Approve: 1, From: policy.Who{Role: "chief"}}}}
	for name, c := range map[string]struct {
		before  policy.Decision
		ruling  policy.Ruling
		allowed bool
		reason  bool
		needs   int
		reasons []string
	}{
		"refused":             {policy.Decision{Allowed: true, Reasons: []string{"untested"}}, ruling(policy.EffectRefuse, policy.ModeDeny), false, false, 0, []string{"rule r: so"}},
		"refused already":     {policy.Decision{Reasons: []string{"blocked"}}, ruling(policy.EffectRefuse, policy.ModeDeny), false, false, 0, []string{"blocked", "rule r: so"}},
		"never allows":        {policy.Decision{Reasons: []string{"blocked"}}, ruling(policy.EffectNote, policy.ModeWarn), false, false, 0, []string{"blocked"}},
		"a warning":           {policy.Decision{Allowed: true}, ruling(policy.EffectRefuse, policy.ModeWarn), true, false, 0, []string{"rule r: so (only warns)"}},
		"an audit":            {policy.Decision{Allowed: true}, ruling(policy.EffectRefuse, policy.ModeAudit), true, false, 0, nil},
		"a note":              {policy.Decision{Allowed: true}, ruling(policy.EffectNote, policy.ModeWarn), true, false, 0, []string{"rule r: so"}},
		"a drill":             {policy.Decision{Allowed: true}, ruling(policy.EffectDrill, policy.ModeDeny), false, false, 0, []string{"rule r: so"}},
		"a reason":            {policy.Decision{Allowed: true}, ruling(policy.EffectReason, policy.ModeDeny), true, true, 0, []string{"rule r: so"}},
		"a reason as before":  {policy.Decision{Allowed: true, NeedsReason: true}, ruling(policy.EffectNote, policy.ModeWarn), true, true, 0, []string{"rule r: so"}},
		"an approval":         {policy.Decision{Allowed: true}, ruling(policy.EffectNeed, policy.ModeDeny), true, false, 1, []string{"rule r: so"}},
		"an approval, warned": {policy.Decision{Allowed: true}, ruling(policy.EffectNeed, policy.ModeWarn), true, false, 0, []string{"rule r: so (only warns)"}},
	} {
		t.Run(name, func(t *testing.T) {
			var a policy.Answer
			a.Add(c.ruling, need)
			d := c.before.With(a)
			if d.Allowed != c.allowed || d.NeedsReason != c.reason || len(d.Needs) != c.needs || !slices.Equal(d.Reasons, c.reasons) || len(d.Rules) != 1 {
				t.Errorf("%+v", d)
			}
		})
	}
}

func TestANeedSaysWhatItAsksFor(t *testing.T) {
	n := policy.Need{Any: []policy.Threshold{{Approve: 2, From: policy.Who{Group: "sre"}}, {Approve: 1, From: policy.Who{Role: "chief", Principal: "cleo"}}, {Approve: 1}}, Not: []string{"requester"}}
	if got := n.String(); got != "2 approvals of group sre, or 1 approval of role chief and principal cleo, or 1 approval of anybody (not by requester)" {
		t.Error(got)
	}
}

func TestWhatIsNotKnownFallsOnTheSafeSide(t *testing.T) {
	f := (&policy.Situation{Tier: "moon", Units: []policy.UnitFacts{{ID: "a"}}}).Facts()
	if f["tier"] != "prod" || f["change.ai"] != "unknown" || f["plan.verdict"] != "unknown" || len(f["env"].([]string)) != 0 {
		t.Errorf("%v", f)
	}
	for _, k := range policy.KnownFacts() {
		if _, ok := f[k.Path]; !ok {
			t.Errorf("%s is told of and never read", k.Path)
		}
	}
	if known := policy.KnownFacts(); len(f) != len(known) || !slices.IsSortedFunc(known, func(a, b policy.Fact) int { return slices.Compare([]string{a.Path}, []string{b.Path}) }) {
		t.Errorf("%d facts are read, %d are told of", len(f), len(known))
	}
}
