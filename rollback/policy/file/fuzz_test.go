package file_test

import (
	"errors"
	"testing"

	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

// Whatever is in a file, it is read or refused with a place that the file has, and what is read can be asked.
func FuzzParse(f *testing.F) {
	f.Add([]byte(shop))
	f.Add([]byte(head + "grants: [{name: a, to: {group: sre}, may: [run], hours: {from: \"22:00\", to: \"06:00\", timezone: UTC}}]\n"))
	f.Add([]byte("version: 1\nrules:\n  - name: a\n    if: |\n      units.all(u, units.all(v, u == v))\n    refuse: x\n"))
	f.Add([]byte("version: 1\nrules: [&a {name: a}, *a]\n"))
	f.Add([]byte("{{{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := file.Parse("f", data)
		if err != nil {
			var bad *file.Error
			if !errors.As(err, &bad) || len(bad.Problems) == 0 {
				t.Fatalf("%v is no list of problems", err)
			}
			for _, pr := range bad.Problems {
				if pr.Line < 1 || pr.Column < 1 || pr.Message == "" {
					t.Errorf("%+v has no place", pr)
				}
			}
			return
		}
		set := file.NewSet(nil, p)
		s := policy.Situation{Action: policy.ActionRollback, Actor: policy.Principal{ID: "ana", Kind: policy.Agent}, Units: []policy.UnitFacts{{ID: "x"}}, Now: file.Noon()}
		if a := set.Answer(s); !a.Refused {
			t.Error("an agent runs")
		}
		set.Test()
		p.Temporary()
	})
}
