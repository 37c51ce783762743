package releases

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// maxPutBack bounds the putting back of other people's links. Each round needs somebody to switch the link within the
// microseconds since the last.
const maxPutBack = 1000

// attempt is one call's work on one step.
type attempt struct {
	*local
	u    *unit
	swap swap
	temp string // the attempt's own link, beside current
	mine link   // as it was made
}

// swap switches current to a release on the condition that current is still the link with s.token.
//
// It makes a new link beside current, exchanges the two names in one step, and then looks at what came out. That is
// the condition: if it is not what the plan saw, somebody was quicker, and their link is put back. For the moments
// between the two exchanges the unit serves the wrong release; when the process dies in them, whoever settles next
// finishes. A link that somebody puts in place meanwhile is newer than both and stays: see putBack.
//
// The backouts of one machine take turns, by a lock that ends with its process. So all that comes between the two
// exchanges is from somebody who switches without a condition, and is newer than what the plan saw.
func (l *local) swap(ctx context.Context, u *unit, s swap) (rollback.Result, error) {
	res, err := within(ctx, func() (rollback.Result, error) { return l.attempt(ctx, u, s), nil })
	if err != nil {
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: "the file system gave no answer in time"}, nil //nolint:nilerr // it is in the outcome
	}
	return res, nil
}

func (l *local) attempt(ctx context.Context, u *unit, s swap) rollback.Result {
	if l.cas(u) != rollback.CASAtomic {
		return l.renameSwap(ctx, u, s)
	}
	unlock, err := lockDir(ctx, u.base)
	if err != nil {
		return failed("nothing was switched: %v", err)
	}
	defer unlock()
	a := &attempt{local: l, u: u, swap: s}
	if err := l.settleStep(u, s.op, s.step, s.token); err != nil {
		return unknown("what an earlier attempt left behind could not be settled: %v", err)
	}
	if _, res, over := a.begin(ctx); over {
		return res
	}
	if err := l.exchange(a.temp, u.link()); err != nil {
		return a.refused(err)
	}
	l.at("exchanged")
	return a.judge()
}

// check compares before anything is made. It is no protection, only the cheap and common answer.
func (a *attempt) check() (link, rollback.Result, bool) {
	now, err := readLink(a.u, a.u.link())
	switch {
	case missing(err) || errors.Is(err, errNotLink):
		return now, refused("%v", err), true
	case err != nil:
		return now, failed("nothing was switched: %v", err), true
	case now.op == a.swap.op && now.step == a.swap.step && now.label == a.swap.label:
		return now, rollback.Result{Outcome: rollback.AlreadyApplied, Token: now.token(), Detail: "current carries this operation's stamp"}, true
	case now.token() != a.swap.token:
		return now, refused("current is now %s", describe(now)), true
	}
	return now, rollback.Result{}, false
}

// begin compares, and makes everything that the switch needs while there is time for it: what is there now, or, where it
// is over already, how.
func (a *attempt) begin(ctx context.Context) (now link, res rollback.Result, over bool) {
	if now, res, over = a.check(); over {
		return now, res, true
	}
	if err := a.ready(now); err != nil {
		return now, failed("nothing was switched: %v", err), true
	}
	a.at("ready")
	if ctx.Err() != nil {
		_ = removeLink(a.temp)
		return now, failed("the time was up before the switch: nothing happened"), true
	}
	return now, res, false
}

// ready makes the stamp, the note of what is intended, and the new link.
func (a *attempt) ready(from link) error {
	dir := a.u.dir(a.swap.label)
	if err := prepare(dir, a.swap.stamp()); err != nil {
		return err
	}
	if err := writeMark(filepath.Join(dir, stampDir, a.swap.stamp()), markIntent, note{Token: a.swap.token, From: from.label}.text()); err != nil {
		return err
	}
	a.temp = filepath.Join(a.u.base, tempName(a.u.current, a.swap.op, a.swap.step, rand.Text()[:10]))
	if err := os.Symlink(stampedTarget(a.u.releases, a.swap.label, a.swap.op, a.swap.step), a.temp); err != nil {
		return fmt.Errorf("make the new link: %w", err)
	}
	var err error
	a.mine, err = peek(a.u, a.temp)
	return err
}

// refused says what an exchange that was not made means: nothing happened, unless it is not known.
func (a *attempt) refused(err error) rollback.Result {
	if _, gone := os.Lstat(a.temp); errors.Is(gone, fs.ErrNotExist) {
		return a.taken()
	}
	_ = removeLink(a.temp)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refused("current was removed by somebody")
	case unsupported(err):
		a.mu.Lock()
		a.cannot[a.u.base] = true
		a.mu.Unlock()
		return failed("this file system cannot exchange two names (%v): nothing was switched; plan again, without a compare-and-set", err)
	default:
		return failed("nothing was switched: %v", err)
	}
}

// judge looks at what came out of current.
func (a *attempt) judge() rollback.Result {
	out, err := peek(a.u, a.temp)
	switch {
	case missing(err):
		return a.taken()
	case errors.Is(err, errNotLink):
		// Somebody replaced the link by a directory. It is put back like a link.
	case err != nil:
		return unknown("switched, but what was replaced cannot be read: %v", err)
	case out.token() == a.swap.token:
		return a.applied(out)
	case out.same(a.mine):
		return refused("another process put back what this one had replaced")
	}
	res := putBack(a.local, a.u, a.temp, a.mine)
	if res.Outcome == rollback.PreconditionFailed && out.op == a.swap.op && out.step == a.swap.step {
		return a.taken() // an earlier attempt of this very step had come first
	}
	return res
}

// applied notes that the switch is done; only then is the old link removed, so that a kill in between can be told.
func (a *attempt) applied(out link) rollback.Result {
	dir := filepath.Join(a.u.dir(a.swap.label), stampDir, a.swap.stamp())
	_ = writeMark(dir, markDone, note{From: out.label, At: a.mine.made.UTC()}.text())
	_ = removeLink(a.temp)
	persist(a.u.base)
	return rollback.Result{
		Outcome: rollback.Applied, Token: a.mine.token(),
		Detail: fmt.Sprintf("%s now points to %s, before to %s", a.u.current, providers.Clean(a.swap.label), describe(out)),
	}
}

// taken is the answer when another process finished, or took back, what this attempt began.
func (a *attempt) taken() rollback.Result {
	now, err := readLink(a.u, a.u.link())
	switch {
	case err != nil:
		return unknown("another process took this step over, and current cannot be read: %v", err)
	case now.op == a.swap.op && now.step == a.swap.step:
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: now.token(), Detail: "another process finished this step"}
	default:
		return refused("another process took this step over; current is now %s", describe(now))
	}
}

// putBack returns a link that an exchange displaced, now at temp, to current, from which put is to come out. If something
// else comes out, somebody switched current in between: theirs is the newest, so that goes back in turn, until what comes
// out is what was put in.
func putBack(l *local, u *unit, temp string, put link) rollback.Result {
	out, _ := peek(u, temp)
	for range maxPutBack {
		if err := l.exchange(temp, u.link()); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				_ = removeLink(temp)
				return refused("current was removed by somebody while it was put back")
			}
			return unknown("somebody's newer link to %s was replaced and could not be put back (%v): it is kept at %s", describe(out), err, temp)
		}
		l.at("put back")
		got, err := peek(u, temp)
		if err == nil && got.same(put) {
			_ = removeLink(temp)
			persist(u.base)
			return refused("somebody switched it to %s at the same moment; that stands", describe(out))
		}
		put, out = out, got
	}
	return unknown("current is switched faster than it can be put back; the last link displaced is at %s", temp)
}

// removeLink removes a link and nothing else.
func removeLink(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return err
	}
	return os.Remove(path)
}

func describe(l link) string {
	s := providers.Clean(l.label)
	if s == "" {
		return "something that is no link"
	}
	if l.op != "" {
		s += " (by operation " + l.op + ")"
	}
	return s + ", made " + l.made.UTC().Format(time.DateTime) + " UTC"
}

func failed(format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: rollback.Failed, Detail: fmt.Sprintf(format, args...)}
}

func refused(format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: fmt.Sprintf(format, args...)}
}
