package session

import (
	"sort"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// How many events are decoded at once. An incident that stays open for weeks in a busy place has hundreds of thousands of
// changes before and in it, and those that are nearest in time tell nearly all there is to tell. Where nothing is left out
// the answer is the same as without a limit.
const (
	candidatesBefore, candidatesAfter = 750, 250   // of a ranking, around the onset
	rankedAlerts                      = 500        // the first ones
	contextBefore, contextAfter       = 2000, 3000 // of the rules of a plan, around the change that goes back
)

// near decodes the changes of a window that are nearest to a moment, sorted by time, then id: at most so many until then
// and so many after it.
func near(snap *timeline.Snapshot, w providers.Window, at time.Time, before, after int) []providers.Change {
	v := snap.Query(timeline.Query{Window: w, Changes: true})
	older := sort.Search(v.Len(), func(i int) bool { return !v.Row(i).At.After(at) })
	return changesOf(v, max(0, older-after), min(v.Len(), older+before))
}

// newest decodes the last changes of a window, sorted by time, then id.
func newest(snap *timeline.Snapshot, w providers.Window, n int) []providers.Change {
	v := snap.Query(timeline.Query{Window: w, Changes: true})
	return changesOf(v, 0, min(v.Len(), n))
}

func changesOf(v *timeline.View, from, to int) []providers.Change {
	var out []providers.Change
	for i := to - 1; i >= from; i-- {
		if ev, err := v.Event(i); err == nil && ev.Change != nil {
			out = append(out, *ev.Change)
		}
	}
	return out
}

// newestAlerts decodes the alerts of a window that began last, sorted by start, then id.
func newestAlerts(snap *timeline.Snapshot, w providers.Window, n int) []providers.Alert {
	v := snap.Query(timeline.Query{Window: w, Alerts: true})
	var out []providers.Alert
	for i := min(v.Len(), n) - 1; i >= 0; i-- {
		if ev, err := v.Event(i); err == nil && ev.Alert != nil {
			out = append(out, *ev.Alert)
		}
	}
	return out
}
