package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/timeline"
)

// Sources such as Alertmanager forget an alert when it is over, and the people who write the post-incident timeline come
// later. So the alerts that were seen are kept, bounded in age and number.
const (
	historyOwner  = "session"
	historyPrefix = "alerts "
	historyAge    = 30 * 24 * time.Hour
	historyMax    = 2000
)

// history is what is known of the alerts of earlier processes.
type history struct {
	mu   sync.Mutex
	open []providers.Alert // that were open when they were last seen, and whose source has not spoken of them since
}

// keepAlerts writes down the alerts that are on the timeline. Losing the file loses what the sources forgot, nothing else.
func (s *Session) keepAlerts(ctx context.Context) {
	if s.opts.File != "" || s.NoRecord != nil {
		return
	}
	now := s.opts.Now().UTC()
	snap := s.Timeline.Snapshot()
	all := addAlerts(s.keptAlerts(ctx), newestAlerts(snap, providers.Window{Since: now.Add(-historyAge)}, historyMax), snap.Incidents())
	all = boundAlerts(all, now)
	data, err := json.Marshal(all)
	if err == nil && len(all) > 0 {
		err = s.archive().Put(ctx, historyOwner, s.historyKey(), data)
	}
	if err != nil {
		s.opts.Log.Warn("alerts that were seen cannot be kept", "error", err)
	}
}

// addAlerts brings the kept alerts up to date. Their order is the one in which somebody learned of them, and of those that
// come together the one that an incident has its id from stands first: a process that learns of them in this order gives
// the incident the same id.
func addAlerts(kept, seen []providers.Alert, incidents []timeline.Incident) []providers.Alert {
	at := make(map[timeline.AlertRef]int, len(kept))
	for i, a := range kept {
		at[timeline.AlertRef{Provider: a.Provider, ID: a.ID}] = i
	}
	named := make(map[string]bool, len(incidents))
	for i := range incidents {
		named[incidents[i].ID] = true
	}
	var first, rest []providers.Alert
	for _, a := range seen {
		i, known := at[timeline.AlertRef{Provider: a.Provider, ID: a.ID}]
		switch {
		case a.State == providers.AlertUnknown: // whoever saw it last knew more
		case known:
			kept[i] = a
		case named[timeline.IncidentID(a.Provider, a.ID, a.StartsAt)]:
			first = append(first, a)
		default:
			rest = append(rest, a)
		}
	}
	return slices.Concat(kept, first, rest)
}

// boundAlerts drops what is too old, and the oldest of what is too much.
func boundAlerts(all []providers.Alert, now time.Time) []providers.Alert {
	oldest := now.Add(-historyAge)
	if len(all) > historyMax {
		starts := make([]time.Time, len(all))
		for i := range all {
			starts[i] = all[i].StartsAt
		}
		slices.SortFunc(starts, time.Time.Compare)
		if cut := starts[len(starts)-historyMax-1]; cut.After(oldest) {
			oldest = cut
		}
	}
	return slices.DeleteFunc(all, func(a providers.Alert) bool { return !a.StartsAt.After(oldest) })
}

// historyKey is one for each configuration: two of them may share a state directory, and their providers a name.
func (s *Session) historyKey() string {
	what := append([]string{s.opts.Config.Context, s.opts.Config.Environment}, s.opts.Config.Files...)
	if len(s.opts.Config.Files) == 0 {
		what = append(what, s.opts.Dir)
	}
	sum := sha256.Sum256([]byte(strings.Join(what, "\x00")))
	return historyPrefix + hex.EncodeToString(sum[:8])
}

func (s *Session) keptAlerts(ctx context.Context) []providers.Alert {
	data, err := s.archive().Get(ctx, historyOwner, s.historyKey())
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	var all []providers.Alert
	if err == nil {
		err = json.Unmarshal(data, &all)
	}
	if err != nil {
		s.opts.Log.Warn("alerts that were seen cannot be read", "error", err)
	}
	return all
}

// recallAlerts puts kept alerts on the timeline: those that were over as they were, those that were open as unknown,
// because nobody looked since. One goes in after the other, so that an incident gets the id that it had.
func (s *Session) recallAlerts(ctx context.Context) {
	if s.opts.File != "" {
		return
	}
	known := s.sources()
	w, now := s.backfill(), s.opts.Now()
	for _, a := range s.keptAlerts(ctx) {
		providers.CleanAlert(&a)
		if !known[a.Provider] || (!a.EndsAt.IsZero() && a.EndsAt.Before(w.Since)) {
			continue
		}
		if a.EndsAt.IsZero() {
			if now.Sub(a.StartsAt) > lookBack {
				continue
			}
			a.State = providers.AlertUnknown
			s.past.open = append(s.past.open, a)
		}
		s.Timeline.Put(a.Provider, providers.Event{Alert: &a})
	}
}

// settle finds out what became of alerts that were open when they were last seen, once their source has answered without
// them: a run that verified their end knows, else the source is asked. What nobody can tell stays unknown.
func (s *Session) settle(ctx context.Context) {
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	ask := s.notHeardOf()
	if len(ask) == 0 {
		return
	}
	ended := s.endedByRuns(ctx)
	refs := map[rollback.AlertRef]providers.Alert{}
	for _, a := range ask {
		if at, ok := ended[a.Provider+"\x00"+a.ID]; ok && at.After(a.StartsAt) {
			s.end(a, at)
			continue
		}
		refs[rollback.AlertRef{Provider: a.Provider, ID: a.ID, Name: a.Name, Service: a.Service, StartsAt: a.StartsAt}] = a
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	states, err := s.States(ctx, slices.Collect(maps.Keys(refs)))
	if err != nil {
		return // they stay unknown, which is true
	}
	for _, st := range states {
		if a, ok := refs[st.AlertRef]; ok && st.State == providers.AlertResolved {
			s.end(a, st.SeenAt)
		}
	}
}

// notHeardOf takes out the alerts whose source has answered without a word of them. Those whose source has not answered
// wait on.
func (s *Session) notHeardOf() []providers.Alert {
	if len(s.past.open) == 0 {
		return nil
	}
	answered := s.Feed.Answered()
	var waiting, ask []providers.Alert
	for _, a := range s.past.open {
		if err, ok := answered[a.Provider]; !ok || err != nil {
			waiting = append(waiting, a)
		} else {
			ask = append(ask, a)
		}
	}
	s.past.open = waiting
	if len(ask) == 0 {
		return nil
	}
	unknown := unknownAlerts(s.Timeline.Snapshot())
	return slices.DeleteFunc(ask, func(a providers.Alert) bool { return !unknown[timeline.AlertRef{Provider: a.Provider, ID: a.ID}] })
}

// unknownAlerts goes once over all alerts: there may be a hundred thousand, and as many to ask for.
func unknownAlerts(snap *timeline.Snapshot) map[timeline.AlertRef]bool {
	unknown := map[timeline.AlertRef]bool{}
	v := snap.Query(timeline.Query{Alerts: true})
	for i := range v.Len() {
		if r := v.Row(i); r.State == providers.AlertUnknown {
			unknown[timeline.AlertRef{Provider: r.Provider, ID: r.ID}] = true
		}
	}
	return unknown
}

func (s *Session) end(a providers.Alert, at time.Time) {
	if at.IsZero() {
		at = s.opts.Now()
	}
	a.State, a.EndsAt = providers.AlertResolved, at.UTC()
	s.Timeline.Put(a.Provider, providers.Event{Alert: &a})
}

// endedByRuns tells which alerts a run saw resolved, and when.
func (s *Session) endedByRuns(ctx context.Context) map[string]time.Time {
	runs, err := s.Engine.Runs(ctx)
	if err != nil {
		return nil
	}
	out := map[string]time.Time{}
	for i := range runs {
		for _, sym := range runs[i].Symptoms {
			if sym.State == providers.AlertResolved {
				out[sym.Provider+"\x00"+sym.ID] = sym.SeenAt
			}
		}
	}
	return out
}
