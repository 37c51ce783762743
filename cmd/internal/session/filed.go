package session

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers/incident"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/timeline/export"
)

// filed is the one incident that the shown file holds. It is shown as the file has it: its name, its alerts, what it
// records of people and runs; so it ranks to the same bytes wherever it is opened.
type filed struct {
	doc    *incident.Document // nil: no file is shown, or one of several incidents, or a feed of single events
	record []ledger.Entry     // up to the moment that the document stands for
}

func (s *Session) readFiled() error {
	if s.opts.File == "" {
		return nil
	}
	f, err := os.Open(s.opts.File)
	if err != nil {
		return fmt.Errorf("read incident file: %w", err)
	}
	defer f.Close()
	var docs []incident.Document
	for doc, err := range incident.Read(f) {
		if err != nil {
			return nil // the provider of the file says so
		}
		if docs = append(docs, doc); len(docs) > 1 {
			return nil
		}
	}
	if len(docs) == 0 || len(docs[0].Alerts) == 0 {
		return nil
	}
	doc := &docs[0]
	s.filed.doc = doc
	for _, raw := range doc.Record {
		var e ledger.Entry
		if json.Unmarshal(raw, &e) != nil || e.At.After(doc.At) {
			continue
		}
		s.filed.record = append(s.filed.record, e)
		if e.Kind == ledger.KindSuspect && (e.Incident == "" || e.Incident == doc.ID) {
			e.Incident, e.Change = doc.ID, incident.CleanID(e.Change)
			s.take(e)
		}
	}
	return nil
}

// Incidents are those of the newest snapshot, the newest first; where a file is shown, its own alone, because what people
// opened here has nothing to do with it.
func (s *Session) Incidents() []timeline.Incident { return s.incidentsOf(s.Timeline.Snapshot()) }

func (s *Session) incidentsOf(snap *timeline.Snapshot) []timeline.Incident {
	formed, doc := snap.Incidents(), s.filed.doc
	if doc == nil {
		return formed
	}
	inc := timeline.Incident{
		ID: doc.ID, Title: doc.Title, Onset: timeline.Onset{Earliest: doc.Onset.Earliest, Latest: doc.Onset.Latest}, Alerts: doc.Alerts, AlertCount: len(doc.Alerts),
	}
	open := false
	for i := range doc.Alerts {
		a := &doc.Alerts[i]
		if t := a.StartsAt; !t.IsZero() && (inc.OpenedAt.IsZero() || t.Before(inc.OpenedAt)) {
			inc.OpenedAt = t
		}
		if end := a.EndsAt; end.IsZero() || end.After(doc.At) {
			open = true
		} else if end.After(inc.ClosedAt) {
			inc.ClosedAt = end
		}
		if a.Service != "" && !slices.Contains(inc.Services, a.Service) {
			inc.Services = append(inc.Services, a.Service)
		}
	}
	if open {
		inc.ClosedAt = time.Time{}
	}
	for i := range formed {
		if inc.Severity == "" {
			inc.Severity = formed[i].Severity
		}
	}
	return []timeline.Incident{inc}
}

// filedInput is what the file gives a ranking to look at.
func (s *Session) filedInput(at time.Time) culprit.Input {
	in := export.Input(*s.filed.doc)
	in.At, in.Dismissed = at, s.people.dismissed[in.ID]
	return in
}

// withFiled puts the file's entries before those that were made since it was opened here.
func (s *Session) withFiled(here []ledger.Entry) []ledger.Entry {
	out := slices.Clone(s.filed.record)
	for _, e := range here {
		if !slices.ContainsFunc(s.filed.record, func(f ledger.Entry) bool { return f.Seq == e.Seq && f.Kind == e.Kind && f.At.Equal(e.At) }) {
			out = append(out, e)
		}
	}
	return out
}
