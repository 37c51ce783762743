//go:build unix

package releases

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
)

func all(t testing.TB, p *Provider) []providers.Change {
	t.Helper()
	var out []providers.Change
	for c, err := range p.Changes(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

func labelled(t testing.TB, obs rollback.Observation, label string) rollback.Revision {
	t.Helper()
	i := slices.IndexFunc(obs.History, func(r rollback.Revision) bool { return r.Label == label })
	if i < 0 {
		t.Fatalf("no %s in %+v", label, obs.History)
	}
	return obs.History[i]
}

func (s *shop) log(lines ...string) {
	s.must(os.WriteFile(filepath.Join(s.base, "revisions.log"), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

const commit41, commit42 = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"

// What was put beside the others and never switched to is told apart from what may have served, of which nothing is known.
func TestAReleaseThatWasOnlyStagedNeverServed(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	for _, logged := range []bool{false, true} {
		s := newShop(t, t.TempDir())
		for label, ago := range map[string]time.Duration{"r40": 30 * time.Hour, "r41": 9 * time.Hour, "broken": 5 * time.Hour, "r42": 2 * time.Hour, "r43": time.Minute} {
			s.release(label, "a", label)
			at := now.Add(-ago)
			s.must(os.Chtimes(s.dir(label), at, at))
		}
		if logged {
			at := func(d time.Duration) string { return now.Add(-d).Format(time.RFC3339) }
			s.log(at(9*time.Hour)+" release r41 commit abcdef0 by ingrid", at(time.Hour)+" release r42 commit abcdef1 by mei")
		}
		s.deployedAt("r42", now.Add(-time.Hour))
		obs := observe(t, s.provider())
		// r40 is older than everything that is known; broken is too, unless there is a log that goes back further.
		for label, want := range map[string]bool{"r40": false, "r41": false, "broken": logged, "r43": true} {
			if got := labelled(t, obs, label).Staged; got != want {
				t.Errorf("with a log %v: %s is known never to have served: %v, want %v", logged, label, got, want)
			}
		}
		if obs.Current.Staged {
			t.Error("what serves now never served")
		}
	}
}

func TestALogWithTimesSaysWhatServedHowLong(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	s := newShop(t, t.TempDir())
	s.release("r40", "a", "0")
	s.release("r41", "a", "1", "release.json", `{"title":"Faster prices","author":{"name":"mei","kind":"human"},"change_set":"#7","commit":"`+commit41+`"}`)
	s.release("r42", "a", "2", "REVISION", commit42+"\n")
	s.release("r43", "a", "never served", "release.json", `{"released_at":"`+now.Add(time.Hour).Format(time.RFC3339)+`"}`)
	at := func(d time.Duration) string { return now.Add(-d).Format(time.RFC3339) }
	s.log(at(9*time.Hour)+" release r40 commit abcdef0 by ingrid", at(4*time.Hour)+" release r41 commit "+commit41+" by mei", "not a line",
		at(3*time.Hour+55*time.Minute)+" release r40 commit abcdef0 by ingrid", at(20*time.Minute)+" release r42 commit "+commit42+" by tomas")
	s.deployedAt("r42", now.Add(-20*time.Minute).Add(300*time.Millisecond))
	p := s.provider()

	obs := observe(t, p)
	r40, r41 := labelled(t, obs, "r40"), labelled(t, obs, "r41")
	if len(r40.Good) != 2 || !strings.HasPrefix(r40.Good[0], "served 3h3") || len(r41.Good) != 0 {
		t.Errorf("r40 %v; r41, which served 5 minutes and was taken back, %v", r40.Good, r41.Good)
	}
	if obs.Current.Commit != commit42 || !r41.Until.Equal(now.Add(-3*time.Hour-55*time.Minute)) {
		t.Errorf("current %+v, r41 %+v", obs.Current, r41)
	}
	if g := labelled(t, obs, "r43").Good; len(g) != 0 {
		t.Errorf("a release that never served is known good: %v", g)
	}
	var got []string
	for _, c := range all(t, p) {
		got = append(got, fmt.Sprintf("%s %s %s>%s %s %s", c.Kind, c.Title, c.From, c.To, c.Author.Name, c.Commit))
	}
	want := []string{
		"deploy release r40 went live >r40 ingrid abcdef0",
		"deploy Faster prices r40>r41 mei " + commit41,
		"rollback back to release r40 r41>r40 ingrid ",
		"deploy release r42 went live r40>r42 tomas " + commit42,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestALogWithoutTimesClaimsOnlyWhatTheNamesSay(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	a, b := now.Add(-5*time.Hour).Format("20060102150405"), now.Add(-time.Hour).Format("20060102150405")
	s := newShop(t, t.TempDir())
	s.release(a, "a", "0")
	s.release(b, "a", "1")
	s.log("Branch main (at 1234abc) deployed as release "+a+" by mei", "Branch main (at 5678def) deployed as release "+b+" by mei")
	s.deployedAt(b, now.Add(-58*time.Minute))
	p := s.provider()
	changes := all(t, p)
	if len(changes) != 2 || !changes[0].LandedApproximate || !changes[0].EffectiveFrom.IsZero() || changes[1].EffectiveFrom.IsZero() || changes[1].Commit != "5678def" {
		t.Errorf("got %+v", changes)
	}
	if g := labelled(t, observe(t, p), a).Good; len(g) != 1 || !strings.HasPrefix(g[0], "served about 4h02m") {
		t.Errorf("got %q", g)
	}
	// Somebody went back at some time, nobody knows when: now the log says nothing about how long anything served.
	s.log("Branch main (at 1234abc) deployed as release "+a+" by mei", "mei rolled back to release "+a, "Branch main (at 5678def) deployed as release "+b+" by mei")
	if g := labelled(t, observe(t, p), a).Good; len(g) != 0 {
		t.Errorf("got %q", g)
	}
}

func TestDirectoriesAloneAreNoEvidence(t *testing.T) {
	s := twoReleases(t)
	old := time.Now().Add(-24 * time.Hour)
	s.must(os.Chtimes(s.dir("r41"), old, old))
	p := s.provider()
	if r := labelled(t, observe(t, p), "r41"); len(r.Good) != 0 || !r.Since.IsZero() {
		t.Errorf("got %+v", r)
	}
	if c := all(t, p); len(c) != 1 || c[0].To != "r42" || c[0].From != "" {
		t.Errorf("got %+v", c)
	}
}

// What one process saw is there for the next, with the same ids, when the host itself has forgotten it.
func TestTheArchiveRemembers(t *testing.T) {
	s := twoReleases(t)
	s.deployedAt("r41", time.Now().Add(-time.Hour))
	archive := &providertest.Archive{}
	first := made(t, archive, s.settings())
	before := all(t, first)
	s.deploy("r42")
	if err := os.RemoveAll(s.dir("r41")); err != nil {
		t.Fatal(err)
	}
	changes := all(t, made(t, archive, s.settings()))
	if len(changes) != 2 || changes[0].ID != before[0].ID || changes[0].Artifacts[0] == "" || changes[0].Artifacts[0] != before[0].Artifacts[0] {
		t.Errorf("before %+v, after %+v", before, changes)
	}
}

func TestOurOwnSwitchIsARollbackInTheHistory(t *testing.T) {
	s := twoReleases(t)
	s.deployedAt("r41", time.Now().Add(-2*time.Hour))
	archive := &providertest.Archive{}
	p := made(t, archive, s.settings())
	all(t, p)
	s.deployedAt("r42", time.Now().Add(-time.Hour))
	step := way(t, p, "r41")
	if res := apply(t, p, "op1", step); res.Outcome != rollback.Applied {
		t.Fatal(res)
	}
	// Also in a process that was not there: the stamp is in the release.
	for _, p := range []*Provider{p, made(t, archive, s.settings())} {
		changes := all(t, p)
		last := changes[len(changes)-1]
		if last.Kind != providers.KindRollback || last.From != "r42" || last.To != "r41" || !strings.Contains(last.Title, "op1") || !slices.Equal(last.Reverts, []string{changes[len(changes)-2].ID}) {
			t.Errorf("got %+v", last)
		}
		if g := labelled(t, observe(t, p), "r42").Good; len(g) != 0 {
			t.Errorf("what was just taken back is known good: %v", g)
		}
	}
	if d := step.To; observe(t, p).Current.Digest != d {
		t.Error("the stamp changed the content's digest")
	}
}

// After a rollback that somebody undid, what served well for hours is still known good, and still the commit that the log
// says, although the newest that is known of it is backout's own switch, which says neither.
func TestARollbackThatWasUndoneTakesNothingFromItsTarget(t *testing.T) {
	s := twoReleases(t)
	now := time.Now().UTC().Truncate(time.Second)
	at := func(d time.Duration) string { return now.Add(-d).Format(time.RFC3339) }
	s.log(at(5*time.Hour)+" release r41 commit "+commit41+" by mei", at(time.Hour)+" release r42 commit "+commit42+" by tomas")
	s.deployedAt("r42", now.Add(-time.Hour))
	archive := &providertest.Archive{}
	p := made(t, archive, s.settings())
	if r41 := labelled(t, observe(t, p), "r41"); r41.Commit != commit41 || len(r41.Good) == 0 {
		t.Fatalf("before: %+v", r41)
	}
	if res := apply(t, p, "op1", way(t, p, "r41")); res.Outcome != rollback.Applied {
		t.Fatal(res)
	}
	observe(t, p)
	s.deploy("r42")
	for _, p := range []*Provider{p, made(t, archive, s.settings())} {
		obs := observe(t, p)
		if r41 := labelled(t, obs, "r41"); r41.Commit != commit41 || len(r41.Good) == 0 {
			t.Errorf("after: %+v", r41)
		}
		if obs.Current.Label != "r42" || obs.Current.Commit != commit42 {
			t.Errorf("serves %+v", obs.Current)
		}
	}
}

func TestASwitchIsSeenWhileWatching(t *testing.T) {
	s := twoReleases(t)
	p := s.provider()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan providers.Change, 8)
	ended := make(chan struct{})
	looking := make(chan struct{}, 1)
	p.archive = &told1{Archive: p.archive, put: looking}
	go func() {
		defer close(ended)
		for ev, err := range p.Watch(ctx) {
			if err == nil {
				seen <- *ev.Change
			}
		}
	}()
	<-looking
	s.deploy("r41")
	if c := <-seen; c.To != "r41" || c.From != "r42" || len(c.Artifacts) != 1 {
		t.Errorf("got %+v", c)
	}
	cancel()
	<-ended
}

// told1 says when something was put.
type told1 struct {
	providers.Archive
	put chan struct{}
}

func (a *told1) Put(ctx context.Context, provider, key string, data []byte) error {
	err := a.Archive.Put(ctx, provider, key, data)
	if strings.HasPrefix(key, "switch/") {
		select {
		case a.put <- struct{}{}:
		default:
		}
	}
	return err
}
