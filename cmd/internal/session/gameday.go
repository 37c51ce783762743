package session

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/gameday"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// games is what the record tells of game days, as far as it was read.
type games struct {
	mu   sync.Mutex
	book gameday.Book
	read int64 // the last entry
}

// gamePage is how many entries are read at a time.
const gamePage = 500

// refreshGames reads what came to the record since it was read last, whoever wrote it.
func (s *Session) refreshGames(ctx context.Context) error {
	s.games.mu.Lock()
	defer s.games.mu.Unlock()
	for {
		entries, err := s.DB.Entries(ctx, s.games.read, gamePage)
		if err != nil {
			return fmt.Errorf("read the record: %w", err)
		}
		for _, e := range entries {
			s.games.take(e)
			s.asks.hear(e)
		}
		if len(entries) < gamePage {
			return nil
		}
	}
}

func (g *games) take(e ledger.Entry) {
	if e.Kind == ledger.KindGameDay {
		g.book.Take(e.Body, e.At, e.Actor)
	}
	g.read = e.Seq
}

func (s *Session) takeGame(e ledger.Entry) {
	s.games.mu.Lock()
	defer s.games.mu.Unlock()
	s.games.take(e)
}

// Games reads all game days of the record as it is now, the oldest first.
func (s *Session) Games(ctx context.Context) (gameday.Book, error) {
	if err := s.Readable(); err != nil {
		return gameday.Book{}, err
	}
	if err := s.refreshGames(ctx); err != nil {
		return gameday.Book{}, err
	}
	s.games.mu.Lock()
	defer s.games.mu.Unlock()
	var out gameday.Book
	for _, g := range s.games.book.Games {
		own := *g
		own.Steps, own.Looks = slices.Clone(g.Steps), slices.Clone(g.Looks)
		out.Games = append(out.Games, &own)
	}
	return out, nil
}

// TellGame puts events of a game day on the record. Their text says nothing of the fault: it is shown to those who look for it.
func (s *Session) TellGame(ctx context.Context, events ...gameday.Event) error {
	for _, e := range events {
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("record the game day: %w", err)
		}
		text := e.Game + ": " + string(e.What)
		if e.Outcome != "" {
			text += ": " + string(e.Outcome)
		}
		err = s.write(ctx, ledger.Entry{Kind: ledger.KindGameDay, Unit: ledger.GameDayUnit(e.Game), Text: text, Body: body})
		if err != nil {
			return err
		}
	}
	return nil
}

// GameChecks are the checks that a section of a scenario asks for, as a plan would carry them. Relative programs are found
// from dir.
func (s *Session) GameChecks(c gameday.Checks, source, dir string) ([]rollback.DeclaredCheck, error) {
	d := declaring{cfg: s.opts.Config, dir: s.opts.Dir}
	for _, name := range c.Use {
		i := slices.IndexFunc(d.cfg.Verify, func(v config.Verify) bool { return v.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("the configuration has no entry under verify with the name %q", name)
		}
		d.add(&d.cfg.Verify[i], d.place(&d.cfg.Verify[i]), false)
	}
	v := config.Verify{Dir: dir}
	for _, q := range c.PromQL {
		v.PromQL = append(v.PromQL, config.PromQL{Name: q.Name, Provider: q.Provider, Query: q.Query, Max: q.Max, Min: q.Min, Window: q.Window})
	}
	for _, h := range c.HTTP {
		v.HTTP = append(v.HTTP, config.HTTP{Name: h.Name, URL: h.URL, Status: h.Status, Contains: h.Contains, MaxLatency: h.MaxLatency, Timeout: h.Timeout})
	}
	for _, p := range c.Command {
		v.Command = append(v.Command, config.Command{Name: p.Name, Argv: p.Argv, Timeout: p.Timeout})
	}
	d.add(&v, source, false)
	for i := range d.out.Checks {
		if bad := d.out.Checks[i].Bad; bad != "" {
			return nil, fmt.Errorf("check %q: %s", d.out.Checks[i].Name, bad)
		}
	}
	return d.out.Checks, nil
}

// LookAll looks at checks at the same time, each within its own limit, and says what they say together and what is not well.
func (s *Session) LookAll(ctx context.Context, checks []rollback.DeclaredCheck) (gameday.Verdict, string) {
	results := make([]rollback.Check, len(checks))
	var wg sync.WaitGroup
	for i := range checks {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, cmp.Or(checks[i].Timeout, readTimeout))
			defer cancel()
			results[i] = s.Look(ctx, rollback.Unit{}, checks[i])
		})
	}
	wg.Wait()
	verdict, why := gameday.Good, ""
	for i, r := range results {
		switch {
		case r.State == rollback.CheckFail && verdict != gameday.Bad:
			verdict, why = gameday.Bad, checks[i].Name+": "+r.Observed
		case r.State != rollback.CheckPass && r.State != rollback.CheckFail && verdict == gameday.Good:
			verdict, why = gameday.Unknown, checks[i].Name+": "+r.Observed
		}
	}
	return verdict, why
}

// gameClaim is what every game day claims, so that there is one at a time; gameLease is how long its conductor's word counts.
const (
	gameClaim = "gameday"
	gameLease = 30 * time.Second
)

// Conducting is the lease of a game day's conductor.
type Conducting struct {
	s     *Session
	fence store.Fence
}

// Conduct takes a game day's lease. Somebody else's conductor that may still be alive gives [rollback.ErrLocked].
func (s *Session) Conduct(ctx context.Context, game string) (*Conducting, error) {
	c := &Conducting{s: s}
	book, err := s.Games(ctx)
	if err != nil {
		return nil, err
	}
	err = s.DB.Update(ctx, func(tx *store.Tx) error {
		held, err := tx.Claims(gameClaim)
		if err != nil {
			return err
		}
		if g := book.Game(held); held != "" && held != game && (g == nil || !g.Open()) {
			// What claimed it never announced a game day, or is over: only a conductor that still lives keeps it.
			if _, err := tx.Acquire(held, executor(), s.opts.Now().Add(gameLease), holderDead); err != nil {
				return err
			}
			if err := tx.Release(held); err != nil {
				return err
			}
		}
		if err := tx.Claim(game, []string{gameClaim}); err != nil {
			return err
		}
		c.fence, err = tx.Acquire(game, executor(), s.opts.Now().Add(gameLease), holderDead)
		return err
	})
	if errors.Is(err, store.ErrHeld) {
		return nil, fmt.Errorf("%w: a game day is under way: %w: 'backout gameday list' shows it; where its conductor is gone, 'backout gameday resume' goes on with it", rollback.ErrLocked, err)
	}
	if err != nil {
		return nil, fmt.Errorf("take the lease of the game day: %w", err)
	}
	return c, nil
}

// Renew says that the conductor is there. An error says that somebody else has taken over.
func (c *Conducting) Renew(ctx context.Context) error {
	return c.s.DB.Update(ctx, func(tx *store.Tx) error { return tx.Renew(c.fence, c.s.opts.Now().Add(gameLease)) })
}

// Close gives the lease back; over ends the claim as well.
func (c *Conducting) Close(ctx context.Context, over bool) error {
	return c.s.DB.Update(ctx, func(tx *store.Tx) error {
		if !over {
			return tx.Detach(c.fence)
		}
		if err := tx.Check(c.fence); err != nil {
			return err
		}
		return tx.Release(c.fence.Run)
	})
}

// GameNotice is what a console has to say of the game day that is under way, "" where there is none.
func (s *Session) GameNotice() string {
	s.games.mu.Lock()
	defer s.games.mu.Unlock()
	g := s.games.book.Current()
	switch {
	case g == nil || s.opts.File != "":
		return ""
	case g.StaysOut(s.opts.Principal.ID):
		return fmt.Sprintf("GAME DAY %s: %s IS TO STAY OUT. Whatever you do here counts as a finding.", g.ID, s.opts.Principal.ID)
	default:
		return fmt.Sprintf("GAME DAY %s until %s UTC: something is broken on purpose; what it is, is yours to find", g.ID, g.Until.UTC().Format("15:04"))
	}
}

// noteLook puts on the record that the console of a person showed the incident of a game day, once.
func (s *Session) noteLook(ctx context.Context) {
	who := s.opts.Principal
	s.mu.Lock()
	shown := s.state.state.Incident
	s.mu.Unlock()
	s.games.mu.Lock()
	g := s.games.book.Current()
	due := g != nil && !g.PageAt.IsZero() && shown != nil && shown.Open() && who.Kind == policy.Human &&
		!slices.ContainsFunc(g.Looks, func(l gameday.Look) bool { return l.By == who.ID })
	id := ""
	if due {
		id = g.ID
	}
	s.games.mu.Unlock()
	if !due || s.opts.File != "" || s.NoRecord != nil || s.opts.Config.ReadOnly {
		return
	}
	if err := s.TellGame(ctx, gameday.Event{Game: id, What: gameday.Looked}); err != nil {
		s.opts.Log.Warn("the look cannot be recorded", "error", err)
	}
}

// followGame keeps what is known of game days fresh for a console.
func (s *Session) followGame(ctx context.Context) {
	if s.Lost != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	if err := s.refreshGames(ctx); err != nil {
		s.opts.Log.Warn("game days cannot be read", "error", err)
		return
	}
	s.refreshAsks(ctx)
	s.noteLook(ctx)
}
