package releases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// note is what a stamp's notes hold.
type note struct {
	Token string    `json:"token,omitempty"` // what the switch compares with
	From  string    `json:"from,omitempty"`  // the release before
	At    time.Time `json:"at,omitzero"`     // when the new link was made
	Unix  string    `json:"unix,omitempty"`  // the same, as a shell script can tell it
}

func (n note) text() string {
	n.From = printable(n.From)
	b, _ := json.Marshal(n) // strings and a time always encode
	return string(b)
}

func readNote(s string) (n note, ok bool) {
	if json.Unmarshal([]byte(s), &n) != nil {
		return note{}, false
	}
	from, err := unprintable(n.From)
	n.From = from
	if n.Unix != "" && err == nil {
		n.At, err = unixTime(n.Unix)
	}
	return n, err == nil
}

// settle finishes what processes left half done that were killed in the middle of a switch.
func (l *local) settle(ctx context.Context, u *unit) error {
	if l.cas(u) != rollback.CASAtomic {
		return nil
	}
	_, err := within(ctx, func() (struct{}, error) {
		if left, err := leftovers(u); err != nil || len(left) == 0 {
			return struct{}{}, err
		}
		unlock, err := lockDir(ctx, u.base)
		if err != nil {
			return struct{}{}, err
		}
		defer unlock()
		left, err := leftovers(u)
		for _, o := range left {
			err = errors.Join(err, l.settleStep(u, o.op, o.step, intendedToken(u, o)))
		}
		return struct{}{}, err
	})
	return err
}

// intendedToken is what a killed switch would have compared with, as it noted beforehand.
func intendedToken(u *unit, o leftover) string {
	dirs, _ := os.ReadDir(filepath.Join(u.base, u.releases))
	for _, d := range dirs {
		path := filepath.Join(u.dir(d.Name()), stampDir, stampName(o.op, o.step), markIntent)
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if n, ok := readNote(string(b)); ok {
			return n.Token
		}
	}
	return ""
}

// settleStep looks at the links that earlier attempts of one step left beside current, and does what they would have.
func (l *local) settleStep(u *unit, op string, step int, token string) error {
	left, err := leftovers(u)
	if err != nil {
		return err
	}
	for _, o := range left {
		if o.op != op || o.step != step {
			continue
		}
		if err := l.settleOne(u, o, token); err != nil {
			return err
		}
	}
	return nil
}

// settleOne: the link left behind is one of four things.
func (l *local) settleOne(u *unit, o leftover, token string) error {
	temp := filepath.Join(u.base, o.name)
	ours := func(k link) bool { return k.op == o.op && k.step == o.step }
	now, err := readLink(u, u.link())
	if err != nil && !missing(err) && !errors.Is(err, errNotLink) {
		return err
	}
	switch {
	case ours(o.link):
		// Never exchanged, or put back.
		return ignoreGone(removeLink(temp))
	case o.link.token() == token:
		// The condition held: it was applied. The new link is current, or somebody has switched on since.
		if ours(now) {
			dir := filepath.Join(u.dir(now.label), stampDir, stampName(o.op, o.step))
			_ = writeMark(dir, markDone, note{From: o.link.label, At: now.made.UTC()}.text())
		}
		return ignoreGone(removeLink(temp))
	case err == nil && (ours(now) || displaced(o.link, now)):
		// Somebody's link was displaced and its putting back not finished.
		if res := putBack(l, u, temp, now); res.Outcome == rollback.OutcomeUnknown {
			return errors.New(res.Detail)
		}
		return nil
	default:
		// Somebody switched current after ours displaced this one: theirs would have replaced it anyway.
		return ignoreGone(removeLink(temp))
	}
}

// displaced reports that a process was killed between two rounds of putting back, so that the link beside current is newer
// than the one in its place. An exchange touches both at once, hence nearly the same time of change; and the one that was
// made later is the newer. In doubt, what is in place stays.
func displaced(beside, current link) bool {
	return current.changed.Sub(beside.changed) < 10*time.Millisecond && beside.made.After(current.made)
}

func ignoreGone(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("remove a link left behind: %w", err)
}

// renameSwap is the switch where two names cannot be exchanged in one step: a lock among the backouts of this host, one
// more look, and a rename. Somebody who switches between the look and the rename is overwritten.
func (l *local) renameSwap(ctx context.Context, u *unit, s swap) rollback.Result {
	unlock, err := lockDir(ctx, u.base)
	if err != nil {
		return failed("nothing was switched: %v", err)
	}
	defer unlock()
	left, _ := leftovers(u)
	for _, o := range left {
		if o.op == s.op && o.step == s.step && o.link.op == s.op && o.link.step == s.step {
			_ = removeLink(filepath.Join(u.base, o.name))
		}
	}
	a := &attempt{local: l, u: u, swap: s}
	now, res, over := a.begin(ctx)
	if over {
		return res
	}
	again, err := readLink(u, u.link())
	if err != nil || again.token() != s.token {
		_ = removeLink(a.temp)
		return refused("current is now %s", describe(again))
	}
	if err := os.Rename(a.temp, u.link()); err != nil {
		_ = removeLink(a.temp)
		return failed("nothing was switched: %v", err)
	}
	return a.applied(now)
}

func lockDir(ctx context.Context, dir string) (func(), error) {
	for {
		unlock, ok, err := tryLockDir(dir)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		if ok {
			return unlock, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: another process is at it: %w", dir, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}
