package conformance

import (
	"context"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Stream is one ability of a provider that yields events of a window.
type Stream struct {
	Name string
	Read func(context.Context, providers.Window) iter.Seq2[providers.Event, error]
}

// Streams lists the windowed sequences that a provider has.
func Streams(p providers.Provider) []Stream {
	var all []Stream
	if c, ok := p.(providers.ChangeSource); ok {
		all = append(all, Stream{"Changes", func(ctx context.Context, w providers.Window) iter.Seq2[providers.Event, error] {
			return func(yield func(providers.Event, error) bool) {
				for v, err := range c.Changes(ctx, w) {
					if !yield(providers.Event{Change: &v}, err) {
						return
					}
				}
			}
		}})
	}
	if a, ok := p.(providers.AlertSource); ok {
		all = append(all, Stream{"Alerts", func(ctx context.Context, w providers.Window) iter.Seq2[providers.Event, error] {
			return func(yield func(providers.Event, error) bool) {
				for v, err := range a.Alerts(ctx, w) {
					if !yield(providers.Event{Alert: &v}, err) {
						return
					}
				}
			}
		}})
	}
	return all
}

// Read gives the events of a window by id, and the first error.
func (s Stream) collect(ctx context.Context, w providers.Window) ([]providers.Event, error) {
	var all []providers.Event
	for e, err := range s.Read(ctx, w) {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

// Events reads a window twice and checks every event; it returns how many there were.
func (r *Report) Events(ctx context.Context, s Stream, w providers.Window) int {
	first, err := s.collect(ctx, w)
	if err != nil {
		r.add(RuleRead, s.Name, "%v", err)
		return len(first)
	}
	seen := make(map[string]bool, len(first))
	for _, e := range first {
		id := ID(e)
		switch {
		case id == "":
			r.add(RuleIDs, s.Name, "an event has no id: %s", describe(e))
		case seen[id]:
			r.add(RuleIDs, s.Name, "id %q came twice in one read", id)
		}
		seen[id] = true
		r.event(s.Name, e, w)
	}
	again, err := s.collect(ctx, w)
	if err != nil {
		r.add(RuleRead, s.Name, "second read: %v", err)
		return len(first)
	}
	r.stable(s.Name, seen, again, w)
	return len(first)
}

// stable compares the ids of two reads. What is new in an open-ended window may have happened in between.
func (r *Report) stable(where string, seen map[string]bool, again []providers.Event, w providers.Window) {
	open := w.Until.IsZero() || w.Until.After(time.Now())
	for _, e := range again {
		if id := ID(e); !seen[id] && !open {
			r.add(RuleIDs, where, "id %q came only in the second read of the same closed window", id)
		}
		delete(seen, ID(e))
	}
	for id := range seen {
		r.add(RuleIDs, where, "id %q came only in the first read", id)
	}
}

func (r *Report) event(where string, e providers.Event, w providers.Window) {
	if (e.Change == nil) == (e.Alert == nil) {
		r.add(RuleWords, where, "an event must be a change or an alert")
		return
	}
	if !inside(e, w) {
		r.add(RuleWindow, where, "%s lies outside [%s, %s)", describe(e), stamp(w.Since), stamp(w.Until))
	}
	r.value(where+" "+ID(e), e)
	if e.Alert != nil {
		switch e.Alert.State {
		case "", providers.AlertFiring, providers.AlertSuppressed, providers.AlertResolved, providers.AlertUnknown:
		default:
			r.add(RuleWords, where, "alert %q has state %q", ID(e), e.Alert.State)
		}
		return
	}
	switch e.Change.Assistance.State {
	case "", providers.AssistanceAgent, providers.AssistanceAssisted, providers.AssistancePossible,
		providers.AssistanceAutomation, providers.AssistanceNone:
	default:
		r.add(RuleWords, where, "change %q has assistance %q", ID(e), e.Change.Assistance.State)
	}
}

// inside: a change lies in the window by Change.At; an alert does when it was open at some time in it.
func inside(e providers.Event, w providers.Window) bool {
	if c := e.Change; c != nil {
		return w.Contains(c.At())
	}
	a := e.Alert
	startsLate := !w.Until.IsZero() && !a.StartsAt.Before(w.Until)
	endsEarly := !w.Since.IsZero() && !a.EndsAt.IsZero() && a.EndsAt.Before(w.Since)
	return !startsLate && !endsEarly
}

// ID is an event's id.
func ID(e providers.Event) string {
	switch {
	case e.Change != nil:
		return e.Change.ID
	case e.Alert != nil:
		return e.Alert.ID
	}
	return ""
}

func describe(e providers.Event) string {
	if e.Change != nil {
		return "change " + e.Change.ID + " (" + e.Change.Title + ") at " + stamp(e.Change.At())
	}
	return "alert " + e.Alert.ID + " (" + e.Alert.Name + ") from " + stamp(e.Alert.StartsAt) + " to " + stamp(e.Alert.EndsAt)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "open"
	}
	return t.Format(time.RFC3339Nano)
}
