package timeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// TestQueryIsAPlainFilter compares Query with a loop over everything.
func TestQueryIsAPlainFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := timeline.New(clock)
		for _, r := range reports(t) {
			if r.event.Change != nil { // what is merged is found by the names of all its reports
				r.event.Change.Commit, r.event.Change.Artifacts, r.event.Change.Within = "", nil, nil
			}
			s.Put(r.provider, r.event)
		}
		q := timeline.Query{
			Text:   rapid.SampledFrom([]string{"", "git", "PRICING e1", "argo e2", "nothing"}).Draw(t, "text"),
			Alerts: rapid.Bool().Draw(t, "alerts"), Changes: rapid.Bool().Draw(t, "changes"),
		}
		if rapid.Bool().Draw(t, "since") {
			q.Window.Since = noon.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "from")) * time.Minute)
		}
		if rapid.Bool().Draw(t, "until") {
			q.Window.Until = noon.Add(time.Duration(rapid.IntRange(30, 130).Draw(t, "to")) * time.Minute)
		}
		if rapid.Bool().Draw(t, "kinds") {
			q.Kinds = []providers.Kind{providers.KindDeploy}
		}
		if rapid.Bool().Draw(t, "services") {
			q.Services = []string{"pricing"}
		}
		all := s.Snapshot().Query(timeline.Query{})
		var want []string
		inWindow := 0
		for i := range all.Len() {
			r := all.Row(i)
			if !windowed(q.Window, r) {
				continue
			}
			inWindow++
			if chosen(q, r) {
				want = append(want, fmt.Sprintf("%+v", r))
			}
		}
		v := s.Snapshot().Query(q)
		var got []string
		for i := range v.Len() {
			got = append(got, fmt.Sprintf("%+v", v.Row(i)))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%+v: %s", q, d)
		}
		if v.Hidden() != inWindow-len(want) {
			t.Fatalf("%d hidden of %d, %d shown", v.Hidden(), inWindow, len(want))
		}
	})
}

func windowed(w providers.Window, r timeline.Row) bool {
	if !w.Since.IsZero() && !w.Until.IsZero() && !w.Since.Before(w.Until) {
		return false
	}
	if !r.Alert {
		return w.Contains(r.At)
	}
	return (w.Until.IsZero() || r.At.Before(w.Until)) && (w.Since.IsZero() || r.End.IsZero() || r.End.After(w.Since) || !r.At.Before(w.Since))
}

func chosen(q timeline.Query, r timeline.Row) bool {
	alerts, changes := q.Alerts || !q.Changes, q.Changes || !q.Alerts
	if len(q.Kinds) > 0 {
		alerts, changes = q.Alerts, true
	}
	if (r.Alert && !alerts) || (!r.Alert && !changes) {
		return false
	}
	if len(q.Services) > 0 && !slices.Contains(q.Services, r.Service) {
		return false
	}
	text := strings.ToLower(fmt.Sprint(r.ID, " ", r.Kind, " ", r.Service, " ", r.Provider, " ", r.Title))
	for _, w := range strings.Fields(strings.ToLower(q.Text)) {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func TestLookup(t *testing.T) {
	s := timeline.New(clock)
	put := func(provider, id, commit string) providers.Change {
		c := providers.Change{ID: id, Provider: provider, Commit: commit, LandedAt: noon}
		s.Put(provider, providers.Event{Change: &c})
		return c
	}
	a := put("git", "81f2aa", "81f2aa")
	b := put("git", "81f3bb", "")
	put("releases", "r1", "81f2aa")
	put("argo", "same", "")
	put("releases", "same", "")
	s.Put("git", providers.Event{Alert: &providers.Alert{ID: "81f2aa", StartsAt: noon}})
	snap := s.Snapshot()
	for ref, want := range map[string]string{
		"81f2aa": a.ID, "git/81f3bb": b.ID, "81f2": a.ID, timeline.Handle(&b): b.ID, "r1": a.ID, "releases/r1": a.ID,
		timeline.Handle(&providers.Change{Provider: "releases", ID: "r1"}): a.ID, "argo/same": "same",
		"81f": "", "same": "", "": "", "CHG-000000": "", "81f2aaa": "",
	} {
		c, ok := snap.Change(ref)
		if c.ID != want || ok != (want != "") {
			t.Errorf("%q finds %q, want %q", ref, c.ID, want)
		}
	}
	if al, ok := snap.Alert("81f2"); !ok || al.ID != "81f2aa" {
		t.Errorf("alert %+v", al)
	}
}

// released is a landing, its release, the release of another service, and the way back.
func released() (git, rel, other, back providers.Change) {
	git = providers.Change{
		ID: "abc", Provider: "git", Title: "Round prices", Commit: "abc", From: "abb", To: "abc", LandedAt: noon, LandedApproximate: true,
		Author: providers.Author{Name: "ana"}, Assistance: providers.Assistance{State: providers.AssistanceNone},
	}
	rel = providers.Change{
		ID: "r7", Provider: "releases", Title: "release 7", Commit: "abc", Service: "pricing", Unit: "releases:shop/pricing", From: "r5", To: "r7",
		EffectiveFrom: noon.Add(30 * time.Minute), Artifacts: []string{"sha256:1"}, Kind: providers.KindDeploy,
	}
	other, back = rel, rel
	other.ID, other.Service, other.Unit, other.EffectiveFrom = "r8", "orders", "releases:shop/orders", noon.Add(40*time.Minute)
	back.ID, back.Provider, back.Kind, back.EffectiveFrom = "run", "backout", providers.KindRollback, noon.Add(31*time.Minute)
	return git, rel, other, back
}

func TestLandingAndReleaseAreOneEntry(t *testing.T) {
	git, rel, other, back := released()
	s := timeline.New(clock)
	for _, c := range []providers.Change{back, other, rel, git} {
		s.Put(c.Provider, providers.Event{Change: &c})
	}
	all := s.Snapshot().Changes(providers.Window{})
	if len(all) != 3 {
		t.Fatalf("%d entries: the release of another service and the way back are changes of their own", len(all))
	}
	want := git
	want.From, want.To = rel.From, rel.To // what stands on the host, not what the repository calls it
	want.Kind, want.Service, want.Unit, want.EffectiveFrom, want.Artifacts = rel.Kind, rel.Service, rel.Unit, rel.EffectiveFrom, rel.Artifacts
	want.Sources = []providers.Source{{Provider: "git", ID: "abc"}, {Provider: "releases", ID: "r7"}}
	if d := cmp.Diff(want, all[0]); d != "" {
		t.Error(d)
	}
	for _, c := range all {
		if c.ID == other.ID && c.Assistance.State != git.Assistance.State {
			t.Errorf("the same commit on another service: assistance %q, want %q", c.Assistance.State, git.Assistance.State)
		}
	}
}

func TestTakingOneReportBackKeepsTheOther(t *testing.T) {
	git, rel, other, _ := released()
	s := timeline.New(clock)
	for _, c := range []providers.Change{other, rel, git} {
		s.Put(c.Provider, providers.Event{Change: &c})
	}
	s.Retract("releases", "r7")
	if c, ok := s.Snapshot().Change("abc"); !ok || c.Title != git.Title || c.Unit != other.Unit {
		t.Errorf("the landing is lost, or not told of the other release: %+v", c)
	}
	rel.Commit, rel.Artifacts = "def", nil
	s.Put("releases", providers.Event{Change: &rel})
	if c, ok := s.Snapshot().Change("r7"); !ok || len(c.Sources) > 0 {
		t.Errorf("a release of another commit: %+v", c)
	}
}

func TestLanes(t *testing.T) {
	s := timeline.New(clock)
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	for i, k := range []providers.Kind{providers.KindDeploy, providers.KindFlag, providers.KindScale, "", providers.KindDeploy} {
		s.Put("p", providers.Event{Change: &providers.Change{ID: fmt.Sprint(i), Kind: k, LandedAt: at(i * 10)}})
	}
	s.Put("p", providers.Event{Alert: &providers.Alert{ID: "before", StartsAt: at(-60), EndsAt: at(11)}})
	s.Put("p", providers.Event{Alert: &providers.Alert{ID: "open", StartsAt: at(25)}})
	s.Put("p", providers.Event{Alert: &providers.Alert{ID: "over", StartsAt: at(-60), EndsAt: at(0)}})
	got := map[string][]int{}
	for _, l := range s.Snapshot().Lanes(providers.Window{Since: at(0), Until: at(50)}, 5) {
		got[l.Name] = l.Counts
	}
	want := map[string][]int{
		"alerts": {1, 1, 1, 1, 1}, "deploys": {1, 0, 0, 0, 1}, "flags": {0, 1, 0, 0, 0}, "infra": {0, 0, 1, 0, 0}, "other": {0, 0, 0, 1, 0},
		"config": {0, 0, 0, 0, 0}, "migrations": {0, 0, 0, 0, 0},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
