package exec

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
)

const maxLine = 1 << 20 // bytes of one line of an answer

var errEnough = errors.New("the reader has enough")

// changes is the ability of a provider with a command for changes.
type changes struct{ c *core }

// Changes implements providers.ChangeSource with one run of the command.
func (s changes) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		err := s.c.events(ctx, "changes", w, func(ev providers.Event) error {
			if ev.Change == nil {
				return errors.New(`an alert in an answer about changes`)
			}
			ch := *ev.Change
			ch.Provider, ch.Environment = s.c.name, cmp.Or(ch.Environment, s.c.environment)
			if w.Contains(ch.At()) && !yield(ch, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil {
			yield(providers.Change{}, err)
		}
	}
}

// alerts is the ability of a provider with a command for alerts.
type alerts struct{ c *core }

// Alerts implements providers.AlertSource with one run of the command.
func (s alerts) Alerts(ctx context.Context, w providers.Window) iter.Seq2[providers.Alert, error] {
	return func(yield func(providers.Alert, error) bool) {
		err := s.c.events(ctx, "alerts", w, func(ev providers.Event) error {
			if ev.Alert == nil {
				return errors.New(`a change in an answer about alerts`)
			}
			a := *ev.Alert
			a.Provider, a.Environment = s.c.name, cmp.Or(a.Environment, s.c.environment)
			open := (w.Until.IsZero() || a.StartsAt.Before(w.Until)) && (w.Since.IsZero() || a.EndsAt.IsZero() || a.EndsAt.After(w.Since))
			if open && !yield(a, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil {
			yield(providers.Alert{}, err)
		}
	}
}

// events reads the lines of an answer while the program still writes them. A line that is none of the feed's is the end:
// what a program says after it may be anything.
func (c *core) events(ctx context.Context, method string, w providers.Window, each func(providers.Event) error) error {
	err := c.stream(ctx, request{Method: method, Since: w.Since, Until: w.Until}, func(stdout io.Reader) error {
		return lines(stdout, func(n int, line []byte) error {
			ev, err := incident.DecodeEvent(line)
			if err == nil {
				err = each(ev)
			}
			if err != nil && !errors.Is(err, errEnough) {
				return providers.Permanent(fmt.Errorf("line %d of its answer: %w", n, err))
			}
			return err
		})
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// lines calls each for every line that is not empty.
func lines(r io.Reader, each func(n int, line []byte) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 64<<10), maxLine)
	n := 0
	for sc.Scan() {
		n++
		if line := bytes.TrimSpace(sc.Bytes()); len(line) > 0 {
			if err := each(n, line); err != nil {
				return err
			}
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return providers.Permanent(fmt.Errorf("line %d of its answer is longer than %d bytes", n+1, maxLine))
	}
	return sc.Err()
}
