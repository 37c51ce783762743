package kubernetes

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
)

// Two consoles that watch the same cluster write down what each of them saw, over and over, without a look at what the other
// wrote: nothing of either is lost, and what one never learned anew does not undo what the other did.
func TestTwoChroniclesLoseNothing(t *testing.T) {
	kept := &providertest.Archive{}
	open := func() *chronicle {
		m := newChronicle(providers.Environment{Name: "k8s", Archive: kept, Log: slog.New(slog.DiscardHandler)}, "https://here")
		if err := m.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		return m
	}
	at := place{"configmap", "shop", "settings"}
	first := open()
	first.note(at, version{Digest: "sha256:old"})
	if err := first.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mine, theirs := open(), open()
	var both sync.WaitGroup
	for i, m := range []*chronicle{mine, theirs} {
		both.Go(func() {
			for n := range 20 {
				c := providers.Change{ID: fmt.Sprintf("%d-%d", i, n), EffectiveFrom: time.Unix(int64(n), 0)}
				m.keep(at, c)
				m.sight(at, fmt.Sprintf("sha256:%d-%d", i, n%2), sighting{UID: "u", At: time.Unix(int64(n), 0), For: time.Duration(n)})
				if err := m.keepContent(t.Context(), at, content{Digest: fmt.Sprintf("sha256:%d-%d", i, n%5), Data: []byte("{}")}); err != nil {
					t.Error(err)
				}
				if err := m.flush(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	theirs.note(at, version{Digest: "sha256:new"}) // mine holds the old one still, and did not see it anew
	both.Wait()
	if err := theirs.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	mine.keep(at, providers.Change{ID: "last", EffectiveFrom: time.Unix(99, 0)})
	if err := mine.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	whole(t, open(), at)
	keys := map[string]bool{}
	for _, m := range []*chronicle{mine, theirs, open()} {
		key, err := m.secretKey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		keys[string(key)] = true
	}
	if len(keys) != 1 {
		t.Errorf("%d keys", len(keys))
	}
}

// whole checks what both wrote.
func whole(t *testing.T, after *chronicle, at place) {
	t.Helper()
	if v := after.last(at); v == nil || v.Digest != "sha256:new" {
		t.Errorf("it is known to hold %+v", v)
	}
	for i := range 2 {
		for n := range 20 {
			if !slices.ContainsFunc(after.all(at), func(c providers.Change) bool { return c.ID == fmt.Sprintf("%d-%d", i, n) }) {
				t.Errorf("the change %d-%d is lost", i, n)
			}
		}
	}
	if n := len(after.objects[at].Served); n != 4 {
		t.Errorf("%d sightings", n)
	}
	if held, err := after.contents(t.Context(), at); err != nil || len(held) != 10 {
		t.Errorf("%d contents, %v", len(held), err)
	}
}
