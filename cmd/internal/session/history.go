package session

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// Sources such as Alertmanager forget an alert when it is over, and the people who write the post-incident timeline come
// later. So the alerts that were seen are kept, bounded in age and number.
const (
	historyOwner = "session"
	historyKey   = "alerts"
	historyAge   = 30 * 24 * time.Hour
	historyMax   = 2000
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
	kept := map[string]providers.Alert{}
	for _, a := range s.keptAlerts(ctx) {
		kept[a.Provider+"\x00"+a.ID] = a
	}
	for _, a := range s.Timeline.Snapshot().Alerts(providers.Window{Since: now.Add(-historyAge)}) {
		if a.State == providers.AlertUnknown {
			continue // whoever saw it last knew more
		}
		kept[a.Provider+"\x00"+a.ID] = a
	}
	all := make([]providers.Alert, 0, len(kept))
	for _, a := range kept {
		if now.Sub(a.StartsAt) < historyAge {
			all = append(all, a)
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if !all[i].StartsAt.Equal(all[j].StartsAt) {
			return all[i].StartsAt.After(all[j].StartsAt)
		}
		return all[i].Provider+all[i].ID < all[j].Provider+all[j].ID
	})
	all = all[:min(len(all), historyMax)]
	data, err := json.Marshal(all)
	if err == nil && len(all) > 0 {
		err = s.archive().Put(ctx, historyOwner, historyKey, data)
	}
	if err != nil {
		s.opts.Log.Warn("alerts that were seen cannot be kept", "error", err)
	}
}

func (s *Session) keptAlerts(ctx context.Context) []providers.Alert {
	data, err := s.archive().Get(ctx, historyOwner, historyKey)
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
// because nobody looked since.
func (s *Session) recallAlerts(ctx context.Context) {
	if s.opts.File != "" {
		return
	}
	known := map[string]bool{}
	for _, p := range s.providers {
		known[p.Name()] = true
	}
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
	answered, snap := s.Feed.Answered(), s.Timeline.Snapshot()
	var waiting, ask []providers.Alert
	for _, a := range s.past.open {
		err, ok := answered[a.Provider]
		now, there := snap.Alert(a.Provider + "/" + a.ID)
		switch {
		case !ok || err != nil:
			waiting = append(waiting, a)
		case there && now.State == providers.AlertUnknown:
			ask = append(ask, a)
		}
	}
	s.past.open = waiting
	return ask
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
