package migrate

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Changes implements providers.ChangeSource. Goose keeps when each migration was applied, and forgets one that was taken back;
// golang-migrate keeps only the version. What they do not keep is known from the moment on at which it was first looked at.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		s, err := p.look(ctx)
		if err != nil {
			yield(providers.Change{}, err)
			return
		}
		for c := range p.told(s) {
			if ctx.Err() != nil {
				yield(providers.Change{}, ctx.Err())
				return
			}
			if w.Contains(c.At()) && !yield(c, nil) {
				return
			}
		}
	}
}

// told is everything that is known to have happened, the newest first.
func (p *Provider) told(s *state) iter.Seq[providers.Change] {
	return func(yield func(providers.Change) bool) {
		for i := len(s.memory.Moves) - 1; i >= 0; i-- {
			m := s.memory.Moves[i]
			if p.set.Tool == toolGoose && !m.Down {
				continue // its table says it better
			}
			if !yield(p.moved(m)) {
				return
			}
		}
		first := ""
		if p.set.Tool == toolGolang && len(s.memory.Moves) > 0 {
			first = s.memory.Moves[0].From // what is newer stands among the moves
		}
		below, err := strconv.ParseInt(first, 10, 64)
		for i := len(s.done) - 1; i >= 0; i-- {
			if err == nil && s.done[i].version > below {
				continue
			}
			if !yield(p.applied(s, i)) {
				return
			}
		}
	}
}

// applied tells of a migration that the version table says was applied.
func (p *Provider) applied(s *state, i int) providers.Change {
	a := s.done[i]
	c := p.change()
	c.ID, c.To = fmt.Sprintf("version-%d", a.version), strconv.FormatInt(a.version, 10)
	if i > 0 {
		c.From = strconv.FormatInt(s.done[i-1].version, 10)
	}
	c.Title = "migration " + s.file(a.version).name()
	if p.set.Tool == toolGoose {
		c.ID = fmt.Sprintf("row-%d", a.row)
	}
	c.LandedAt, c.EffectiveFrom = a.at, a.at
	c.Artifacts = []string{s.revision(s.versions()[:i+1]).Digest}
	if a.at.IsZero() {
		c.Title += ": applied, and nobody knows when"
	}
	if m := s.files[a.version]; m != nil {
		c.Paths, c.Files = []string{m.file}, 1
	}
	providers.CleanChange(&c)
	return c
}

// moved tells of a version that was followed by another between two looks.
func (p *Provider) moved(m move) providers.Change {
	c := p.change()
	c.ID, c.From, c.To, c.LandedAt = fmt.Sprintf("seen-%d", m.At.UnixNano()), m.From, m.To, m.At
	c.Artifacts = []string{m.Digest}
	verb := "went up"
	if m.Down {
		verb = "went down"
	}
	c.Title = fmt.Sprintf("the schema %s from %s to %s", verb, m.From, m.To)
	if m.By != "" {
		c.Kind, c.EffectiveFrom = providers.KindRollback, m.At
	} else {
		c.LandedApproximate = true
		c.Title += fmt.Sprintf(", at some time after %s", m.Unseen.UTC().Format(time.DateTime))
	}
	providers.CleanChange(&c)
	return c
}

func (p *Provider) change() providers.Change {
	return providers.Change{
		Provider: p.env.Name, Kind: providers.KindMigration, Service: p.set.Service, Environment: p.env.Environment, Unit: string(p.unit()),
	}
}

// backoff is the pause before the next try of a database that does not answer.
const backoff = time.Minute

// Watch implements providers.Watcher by looking again and again.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		since := p.env.Now().UTC()
		reported := map[string]bool{}
		timer := time.NewTimer(p.set.Poll)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			pause := p.set.Poll
			// The database's clock may be another.
			for c, err := range p.Changes(ctx, providers.Window{Since: since.Add(-5 * time.Minute)}) {
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					if !yield(providers.Event{}, err) || providers.ClassOf(err) == providers.ClassPermanent {
						return
					}
					pause = max(backoff, pause)
					break
				}
				if !reported[c.ID] && !yield(providers.Event{Change: &c}, nil) {
					return
				}
				reported[c.ID] = true
			}
			timer.Reset(pause)
		}
	}
}
