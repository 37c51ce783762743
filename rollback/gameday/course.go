package gameday

import (
	"fmt"
	"time"
)

// Verdict is what the checks of a section say together. Unknown is never good.
type Verdict string

// Verdicts.
const (
	Good    Verdict = "good"
	Bad     Verdict = "bad"
	Unknown Verdict = "unknown"
)

// Sight is what the conductor sees at one time.
type Sight struct {
	Now    time.Time
	Page   Page // the first alert since the fault was made
	Steady Verdict
	Why    string // what of the steady state does not hold
	Guard  Verdict
	Breach string // what of the stop conditions does not hold
	Live   int    // runs that are under way
	Called string // who called it off, and how; "" nobody
}

// Page is the first alert of a game day.
type Page struct {
	Name string
	At   time.Time
}

// Move is what the conductor does next: put Tell on the record; Undo the fault, and be done with it where End says how.
type Move struct {
	Tell []Event
	Undo bool
	End  Outcome
}

// badLooks is how many looks in a row a stop condition does not hold before it stops the game day: one may be a slip.
const badLooks = 2

// Course decides from looks what a conductor does next. It remembers only what a conductor that goes on after an
// interruption can see anew. The zero value is the beginning.
type Course struct {
	well time.Time // since when the steady state holds without a break
	bad  int       // looks in a row in which a stop condition did not hold
}

// Next is the move that one look asks for. The game is as the record has it, with all of its fault made or about to be.
func (c *Course) Next(g *Game, s Sight) Move {
	var m Move
	tell := func(what What, began time.Time, detail string) {
		m.Tell = append(m.Tell, Event{Game: g.ID, What: what, Began: began, Detail: detail})
	}
	if g.PageAt.IsZero() && !s.Page.At.IsZero() {
		tell(Paged, time.Time{}, s.Page.Name) // when it came, which is later than what it is about began
	}
	broken := !g.BrokenAt.IsZero()
	if !broken && s.Steady == Bad {
		broken = true
		tell(Broken, time.Time{}, s.Why)
	}
	c.count(s)
	switch {
	case !g.CuredAt.IsZero():
	case g.StoppedAt.IsZero() && broken && c.held(s.Now) >= g.Scenario.Steady.Hold:
		tell(Cured, c.well, "")
		now := *g
		now.CuredAt = c.well
		g = &now
	case g.StoppedAt.IsZero():
		if why, outcome := c.stop(g, s); why != "" {
			m.Tell = append(m.Tell, Event{Game: g.ID, What: Stopping, Detail: why, Outcome: outcome})
			m.Undo = true
			return m
		}
	}
	c.end(g, s, &m)
	return m
}

// end says whether it is over: cured and nobody at work any more; or stopped and well again, or not well a good while later.
// Whatever of the fault may stand is undone then.
func (c *Course) end(g *Game, s Sight, m *Move) {
	switch {
	case !g.StoppedAt.IsZero():
		m.Undo = len(g.Standing()) > 0 // what could not be undone at once is tried again
		over := s.Now.Sub(g.StoppedAt) >= g.Scenario.Steady.Hold+settleTime
		if c.held(s.Now) >= g.Scenario.Steady.Hold || over {
			m.Undo, m.End = true, OutcomeStopped
			if g.CalledOff {
				m.End = OutcomeCalled
			}
		}
	case !g.CuredAt.IsZero():
		if s.Live == 0 || !s.Now.Before(g.Until) || s.Called != "" {
			m.Undo, m.End = true, OutcomeCured
		}
	}
}

// settleTime is how long an undone fault may take to be seen gone before the conductor stops waiting.
const settleTime = time.Minute

// count remembers what holds without a break.
func (c *Course) count(s Sight) {
	switch {
	case s.Steady != Good:
		c.well = time.Time{}
	case c.well.IsZero():
		c.well = s.Now
	}
	if s.Guard == Bad || s.Guard == Unknown {
		c.bad++
	} else {
		c.bad = 0
	}
}

func (c *Course) held(now time.Time) time.Duration {
	if c.well.IsZero() {
		return -1
	}
	return now.Sub(c.well)
}

// stop says why the fault has to be undone now, "" where it may stand.
func (c *Course) stop(g *Game, s Sight) (why string, outcome Outcome) {
	switch {
	case s.Called != "":
		return s.Called, OutcomeCalled
	case c.bad >= badLooks:
		return "a stop condition does not hold: " + s.Breach, OutcomeStopped
	case !g.Until.IsZero() && !s.Now.Before(g.Until):
		return fmt.Sprintf("the deadline of %s is over", g.Scenario.Stop.Deadline), OutcomeStopped
	}
	return "", ""
}
