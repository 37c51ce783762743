package gameday

import (
	"encoding/json"
	"slices"
	"time"
)

// What an event of the record tells.
type What string

// The events, in the order in which they come. Injecting comes before the moment in which a step of the fault can have an
// effect, so that what may stand is on the record.
const (
	Announced   What = "announced"
	Injecting   What = "injecting"
	Injected    What = "injected"
	NotInjected What = "not injected"
	Broken      What = "broken" // the steady state was first seen not to hold
	Paged       What = "page"   // the first alert
	Looked      What = "look"   // somebody's console showed the incident
	Ranked      What = "ranked" // what was the first suspect when the run was confirmed
	Cured       What = "cured"
	Stopping    What = "stopping"
	Undone      What = "undone"
	NotUndone   What = "not undone"
	Resumed     What = "resumed"
	Ended       What = "ended"
)

// Outcome is how a game day ended.
type Outcome string

// How a game day can end.
const (
	OutcomeCured   Outcome = "cured"      // by the people, before anything stopped it
	OutcomeStopped Outcome = "stopped"    // a stop condition or the deadline undid the fault
	OutcomeCalled  Outcome = "called off" // whoever conducted it stopped it
	OutcomeFailed  Outcome = "not made"   // the fault could not be made
)

// Target is one step of the fault as the world stood before it was made.
type Target struct {
	Unit        string `json:"unit"`
	Service     string `json:"service,omitempty"`
	Environment string `json:"environment,omitempty"`
	Before      string `json:"before,omitempty"` // digest and label that a release replaces
	BeforeLabel string `json:"before_label,omitempty"`
	After       string `json:"after,omitempty"` // that it brings
	Commit      string `json:"commit,omitempty"`
	Bystander   bool   `json:"bystander,omitempty"` // does no harm, and is not to blame
	// Do and Undo are the argument lists, as the configuration and the scenario made them.
	Do   []string `json:"do"`
	Undo []string `json:"undo"`
}

// Suspect is what a ranking had first at a time.
type Suspect struct {
	Change string  `json:"change,omitempty"` // "" none of them
	Title  string  `json:"title,omitempty"`
	P      float64 `json:"p"`
	None   float64 `json:"none"`
	Right  bool    `json:"right"`
}

// Event is one entry of the record about a game day, as its body.
type Event struct {
	Game     string    `json:"game"`
	What     What      `json:"what"`
	Step     int       `json:"step,omitempty"` // from 1
	Detail   string    `json:"detail,omitempty"`
	Began    time.Time `json:"began,omitzero"` // since when it is so, where that is before the entry
	Until    time.Time `json:"until,omitzero"` // of an announcement: when the fault is undone at the latest
	Scenario *Scenario `json:"scenario,omitempty"`
	Targets  []Target  `json:"targets,omitempty"`
	Suspect  *Suspect  `json:"suspect,omitempty"`
	Outcome  Outcome   `json:"outcome,omitempty"`
	Alerts   []Alert   `json:"alerts,omitempty"` // of the end: those that were open meanwhile
}

// Alert is one alert that was open during a game day.
type Alert struct {
	Name    string    `json:"name"`
	Service string    `json:"service,omitempty"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to,omitzero"`
}

// StepState is where a step of the fault stands.
type StepState struct {
	Target
	Injecting time.Time `json:"injecting_at,omitzero"`
	Injected  time.Time `json:"injected_at,omitzero"`
	Undone    time.Time `json:"undone_at,omitzero"`
	Never     bool      `json:"never,omitempty"` // it is known to have had no effect
	Detail    string    `json:"detail,omitempty"`
}

// Stands reports whether something of the step may have to be taken back.
func (s *StepState) Stands() bool { return !s.Injecting.IsZero() && s.Undone.IsZero() && !s.Never }

// Look is somebody who looked.
type Look struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Game is one game day as the record tells it. Zero times: not so far.
type Game struct {
	ID          string      `json:"id"`
	Scenario    Scenario    `json:"scenario"`
	Conductor   string      `json:"conductor"`
	AnnouncedAt time.Time   `json:"announced_at"`
	Until       time.Time   `json:"until,omitzero"`
	Steps       []StepState `json:"steps"`
	BrokenAt    time.Time   `json:"broken_at,omitzero"`
	PageAt      time.Time   `json:"page_at,omitzero"`
	Page        string      `json:"page,omitempty"`
	Looks       []Look      `json:"looks,omitempty"`
	Suspect     *Suspect    `json:"suspect,omitempty"`
	CuredAt     time.Time   `json:"cured_at,omitzero"`
	StoppedAt   time.Time   `json:"stopped_at,omitzero"`
	StopWhy     string      `json:"stop_why,omitempty"`
	CalledOff   bool        `json:"called_off,omitempty"`
	Resumes     int         `json:"resumes,omitempty"` // how often its conductor was interrupted
	EndedAt     time.Time   `json:"ended_at,omitzero"`
	Outcome     Outcome     `json:"outcome,omitempty"`
	Detail      string      `json:"detail,omitempty"`
	Alerts      []Alert     `json:"alerts,omitempty"`
}

// Open reports whether the game day is not over.
func (g *Game) Open() bool { return g.EndedAt.IsZero() }

// InjectedAt is when the first effect of the fault was made, as far as that is known; zero before.
func (g *Game) InjectedAt() time.Time {
	for i := range g.Steps {
		if s := &g.Steps[i]; !s.Injecting.IsZero() && !s.Never {
			return s.Injecting
		}
	}
	return time.Time{}
}

// Made reports whether all of the fault was made.
func (g *Game) Made() bool {
	return !slices.ContainsFunc(g.Steps, func(s StepState) bool { return s.Injected.IsZero() })
}

// Standing are the numbers, from 1, of the steps of the fault that may stand, the last made first.
func (g *Game) Standing() []int {
	var out []int
	for i := len(g.Steps) - 1; i >= 0; i-- {
		if g.Steps[i].Stands() {
			out = append(out, i+1)
		}
	}
	return out
}

// Measure is the name of the fault as a temporary measure.
func (g *Game) Measure() string { return g.ID + ".1" }

// Units are the units that the fault is made on.
func (g *Game) Units() []string {
	var out []string
	for i := range g.Steps {
		if u := g.Steps[i].Unit; !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out
}

// StaysOut reports whether a principal has to keep out of the game day.
func (g *Game) StaysOut(who string) bool { return Matches(g.Scenario.StayOut, who) }

// Book is all game days of a record, the oldest first. The zero value is an empty one.
type Book struct{ Games []*Game }

// Game finds one by its id.
func (b *Book) Game(id string) *Game {
	for _, g := range b.Games {
		if g.ID == id {
			return g
		}
	}
	return nil
}

// Current is the game day that is not over, nil where there is none.
func (b *Book) Current() *Game {
	for _, g := range slices.Backward(b.Games) {
		if g.Open() {
			return g
		}
	}
	return nil
}

// Take folds one entry: its body, when it was written and by whom. What is no event of a game day is left alone; a damaged
// entry is what the verification of the record is for.
func (b *Book) Take(body json.RawMessage, at time.Time, by string) {
	var e Event
	if json.Unmarshal(body, &e) != nil || e.Game == "" {
		return
	}
	at = at.UTC()
	g := b.Game(e.Game)
	if e.What == Announced && g == nil && e.Scenario != nil {
		g = &Game{ID: e.Game, Scenario: *e.Scenario, Conductor: by, AnnouncedAt: at, Until: e.Until}
		for _, t := range e.Targets {
			g.Steps = append(g.Steps, StepState{Target: t})
		}
		b.Games = append(b.Games, g)
		return
	}
	if g != nil {
		g.take(&e, at, by)
	}
}

// take folds one event. Whatever is told twice keeps its first time.
func (g *Game) take(e *Event, at time.Time, by string) {
	since := at
	if !e.Began.IsZero() {
		since = e.Began
	}
	switch e.What {
	case Injecting, Injected, NotInjected, Undone, NotUndone:
		g.step(e, at)
	case Broken:
		first(&g.BrokenAt, since)
	case Paged:
		if g.PageAt.IsZero() {
			g.PageAt, g.Page = since, e.Detail
		}
	case Looked:
		if !slices.ContainsFunc(g.Looks, func(l Look) bool { return l.By == by }) {
			g.Looks = append(g.Looks, Look{By: by, At: since})
		}
	case Ranked:
		g.Suspect = e.Suspect
	case Cured:
		first(&g.CuredAt, since)
	case Stopping:
		if g.StoppedAt.IsZero() {
			g.StoppedAt, g.StopWhy, g.CalledOff = at, e.Detail, e.Outcome == OutcomeCalled
		}
	case Resumed:
		g.Resumes++
	case Ended:
		g.EndedAt, g.Outcome, g.Detail, g.Alerts = at, e.Outcome, e.Detail, e.Alerts
	case Announced: // once
	}
}

func (g *Game) step(e *Event, at time.Time) {
	if e.Step < 1 || e.Step > len(g.Steps) {
		return
	}
	s := &g.Steps[e.Step-1]
	s.Detail = e.Detail
	switch e.What {
	case Injecting:
		first(&s.Injecting, at)
	case Injected:
		first(&s.Injected, at)
	case NotInjected:
		s.Never = true
	case Undone:
		first(&s.Undone, at)
	default:
	}
}

func first(t *time.Time, at time.Time) {
	if t.IsZero() {
		*t = at
	}
}
