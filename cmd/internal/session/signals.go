package session

import (
	"context"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/tui"
)

// How far before an incident and after its end the series are asked for: what was usual, and that it is over.
const (
	signalsBefore = time.Hour
	signalsAfter  = 30 * time.Minute
)

// signalCache holds what was asked of the sources of series last, in the background.
type signalCache struct {
	version   uint64 // of the ranking's
	bySession []providers.Signal

	asked   string // the incident that a state was last asked of, "" the newest open one
	shown   uint64 // version of the strip
	read    signalKey
	symptom tui.Symptom
}

// signalKey is what the series were asked for.
type signalKey struct {
	incident string
	alerts   int
	until    time.Time
}

// symptomLocked is the strip of an incident, the zero value while nothing was measured of it.
func (s *Session) symptomLocked(inc *timeline.Incident) tui.Symptom {
	if inc == nil || inc.ID != s.signals.read.incident {
		return tui.Symptom{}
	}
	return s.signals.symptom
}

// shownIncident is the incident that is shown: the one that was asked for, else the newest open one.
func (s *Session) shownIncident() (timeline.Incident, bool) {
	s.mu.Lock()
	asked := s.signals.asked
	s.mu.Unlock()
	inc, ok := s.Incident(asked)
	return inc, ok && (asked != "" || inc.Open())
}

// fetchSignals reads the series around the shown incident.
func (s *Session) fetchSignals(ctx context.Context) {
	if inc, ok := s.shownIncident(); ok {
		s.measure(ctx, inc)
	}
}

// Measure reads the series around an incident, "" the newest, before it is ranked: a process that has just begun knows what
// others measured, and ranks alike.
func (s *Session) Measure(ctx context.Context, incident string) {
	if inc, ok := s.Incident(incident); ok {
		s.measure(ctx, inc)
	}
}

// measure reads the series around an incident; a source that does not answer only misses. When the incident is over its
// ranking stays with what was measured while it lasted, and the strip goes on to show that it is.
func (s *Session) measure(ctx context.Context, inc timeline.Incident) {
	w := providers.Window{Since: inc.OpenedAt.Add(-signalsBefore), Until: s.opts.Now()}
	if end := inc.ClosedAt.Add(signalsAfter); !inc.Open() && end.Before(w.Until) {
		w.Until = end
	}
	key := signalKey{incident: inc.ID, alerts: len(inc.Alerts), until: w.Until}
	s.mu.Lock()
	known := s.signals.read == key
	s.mu.Unlock()
	if known {
		return
	}
	all, missed := s.readSignals(ctx, w)
	symptom := symptomOf(all, &inc, w)
	s.mu.Lock()
	defer s.mu.Unlock()
	lasting := whileOpen(all, inc.ClosedAt)
	if inc.Open() && len(s.signals.bySession) > 0 || len(lasting) > 0 && (inc.Open() || !missed) {
		s.signals.bySession = lasting
		s.signals.version++
	}
	same := s.signals.read.incident == inc.ID
	if missed && same && len(symptom.Measures) == 0 {
		return // what was measured before is as true as it was
	}
	if !same || !symptom.Equal(&s.signals.symptom) {
		s.signals.symptom = symptom
		s.signals.shown++
	}
	s.signals.read = key
	if len(all) == 0 {
		s.signals.read.until = time.Time{} // nobody had anything yet: ask again
	}
}

// whileOpen leaves out what was measured after an incident closed; the zero time is one that is open.
func whileOpen(all []providers.Signal, closed time.Time) []providers.Signal {
	if closed.IsZero() {
		return all
	}
	limit := float64(closed.UnixNano()) / 1e9
	var out []providers.Signal
	for _, s := range all {
		s.Points = slices.DeleteFunc(slices.Clone(s.Points), func(p [2]float64) bool { return p[0] > limit })
		if len(s.Points) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// readSignals asks every source of series, and reports whether one of them did not answer in full.
func (s *Session) readSignals(ctx context.Context, w providers.Window) (all []providers.Signal, missed bool) {
	for _, p := range s.providers {
		source, ok := p.(providers.SignalSource)
		if !ok {
			continue
		}
		asking, cancel := context.WithTimeout(ctx, readTimeout)
		got, err := source.Signals(asking, w, nil)
		cancel()
		if err != nil {
			missed = true
			s.opts.Log.Warn("no signals", "provider", p.Name(), "error", err)
		}
		all = append(all, got...) // what could be read comes with the error
	}
	return all, missed
}
