package file_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

// A thousand rules, each with a condition in CEL that is evaluated, of which one in ten speaks.
func BenchmarkAnswer(b *testing.B) {
	var text strings.Builder
	text.WriteString(head + "rules:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: r%d, when: {env: prod}, if: \"size(units) > %d && plan.level < 3\", require: {approve: 1, from: {group: sre}}}\n", i, i%10)
	}
	p, err := file.Parse("p", []byte(text.String()))
	if err != nil {
		b.Fatal(err)
	}
	set := file.NewSet(nil, p)
	s := policy.Situation{
		Action: policy.ActionRollback, Direction: policy.Back, Actor: policy.Principal{ID: "ana", Kind: policy.Human},
		Units: []policy.UnitFacts{{ID: "k8s:prod/shop", Environment: "prod"}}, Now: file.Noon(),
	}
	for b.Loop() {
		if a := set.Answer(s); len(a.Needs) != 100 {
			b.Fatalf("%d needs", len(a.Needs))
		}
	}
}
