package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/gameday"
)

// The limits of making and undoing a fault.
const (
	gameProgram  = time.Minute      // of one program
	gameTakes    = 15 * time.Second // until a unit is seen to serve what was released
	gameTries    = 3                // of undoing a step
	gamePause    = time.Second
	gameSaid     = 64 << 10
	gameObserved = 200 * time.Millisecond
)

// inject makes the fault, step by step: each is on the record before it can have an effect.
func (c *conductor) inject(ctx context.Context) error {
	for i := range c.targets {
		t := &c.targets[i]
		if err := ctx.Err(); err != nil {
			return errors.New("its conductor was told to end")
		}
		if err := c.s.TellGame(ctx, gameday.Event{Game: c.id, What: gameday.Injecting, Step: i + 1}); err != nil {
			return err
		}
		err := c.start(ctx, t.Do, t)
		var never *process.StartError
		if errors.As(err, &never) {
			err = errors.Join(err, c.s.TellGame(ctx, gameday.Event{Game: c.id, What: gameday.NotInjected, Step: i + 1, Detail: providers.Clean(never.Error())}))
		}
		if err == nil && t.After != "" {
			err = c.serves(ctx, t, func(digest string) bool { return digest == t.After })
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		if err := c.s.TellGame(ctx, gameday.Event{Game: c.id, What: gameday.Injected, Step: i + 1}); err != nil {
			return err
		}
	}
	c.say("the fault is made")
	return nil
}

// start runs a program of the fault: no shell, a bounded time, and nothing of the environment but what a program needs.
func (c *conductor) start(ctx context.Context, argv []string, t *gameday.Target) error {
	ctx, cancel := context.WithTimeout(ctx, gameProgram)
	defer cancel()
	env := append(process.Environ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"), "BACKOUT_GAMEDAY="+c.id, "BACKOUT_UNIT="+t.Unit, "BACKOUT_SERVICE="+t.Service, "BACKOUT_ENVIRONMENT="+t.Environment)
	if _, err := (process.Program{Argv: argv, Env: env, MaxOutput: gameSaid}).Run(ctx); err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	return nil
}

// serves waits until a unit serves what it should.
func (c *conductor) serves(ctx context.Context, t *gameday.Target, is func(digest string) bool) error {
	ctx, cancel := context.WithTimeout(ctx, gameTakes)
	defer cancel()
	for {
		obs, err := c.s.Engine.Observe(ctx, rollback.UnitID(t.Unit))
		if err == nil && is(obs.Current.Digest) {
			return nil
		}
		select {
		case <-ctx.Done():
			if err == nil {
				err = fmt.Errorf("it serves %s", wordOr(obs.Current.Label, obs.Current.Digest))
			}
			return fmt.Errorf("%s does not serve what was released: %w", t.Unit, err)
		case <-time.After(gameObserved):
		}
	}
}

// undo takes back what may stand of the fault, the last step first. What people took back already is left alone.
func (c *conductor) undo(ctx context.Context) error {
	_, g, err := c.a.game(ctx, c.s, c.id)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range g.Standing() {
		t := &g.Steps[n-1].Target
		said, err := "", error(nil)
		for try := range gameTries {
			if try > 0 {
				time.Sleep(gamePause)
			}
			if said, err = c.undoStep(ctx, t); err == nil {
				break
			}
		}
		event := gameday.Event{Game: c.id, What: gameday.Undone, Step: n, Detail: said}
		if err != nil {
			event.What, event.Detail = gameday.NotUndone, providers.Clean(err.Error())
			errs = append(errs, fmt.Errorf("step %d of the fault is not undone: %w", n, err))
		}
		c.say("step %d: %s", n, wordOr(event.Detail, string(event.What)))
		errs = append(errs, c.s.TellGame(ctx, event))
	}
	return errors.Join(errs...)
}

// undoStep undoes one step, and says what was done.
func (c *conductor) undoStep(ctx context.Context, t *gameday.Target) (string, error) {
	if t.After == "" { // its undo does no harm where nothing is left of it
		return t.Unit + ": its undo was run", c.start(ctx, t.Undo, t)
	}
	looking, cancel := context.WithTimeout(ctx, gameTakes)
	defer cancel()
	obs, err := c.s.Engine.Observe(looking, rollback.UnitID(t.Unit))
	if err != nil {
		return "", err
	}
	if obs.Current.Digest != t.After {
		return gone(t, &obs), nil
	}
	if err := c.start(ctx, t.Undo, t); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s was released back to %s", t.Unit, t.BeforeLabel), c.serves(ctx, t, func(digest string) bool { return digest != t.After })
}

// lookForFault puts on the record which steps of the fault were taken back since the last look. What cannot be seen stands.
func (c *conductor) lookForFault(ctx context.Context, g *gameday.Game) error {
	for _, n := range g.Standing() {
		t := &g.Steps[n-1].Target
		if t.After == "" {
			continue
		}
		looking, cancel := context.WithTimeout(ctx, gameTakes)
		obs, err := c.s.Engine.Observe(looking, rollback.UnitID(t.Unit))
		cancel()
		if err != nil || obs.Current.Digest == t.After {
			continue
		}
		if err := c.s.TellGame(ctx, gameday.Event{Game: c.id, What: gameday.Undone, Step: n, Detail: gone(t, &obs)}); err != nil {
			return err
		}
	}
	return nil
}

// gone says that nothing of a step is left.
func gone(t *gameday.Target, obs *rollback.Observation) string {
	return fmt.Sprintf("%s serves %s, and not what the fault brought", t.Unit, wordOr(obs.Current.Label, obs.Current.Digest))
}
