package timeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/file"
	"github.com/backout-dev/backout/timeline"
)

// appendLine adds a line to a file.
func appendLine(t *testing.T, path, line string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, line); err != nil {
		t.Fatal(err)
	}
}

// following is a feed of one file, which ends with the test.
func following(t *testing.T, path string) (*timeline.Store, *timeline.Feed) {
	t.Helper()
	p, err := file.Factory().New(providers.Environment{Name: "feed", Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{}}, func(into any) error {
		b, err := json.Marshal(map[string]any{"paths": []string{path}, "follow": true})
		if err != nil {
			return err
		}
		return json.Unmarshal(b, into)
	})
	if err != nil {
		t.Fatal(err)
	}
	store, feed, stop := running(t, timeline.FeedOptions{}, p)
	t.Cleanup(func() {
		if err := errors.Join(stop(), p.(*file.Provider).Close()); err != nil {
			t.Error(err)
		}
	})
	return store, feed
}

// TestAFileThatGrowsStandsOnTheTimeline goes from lines of a real file to an incident that closes.
func TestAFileThatGrowsStandsOnTheTimeline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "feed.jsonl")
	now := time.Now().UTC()
	stamp := func(ago time.Duration) string { return now.Add(-ago).Format(time.RFC3339) }
	appendLine(t, path, `{"type":"change","id":"r7","provider":"releases","title":"release 7","service":"pricing","commit":"abc","effective_from":"`+stamp(time.Hour)+`"}`)
	appendLine(t, path, `{"type":"change","id":"abc","provider":"git","title":"Round prices","commit":"abc","landed_at":"`+stamp(2*time.Hour)+`"}`)
	appendLine(t, path, `{"type":"alert","id":"a1","name":"HighErrors","service":"pricing","starts_at":"`+stamp(50*time.Minute)+`"}`)
	store, feed := following(t, path)
	<-feed.Backfilled()
	snap := store.Snapshot()
	if c, ok := snap.Change("abc"); !ok || len(c.Sources) != 2 || c.Service != "pricing" || c.Title != "Round prices" || snap.Len() != 2 {
		t.Fatalf("two indexed lines of one change: %d lines, %+v", snap.Len(), c)
	}
	if list := snap.Incidents(); len(list) != 1 || !list[0].Open() {
		t.Fatalf("incidents %+v", list)
	}
	appendLine(t, path, `{"type":"alert","id":"a1","name":"HighErrors","service":"pricing","starts_at":"`+stamp(50*time.Minute)+`","ends_at":"`+stamp(time.Minute)+`"}`)
	for deadline := time.Now().Add(20 * time.Second); ; {
		if list := store.Snapshot().Incidents(); len(list) == 1 && !list[0].Open() {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still open: %+v", store.Snapshot().Incidents())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if h := health(feed, "feed"); h.State != providers.HealthOK {
		t.Errorf("health %+v", h)
	}
}
