package releases

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

// swap switches the link over ssh. The script over there prepares everything, says that it is ready and waits for a word;
// a connection that hangs or is cut before that word has no effect, however late the script runs.
func (r *remote) swap(ctx context.Context, u *unit, s swap) (rollback.Result, error) {
	oldTarget, oldMeta, err := splitToken(s.token)
	if err != nil {
		return refused("the plan's token is none of this host's: %v", err), nil //nolint:nilerr // it is in the outcome
	}
	before := link{target: oldTarget}
	before.parse(u, "")
	intent := note{Token: s.token, From: before.label}.text()
	done := strings.TrimSuffix(note{From: before.label}.text(), "}") + `,"unix":"`
	in, feed := io.Pipe()
	defer func() { _ = feed.Close() }()
	go func() {
		_, _ = io.WriteString(feed, script("switch", []string{
			u.base, u.releases, u.current, s.label, s.stamp(), stampedTarget(u.releases, s.label, s.op, s.step), oldTarget, oldMeta, intent, done,
		}))
	}()
	var out string
	sent := false
	err = r.program(in, 1<<20).Stream(ctx, func(stdout io.Reader) error {
		br := bufio.NewReader(stdout)
		first, err := br.ReadString(0)
		if err == nil && first == "ready\x00" {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			sent = true
			if _, err := io.WriteString(feed, "go\n"); err != nil {
				return err
			}
			first = ""
		}
		_ = feed.Close()
		rest, err := io.ReadAll(br)
		out = first + string(rest)
		return err
	})
	res := r.result(ctx, u, s, before, out, sent, err)
	return res, nil
}

// result reads the script's verdict. Without one, what happened is not known if the word was given, and if it was not,
// nothing did: but a caller that waits for an answer only learns that there was none.
func (r *remote) result(ctx context.Context, u *unit, s swap, before link, out string, sent bool, err error) rollback.Result {
	var start *process.StartError
	a := &answer{rest: out}
	verdict, detail := a.next(), providers.Clean(a.next())
	now, linkErr := a.link()
	if a.next() != "end" || a.bad {
		switch {
		case errors.As(err, &start) && ctx.Err() == nil:
			return failed("nothing was switched: %v", err)
		case sent:
			return unknown("the connection ended after the switch was sent: %v", cmp.Or(err, errNoAnswer))
		default:
			return unknown("the host gave no answer, and the switch was not sent: %v", cmp.Or(err, errNoAnswer))
		}
	}
	if linkErr == nil {
		now.parse(u, "")
	}
	switch verdict {
	case "applied":
		return rollback.Result{
			Outcome: rollback.Applied, Token: now.token(),
			Detail: fmt.Sprintf("%s now points to %s, before to %s", u.current, providers.Clean(s.label), providers.Clean(before.label)),
		}
	case "already":
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: now.token(), Detail: detail}
	case "refused":
		return refused("current is now %s", describe(now))
	case "failed":
		return failed("nothing was switched: %s", detail)
	default:
		return unknown("the host's answer makes no sense")
	}
}

var errNoAnswer = errors.New("no answer")

// splitToken turns a token back into what the script compares.
func splitToken(token string) (target, meta string, err error) {
	id, escaped, ok := strings.Cut(token, " ")
	inode, nanos, ok2 := strings.Cut(id, "@")
	n, err := strconv.ParseInt(nanos, 10, 64)
	if !ok || !ok2 || err != nil {
		return "", "", fmt.Errorf("%q", token)
	}
	target, err = unprintable(escaped)
	t := time.Unix(0, n)
	return target, fmt.Sprintf("%s %d.%09d", inode, t.Unix(), t.Nanosecond()), err
}

// settle: a rename leaves nothing half done.
func (r *remote) settle(context.Context, *unit) error { return nil }

func (r *remote) mark(ctx context.Context, u *unit, label, stamp, name, text string) error {
	_, err := r.call(ctx, "note", u.dir(label)+"/"+stampDir+"/"+stamp, name, text)
	return err
}

func (r *remote) marks(ctx context.Context, u *unit, label, stamp string) (map[string]string, error) {
	a, err := r.call(ctx, "read_notes", u.dir(label)+"/"+stampDir+"/"+stamp)
	if err != nil {
		return nil, err
	}
	m := a.notes()
	return m, a.err()
}

func (r *remote) lock(ctx context.Context, u *unit, want holder, now time.Time) error {
	b, err := json.Marshal(want)
	if err != nil {
		return err
	}
	expected := ""
	for range 3 {
		a, err := r.call(ctx, "lock", lockPath(u), string(b), expected)
		if err != nil {
			return err
		}
		if a.next() == "taken" {
			return nil
		}
		expected = a.next()
		h, ok := decodeHolder(expected)
		if !ok {
			return fmt.Errorf("somebody is taking it, or died while doing so (remove %s if nobody is): %w", lockPath(u), rollback.ErrLocked)
		}
		if err := h.refuses(want, now); err != nil {
			return err
		}
	}
	return fmt.Errorf("others take it again and again: %w", rollback.ErrLocked)
}

func (r *remote) unlock(ctx context.Context, u *unit, held holder) error {
	b, err := json.Marshal(held)
	if err != nil {
		return err
	}
	_, err = r.call(ctx, "unlock", lockPath(u), string(b))
	return err
}
