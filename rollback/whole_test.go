package rollback_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback"
)

// A release and the workload that it brought carry the same change. They are not two units that go back one after the other:
// the workload goes back with its release, and alone it is said to be a part of it.
func TestWhatAReleaseBringsGoesBackWithIt(t *testing.T) {
	b := newBench(t)
	b.pricing().delivers = "release prod/pricing"
	part := b.target.add("workload", rev("d9", "bad", 9), rev("d8", "c8", 90))
	part.owners = []string{"application shop", "release prod/pricing"}
	p := b.plan(t, rollback.Request{})
	if got := labels(p); !slices.Equal(got, []string{"pricing r42>r41"}) {
		t.Errorf("with the release goes %v", got)
	}
	if f := finding(t, p, "pricing", "H"); f.Verdict != rollback.Independent {
		t.Errorf("the release alone: %+v", f)
	}
	p = b.plan(t, rollback.Request{Unit: part.unit.ID})
	if got := labels(p); !slices.Equal(got, []string{"workload d9>d8"}) {
		t.Errorf("with the workload goes %v", got)
	}
	if f := finding(t, p, "workload", "H"); f.Verdict != rollback.Conditional || !strings.Contains(f.Text, "fake:prod/pricing") {
		t.Errorf("a part of a release: %+v", f)
	}
}
