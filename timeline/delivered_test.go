package timeline_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// A release that is told by its own system, and the rollouts and the configuration that it made, told by the cluster, are one
// change each time it was released.
func TestWhatAReleaseBroughtIsTheRelease(t *testing.T) {
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	release := func(id string, seconds int) providers.Event {
		return providers.Event{Change: &providers.Change{
			ID: id, Kind: providers.KindDeploy, Service: "pricing", Title: "upgrade", Unit: "helm:shop/pricing", From: "pricing-0.1", To: "pricing-0.1",
			EffectiveFrom: at(seconds), Delivers: "release shop/pricing",
		}}
	}
	made := func(id string, kind providers.Kind, seconds int, from, to string) providers.Event {
		return providers.Event{Change: &providers.Change{
			ID: id, Kind: kind, Service: id, Title: id, Unit: "k8s:shop/" + id[:strings.Index(id+"@", "@")], From: from, To: to, EffectiveFrom: at(seconds),
			Within: []string{"application shop", "release shop/pricing"},
		}}
	}
	s := timeline.New(clock)
	s.Put("helm", release("v2", 0), release("v3", 6), release("v4", 3600))
	s.Put("k8s", made("one@2", providers.KindDeploy, 1, "app:1", "app:2"), made("conf@2", providers.KindConfig, 1, "aa", "bb"),
		made("one@3", providers.KindDeploy, 7, "app:2", "app:3"),
		made("one@4", providers.KindDeploy, 3601, "app:3", "app:4"), made("two@4", providers.KindDeploy, 3602, "two:3", "two:4"),
		made("one@5", providers.KindDeploy, 3660, "app:4", "app:5"),
		made("two@5", providers.KindDeploy, 3600+200, "two:4", "two:5"), made("before", providers.KindDeploy, -60, "", "app:1"))

	want := map[string][]string{ // the sources of each change, by its own id
		"v2": {"v2", "conf@2", "one@2"}, "v3": {"v3", "one@3"}, "v4": {"v4", "one@4", "two@4"}, "one@5": {"one@5"}, "two@5": {"two@5"}, "before": {"before"},
	}
	changes := s.Snapshot().Changes(providers.Window{})
	if len(changes) != len(want) {
		t.Errorf("%d changes, want %d", len(changes), len(want))
	}
	for _, c := range changes {
		var got []string
		for _, src := range sources(&c) {
			got = append(got, src.ID)
		}
		if !slices.Equal(got, want[c.ID]) {
			t.Errorf("%s is made of %v, want %v", c.ID, got, want[c.ID])
		}
	}
	v3, _ := s.Snapshot().Change("one@3")
	if v3.ID != "v3" || v3.Unit != "helm:shop/pricing" || v3.From != "app:2" || v3.To != "app:3" {
		t.Errorf("a release with one rollout: %+v", v3)
	}
	if v4, _ := s.Snapshot().Change("v4"); v4.From != "pricing-0.1" {
		t.Errorf("what a release of two workloads went from is told as %s", v4.From)
	}
}

// A reconciler is no unit: what it synced is one change with it only where that is one unit, which can then be taken back.
func TestASyncIsWhatItBroughtWhereThatIsOneUnit(t *testing.T) {
	change := func(id, unit string, seconds int, delivers string) providers.Event {
		c := &providers.Change{ID: id, Kind: providers.KindDeploy, Title: id, Unit: unit, EffectiveFrom: noon.Add(time.Duration(seconds) * time.Second), Delivers: delivers}
		if delivers == "" {
			c.Within = []string{"application shop"}
		}
		return providers.Event{Change: c}
	}
	s := timeline.New(clock)
	s.Put("gitops", change("sync 1", "", 0, "application shop"), change("sync 2", "", 600, "application shop"))
	s.Put("k8s", change("one@1", "k8s:shop/one", 1, ""), change("one@2", "k8s:shop/one", 601, ""), change("two@2", "k8s:shop/two", 602, ""))
	if c, _ := s.Snapshot().Change("one@1"); c.ID != "sync 1" || c.Unit != "k8s:shop/one" {
		t.Errorf("a sync of one unit: %+v", c)
	}
	for _, id := range []string{"sync 2", "one@2", "two@2"} {
		if c, _ := s.Snapshot().Change(id); c.ID != id || len(c.Sources) > 1 {
			t.Errorf("a sync of two units: %s is %+v", id, c)
		}
	}
}
