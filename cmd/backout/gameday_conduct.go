package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/gameday"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/timeline"
)

// How often the conductor looks, and how often it says that it is there.
const (
	gameLook  = 500 * time.Millisecond
	gameRenew = 5 * time.Second
	// gamePatience is how long it tries on while nothing works: as long as it is there, the fault can be undone.
	gamePatience = time.Minute
)

func (a *app) runGame(ctx context.Context, path string, f gamedayFlags) error {
	scenario, err := a.scenario(path)
	if err != nil {
		return err
	}
	return a.with(ctx, 0, func(ctx context.Context, s *opened) error {
		c, err := a.prepareGame(ctx, s, &scenario, filepath.Dir(path))
		if err != nil {
			return err
		}
		if err := a.confirmGame(ctx, c, f); err != nil {
			return err
		}
		return c.begin(ctx, f)
	})
}

// confirmGame says what will be broken, and asks.
func (a *app) confirmGame(ctx context.Context, c *conductor, f gamedayFlags) error {
	if f.yes {
		return nil
	}
	if !a.interactive() {
		return usage("no terminal to ask at: add --yes, after 'backout gameday check'")
	}
	fmt.Fprintf(a.errOut, "%s\n", harmless(c.scenario.Title))
	for _, t := range c.targets {
		fmt.Fprintf(a.errOut, "  breaks %s in %s: %s\n", harmless(t.Unit), wordOr(t.Environment, "an environment without a name"), harmless(strings.Join(t.Do, " ")))
	}
	fmt.Fprintf(a.errOut, "It is undone after %s at the latest. Type y to break it: ", c.scenario.Stop.Deadline)
	line, err := a.readLine(ctx)
	if err != nil || strings.TrimSpace(line) != "y" {
		return &coded{code: codeInterrupted, err: fmt.Errorf("not confirmed: nothing was done")}
	}
	return nil
}

// begin announces the game day, makes the fault and conducts it to its end.
func (c *conductor) begin(ctx context.Context, f gamedayFlags) error {
	book, err := c.s.Games(ctx)
	if err != nil {
		return err
	}
	c.id = fmt.Sprintf("GAME-%04d", len(book.Games)+1)
	if c.lease, err = c.s.Conduct(ctx, c.id); err != nil {
		return err
	}
	err = c.quiet(ctx) // somebody may have begun something while a person was asked
	if err == nil {
		err = c.well(ctx)
	}
	if err != nil {
		return errors.Join(err, c.lease.Close(ctx, true))
	}
	err = c.s.TellGame(ctx, gameday.Event{
		Game: c.id, What: gameday.Announced, Scenario: c.scenario, Targets: c.targets, Until: c.clock().Add(c.scenario.Stop.Deadline),
	})
	if err != nil {
		return errors.Join(err, c.lease.Close(ctx, true))
	}
	c.say("announced; it is undone after %s at the latest", c.scenario.Stop.Deadline)
	return c.conduct(ctx, f, c.inject(ctx))
}

// say tells a person at the conductor's terminal what happens; it is no result.
func (c *conductor) say(format string, args ...any) {
	if !c.a.flags.quiet {
		fmt.Fprintf(c.a.errOut, "%s %s %s\n", c.clock().Format("15:04:05"), c.id, harmless(fmt.Sprintf(format, args...)))
	}
}

// conduct looks and acts until the game day is over. It ends only with the fault undone, with its record, or with an error that
// says that the fault may stand. When ctx ends, it calls the game day off.
func (c *conductor) conduct(ctx context.Context, f gamedayFlags, failed error) (err error) {
	lasting := context.WithoutCancel(ctx) // what was broken is undone, whoever wants to leave
	over := false
	defer func() { err = errors.Join(err, c.lease.Close(lasting, over)) }()
	if failed != nil {
		return errors.Join(c.giveUp(lasting, failed, &over), c.result(lasting, f))
	}
	tick := time.NewTicker(gameLook)
	defer tick.Stop()
	var course gameday.Course
	well := c.a.now() // when a turn had no error last
	for {
		over, err = c.turn(ctx, lasting, &course)
		switch {
		case err == nil && over:
			return c.result(lasting, f)
		case err == nil:
			well = c.a.now()
		case errors.Is(err, errTakenOver) || c.a.now().Sub(well) >= gamePatience:
			return &coded{code: codeUnknown, err: fmt.Errorf("%s: %w; what stands of the fault is the measure %s.1: 'backout gameday resume %s --undo' takes it back", c.id, err, c.id, c.id)}
		default:
			c.say("tries again: %v", err)
		}
		<-tick.C
	}
}

// errTakenOver is what a conductor ends with that may not act any more.
var errTakenOver = errors.New("another conductor went on with it")

// turn is one look and what it asks for.
func (c *conductor) turn(ctx, lasting context.Context, course *gameday.Course) (over bool, err error) {
	if c.a.now().Sub(c.renewed) >= gameRenew {
		switch err := c.lease.Renew(lasting); {
		case errors.Is(err, store.ErrFenced):
			return false, errTakenOver
		case err != nil:
			return false, err
		}
		c.renewed = c.a.now()
	}
	_, g, err := c.a.game(lasting, c.s, c.id)
	if err != nil {
		return false, err
	}
	if err := c.lookForFault(lasting, g); err != nil {
		return false, err
	}
	move := course.Next(g, c.sight(ctx, lasting, g))
	if err := c.tell(lasting, g, move); err != nil {
		return false, err
	}
	return c.act(lasting, move)
}

// tell puts on the record what was seen, and what was ranked first when somebody acted for the first time.
func (c *conductor) tell(ctx context.Context, g *gameday.Game, move gameday.Move) error {
	events := move.Tell
	runs, err := c.s.Engine.Runs(ctx)
	if err != nil {
		return err
	}
	acted := len(gameRuns(g, runs)) > 0
	for _, e := range events {
		acted = acted || e.What == gameday.Cured || e.What == gameday.Stopping
	}
	if acted && g.Suspect == nil && !c.ranked {
		c.ranked = true
		events = append(events, gameday.Event{Game: c.id, What: gameday.Ranked, Suspect: c.suspect(g)})
	}
	for _, e := range events {
		switch e.What {
		case gameday.Paged:
			c.say("page: %s", e.Detail)
		case gameday.Broken:
			c.say("the steady state does not hold any more: %s", e.Detail)
		case gameday.Cured:
			c.say("cured: the steady state holds again")
		case gameday.Stopping:
			c.say("stopped: %s", e.Detail)
		default:
		}
	}
	return c.s.TellGame(ctx, events...)
}

// act undoes the fault where the move says so, and ends the game day once nothing of it stands.
func (c *conductor) act(ctx context.Context, move gameday.Move) (over bool, err error) {
	if move.Undo {
		if err := c.undo(ctx); err != nil {
			return false, err
		}
	}
	if move.End == "" {
		return false, nil
	}
	_, g, err := c.a.game(ctx, c.s, c.id)
	if err != nil {
		return false, err
	}
	c.say("over: %s", move.End)
	return true, c.s.TellGame(ctx, gameday.Event{Game: c.id, What: gameday.Ended, Outcome: move.End, Alerts: c.alerts(g)})
}

// giveUp undoes what was made of a fault that could not be made wholly.
func (c *conductor) giveUp(ctx context.Context, why error, over *bool) error {
	c.say("the fault could not be made: %v", why)
	if _, err := c.act(ctx, gameday.Move{Undo: true}); err != nil {
		return &coded{code: codeUnknown, err: fmt.Errorf("%s: %w; what stands of the fault is the measure %s.1: 'backout gameday resume %s --undo' takes it back", c.id, err, c.id, c.id)}
	}
	*over = true
	return c.s.TellGame(ctx, gameday.Event{Game: c.id, What: gameday.Ended, Outcome: gameday.OutcomeFailed, Detail: providers.Clean(why.Error())})
}

// sight is one look. Once ctx has ended, somebody called the game day off.
func (c *conductor) sight(ctx, lasting context.Context, g *gameday.Game) gameday.Sight {
	s := gameday.Sight{Guard: gameday.Good}
	if ctx.Err() != nil {
		s.Called = "its conductor was told to end"
	}
	s.Steady, s.Why = c.s.LookAll(lasting, c.steady)
	if len(c.guards) > 0 {
		s.Guard, s.Breach = c.s.LookAll(lasting, c.guards)
	}
	for _, alert := range c.alerts(g) {
		if s.Page.At.IsZero() || alert.From.Before(s.Page.At) {
			s.Page = gameday.Page{Name: alert.Name, At: alert.From}
		}
	}
	if runs, err := c.s.Engine.Runs(lasting); err == nil {
		for i := range runs {
			if !runs[i].State.Final() && runs[i].Alive {
				s.Live++
			}
		}
	}
	s.Now = c.clock()
	return s
}

// alerts are those that began since the fault was made. What backout alerts of its own measures pages nobody.
func (c *conductor) alerts(g *gameday.Game) []gameday.Alert {
	from := g.InjectedAt()
	if from.IsZero() {
		return nil
	}
	var out []gameday.Alert
	for _, alert := range c.s.Timeline.Snapshot().Alerts(providers.Window{Since: from}) {
		if alert.StartsAt.Before(from) || c.s.Type(alert.Provider) == "ledger" {
			continue
		}
		out = append(out, gameday.Alert{Name: alert.Name, Service: alert.Service, From: alert.StartsAt, To: alert.EndsAt})
	}
	return out
}

// suspect is what the ranking has first now, and whether that is what the scenario expects.
func (c *conductor) suspect(g *gameday.Game) *gameday.Suspect {
	inc, ok := c.s.Incident("")
	if !ok {
		return &gameday.Suspect{None: 1, Right: g.Scenario.Expect.Suspect == gameday.SuspectNone}
	}
	return suspectIn(c.s, inc, g, c.clock())
}

func suspectIn(s *opened, inc timeline.Incident, g *gameday.Game, at time.Time) *gameday.Suspect {
	r := s.Rank(inc, at)
	out := &gameday.Suspect{None: r.None}
	if len(r.Ranking) > 0 {
		out.Change, out.P = r.Ranking[0].Change, r.Ranking[0].P
	}
	none := leader(r) == ""
	change, ok := s.Timeline.Snapshot().Change(out.Change)
	if ok {
		out.Title = providers.Clean(change.Title)
	}
	out.Right = none
	if g.Scenario.Expect.Suspect != gameday.SuspectNone {
		out.Right = !none && ok && brought(&change, g)
	}
	return out
}

// brought reports whether a change is one that the fault made: of the same commit, or of the same content on the same unit.
func brought(c *providers.Change, g *gameday.Game) bool {
	for i := range g.Steps {
		t := &g.Steps[i]
		if t.Bystander {
			continue
		}
		if t.Commit != "" && c.Commit == t.Commit || t.After != "" && c.Unit == t.Unit && (c.To == t.After || slices.Contains(c.Artifacts, t.After)) {
			return true
		}
	}
	return false
}
