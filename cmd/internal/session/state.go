package session

import (
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/tui"
)

// lookBack is how far before an incident a change can be a candidate: three quarters of the changes that are taken back
// for a symptom are within a day.
const lookBack = 24 * time.Hour

// rerank is how often an open incident is ranked again although nothing came: time itself is evidence.
const rerank = 30 * time.Second

// cached is the state that was handed out last, with what it was made from.
type cached struct {
	state     tui.State
	key       stateKey
	rankedAt  time.Time
	rankedFor rankKey
}

type stateKey struct {
	snapshot, people, runs, ready uint64
	signals, symptom, waiting     uint64
	incident                      string
	health, notice                string
}

type rankKey struct {
	snapshot, people, signals uint64
	incident                  string
}

// State implements tui.Source. It answers from memory.
func (s *Session) State(incident string) tui.State {
	snap := s.Timeline.Snapshot()
	health, notice := s.Health(), s.Notice()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signals.asked = incident
	key := stateKey{
		snapshot: snap.Version(), people: s.people.version, runs: s.runs.version, ready: s.ready.version, signals: s.signals.version,
		symptom: s.signals.shown, waiting: s.waiting.version, incident: incident, health: signature(health), notice: notice,
	}
	now := s.opts.Now()
	fresh := s.state.key == key && now.Sub(s.state.rankedAt) < rerank
	if fresh && s.state.state.Version > 0 {
		return s.state.state
	}
	incidents := s.incidentsOf(snap)
	shown := pick(incidents, incident)
	rk := rankKey{snapshot: key.snapshot, people: key.people, signals: key.signals}
	ranking, changed := s.state.state.Ranking, s.state.state.Changed
	if shown != nil {
		rk.incident = shown.ID
		if rk != s.state.rankedFor || now.Sub(s.state.rankedAt) >= rerank {
			in := s.inputLocked(snap, *shown, now)
			ranking, changed = culprit.Rank(in), servicesOf(in.Changes)
		}
	} else {
		ranking, changed = culprit.Ranking{}, nil
	}
	s.state.rankedFor, s.state.rankedAt, s.state.key = rk, now, key
	s.state.state = tui.State{
		Version: s.state.state.Version + 1, Snapshot: snap, Incident: shown, Incidents: incidents, Ranking: ranking, Changed: changed,
		Confirmed: s.confirmedLocked(shown), Health: health, Runs: s.runs.list, Waiting: s.waiting.list, Rollback: s.ready.byChange, CachedAt: s.cachedShown(),
		Symptom: s.symptomLocked(shown), Notice: notice,
	}
	s.ready.want(ranking)
	return s.state.state
}

func servicesOf(changes []providers.Change) map[string]bool {
	out := make(map[string]bool)
	for i := range changes {
		out[changes[i].Service] = true
	}
	return out
}

// confirmedLocked is what a person confirmed as the culprit of an incident.
func (s *Session) confirmedLocked(inc *timeline.Incident) tui.Judgement {
	if inc == nil {
		return tui.Judgement{}
	}
	j := s.people.confirmed[inc.ID]
	return tui.Judgement{Change: j.change, By: j.by, Reason: j.reason}
}

// pick is the named incident, else the newest open one, else none.
func pick(incidents []timeline.Incident, id string) *timeline.Incident {
	at := slices.IndexFunc(incidents, func(i timeline.Incident) bool { return i.ID == id || (id == "" && i.ClosedAt.IsZero()) })
	if at < 0 {
		return nil
	}
	return &incidents[at]
}

// Incident is the named incident of the newest snapshot, else the newest open one, else the newest.
func (s *Session) Incident(id string) (timeline.Incident, bool) {
	incidents := s.Incidents()
	if i := pick(incidents, id); i != nil {
		return *i, true
	}
	if id == "" && len(incidents) > 0 {
		return incidents[0], true
	}
	return timeline.Incident{}, false
}

// Rank ranks the candidates of an incident as of at.
func (s *Session) Rank(inc timeline.Incident, at time.Time) culprit.Ranking {
	return culprit.Rank(s.Input(inc, at))
}

// Input is everything that a ranking of the incident may look at.
func (s *Session) Input(inc timeline.Incident, at time.Time) culprit.Input {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inputLocked(s.Timeline.Snapshot(), inc, at)
}

func (s *Session) inputLocked(snap *timeline.Snapshot, inc timeline.Incident, at time.Time) culprit.Input {
	if s.filed.doc != nil && s.filed.doc.ID == inc.ID {
		return s.filedInput(at.UTC())
	}
	in := culprit.Input{
		ID: inc.ID, At: at.UTC(), Onset: inc.Onset, Services: snap.Services(), Edges: snap.Edges(), Alerts: inc.Alerts,
		Signals: s.signals.bySession, Dismissed: s.people.dismissed[inc.ID],
	}
	w := providers.Window{Since: inc.OpenedAt.Add(-lookBack), Until: at}
	if s.opts.File != "" { // the file says what is to be looked at
		in.Changes = snap.Changes(w)
		return in
	}
	in.Alerts, in.Changes = in.Alerts[:min(len(in.Alerts), rankedAlerts)], near(snap, w, inc.OpenedAt, candidatesBefore, candidatesAfter)
	return in
}

// signature changes when a health line would read differently by more than its age.
func signature(health []providers.Health) string {
	var b []byte
	for _, h := range health {
		b = append(b, h.Provider...)
		b = append(b, h.State...)
		b = append(b, h.Detail...)
		b = h.LastOK.Truncate(time.Second).AppendFormat(b, time.TimeOnly)
	}
	return string(b)
}
