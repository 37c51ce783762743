package main

import (
	"slices"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// What went back is told by the units, not by how the rollback was asked for.
func TestWhatARunTookBack(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 24, hour, 0, 0, 0, time.UTC) }
	change := func(id, unit, to string, hour int) providers.Change {
		return providers.Change{ID: id, Unit: unit, To: to, EffectiveFrom: at(hour), Artifacts: []string{"sha256:" + to}}
	}
	changes := []providers.Change{
		change("older", "r:pricing", "r1", 1), change("between", "r:pricing", "r2", 3), change("bad", "r:pricing", "r3", 4),
		change("other unit", "r:orders", "r3", 4), change("later", "r:pricing", "r3", 9),
		{ID: "of nothing", EffectiveFrom: at(4)},
	}
	from := rollback.Revision{Digest: "sha256:r3", Label: "r3"}
	for name, c := range map[string]struct {
		change string
		to     rollback.Revision
		want   []string
	}{
		"only the unit is named":           {"", rollback.Revision{Until: at(3)}, []string{"between", "bad"}},
		"the change is named":              {"bad", rollback.Revision{Until: at(4)}, []string{"bad"}},
		"until when it served is unknown":  {"", rollback.Revision{}, []string{"bad"}},
		"one of them alone was taken out":  {"", rollback.Revision{Until: at(3), Without: []string{"sha256:r2"}}, []string{"between"}},
		"a change that is not on the line": {"gone from it", rollback.Revision{Until: at(5)}, []string{"gone from it"}},
	} {
		run := rollback.Run{AppliedAt: at(5), Plan: rollback.Plan{Change: c.change, Units: []rollback.UnitPlan{{Unit: rollback.Unit{ID: "r:pricing"}, From: from, To: c.to}}}}
		if got := tookBack(&run, changes); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	bare := providers.Change{ID: "bare", Unit: "r:pricing", To: "r3", EffectiveFrom: at(4)}
	run := rollback.Run{AppliedAt: at(5), Plan: rollback.Plan{Units: []rollback.UnitPlan{{Unit: rollback.Unit{ID: "r:pricing"}, From: from}}}}
	if got := tookBack(&run, []providers.Change{bare}); !slices.Equal(got, []string{"bare"}) {
		t.Errorf("a change that tells no digest: %v", got)
	}
}
