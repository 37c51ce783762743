package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback/policy"
)

func TestDecide(t *testing.T) {
	ana := policy.Principal{ID: "ana", Kind: policy.Human}
	base := policy.Facts{Principal: ana, Tier: "prod", Verdict: "independent", Units: []string{"releases:prod/pricing"}}
	with := func(change func(*policy.Facts)) policy.Facts { f := base; change(&f); return f }
	cases := map[string]struct {
		facts   policy.Facts
		allowed bool
		confirm policy.Confirm
		name    string
		reason  string
	}{
		"prod asks for the name":         {base, true, policy.ConfirmName, "pricing", ""},
		"staging asks for one key":       {with(func(f *policy.Facts) { f.Tier = "staging" }), true, policy.ConfirmYes, "", ""},
		"dev asks for one key":           {with(func(f *policy.Facts) { f.Tier = "dev" }), true, policy.ConfirmYes, "", ""},
		"an unknown tier counts as prod": {with(func(f *policy.Facts) { f.Tier = "moon" }), true, policy.ConfirmName, "pricing", ""},
		"a shared last segment needs the whole id": {
			with(func(f *policy.Facts) { f.Known = []string{"flags:prod/pricing", "releases:prod/pricing"} }),
			true, policy.ConfirmName, "releases:prod/pricing", "",
		},
		"the first unit's name": {
			with(func(f *policy.Facts) { f.Units = []string{"releases:prod/storefront", "releases:prod/pricing"} }),
			true, policy.ConfirmName, "storefront", "",
		},
		"an agent may not confirm": {
			with(func(f *policy.Facts) { f.Principal.Kind = policy.Agent }), false, policy.ConfirmName, "pricing", "agent",
		},
		"nobody may not confirm": {
			with(func(f *policy.Facts) { f.Principal = policy.Principal{} }), false, policy.ConfirmName, "pricing", "nobody said",
		},
		"an automation may": {with(func(f *policy.Facts) { f.Principal.Kind = policy.Automation }), true, policy.ConfirmName, "pricing", ""},
		"what is destroyed is asked for": {
			with(func(f *policy.Facts) { f.Tier, f.Destroys = "dev", []string{"pvc/data-0"} }), true, policy.ConfirmYes, "", "",
		},
		"blocked":             {with(func(f *policy.Facts) { f.Verdict = "blocked" }), false, policy.ConfirmName, "pricing", "blocked"},
		"irreversible":        {with(func(f *policy.Facts) { f.Verdict = "irreversible" }), false, policy.ConfirmName, "pricing", "irreversible"},
		"no-op":               {with(func(f *policy.Facts) { f.Verdict = "no-op" }), false, policy.ConfirmName, "pricing", "nothing to do"},
		"a missing right":     {with(func(f *policy.Facts) { f.Missing = []string{"write access to /srv"} }), false, policy.ConfirmName, "pricing", "/srv"},
		"untested is allowed": {with(func(f *policy.Facts) { f.Untested = f.Units }), true, policy.ConfirmName, "pricing", "untested"},
		"coupled is allowed":  {with(func(f *policy.Facts) { f.Verdict = "coupled" }), true, policy.ConfirmName, "pricing", ""},
		"unknown is never one key": {
			with(func(f *policy.Facts) { f.Verdict, f.Tier = "unknown", "dev" }), true, policy.ConfirmName, "pricing", "a reason is needed",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := policy.Decide(c.facts)
			if d.Allowed != c.allowed || d.Confirm != c.confirm || d.Name != c.name {
				t.Errorf("got %+v, want allowed %v, confirm %q, name %q", d, c.allowed, c.confirm, c.name)
			}
			if !strings.Contains(strings.Join(d.Reasons, "\n"), c.reason) {
				t.Errorf("reasons %q do not say %q", d.Reasons, c.reason)
			}
			if !slices.Equal(d.Destroys, c.facts.Destroys) {
				t.Errorf("destroys %q, want %q in every tier", d.Destroys, c.facts.Destroys)
			}
			if (c.facts.Verdict == "unknown") != d.NeedsReason {
				t.Errorf("needs a reason: %v", d.NeedsReason)
			}
		})
	}
}
