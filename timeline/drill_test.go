package timeline_test

import (
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// A source that sees a drill's way forward takes it for a deployment; it is the drill's, and the real deployment stays apart.
func TestADrillIsNoDeployment(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	report := func(id, provider string, kind providers.Kind, at time.Time) providers.Event {
		return providers.Event{Change: &providers.Change{
			ID: id, Provider: provider, Kind: kind, Service: "oven", Unit: "releases:bakery/oven", To: "r41", Artifacts: []string{"sha256:a"}, EffectiveFrom: at,
		}}
	}
	s := timeline.New(func() time.Time { return now })
	s.Put("releases", report("d1", "releases", providers.KindDeploy, now.Add(-70*time.Second)), report("d2", "releases", providers.KindDeploy, now.Add(-time.Minute)))
	half := report("RUN-0002", "backout", providers.KindDrill, now.Add(-time.Minute+time.Second))
	half.Change.LandedAt = now.Add(-time.Minute) // the source's clock knows whole seconds
	s.Put("backout", half)
	v := s.Snapshot().Query(timeline.Query{Changes: true})
	kinds := map[providers.Kind]int{}
	for i := range v.Len() {
		e, err := v.Event(i)
		if err != nil {
			t.Fatal(err)
		}
		kinds[e.Change.Kind]++
	}
	if kinds[providers.KindDrill] != 1 || kinds[providers.KindDeploy] != 1 {
		t.Errorf("%v", kinds)
	}
}
