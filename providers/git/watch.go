package git

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	leastFetch  = 30 * time.Second
	longestWait = time.Minute
	// afterRewrite is how much is read of a history that was replaced by another one.
	afterRewrite = "200"
	mostAtOnce   = "10000" // new landings of one look
	// looksBeforeAnew: the default branch itself may change, which a look at the old one does not show.
	looksBeforeAnew = 12
	fetchTimeout    = time.Minute
)

// transport are the variables that fetching needs beside those of reading.
var transport = []string{
	"SSH_AUTH_SOCK", "SSH_AGENT_PID", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_ASKPASS", "SSH_ASKPASS", "DISPLAY",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"GIT_SSL_CAINFO", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
}

// Watch implements [providers.Watcher] by asking git every few seconds where the branch and the tags stand. It begins
// with what the last call of Changes saw, so that nothing that lands in between is lost; without one, with what is there.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		w := &watch{p: p, wait: p.set.Poll}
		p.mu.Lock()
		w.seen = p.seen
		p.mu.Unlock()
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			start := p.env.Now()
			err := w.poll(ctx, func(c providers.Change) error {
				if !yield(providers.Event{Change: &c}, nil) {
					return errStopped
				}
				return ctx.Err()
			})
			if ctx.Err() != nil || errors.Is(err, errStopped) {
				return
			}
			if !w.report(start, err, yield) {
				return
			}
			timer.Reset(w.wait)
		}
	}
}

// watch is the state of one watching.
type watch struct {
	p       *Provider
	repo    *repo // as it was opened last; looked at anew after every change and error, and now and then
	looks   int
	seen    *snapshot
	wait    time.Duration
	fetched time.Time
}

// report tells health and caller how a look ended, and says whether to go on. After errors it looks less often.
func (w *watch) report(start time.Time, err error, yield func(providers.Event, error) bool) bool {
	h := w.p.vitals.Health()
	w.p.vitals.Done(start, err)
	if err == nil {
		w.wait = w.p.set.Poll
		if h.State != providers.HealthFailing && h.Detail != "" {
			w.p.vitals.Note(h.Detail) // what was said of the repository stays true
		}
		return true
	}
	w.wait = min(2*w.wait, max(longestWait, w.p.set.Poll))
	return yield(providers.Event{}, err) && providers.ClassOf(err) != providers.ClassPermanent
}

// poll looks once. What was seen moves on only when everything new was handed on.
func (w *watch) poll(ctx context.Context, emit func(providers.Change) error) (err error) {
	defer func() {
		if err != nil {
			w.repo = nil
		}
	}()
	if err := w.fetch(ctx); err != nil {
		return err
	}
	r, err := w.open(ctx)
	if err != nil {
		return err
	}
	now := &snapshot{head: r.head}
	if w.seen != nil && r.head != w.seen.head && r.head != "" {
		if err := w.landings(ctx, r, emit); err != nil {
			return r.explain(err)
		}
	}
	if w.p.tags() {
		now.tags = map[string]string{}
		err := r.eachTag(ctx, func(t tag) error {
			now.tags[t.name] = t.object
			if w.seen == nil || w.seen.tags == nil || w.seen.tags[t.name] == t.object {
				return nil
			}
			return emit(w.p.tagChange(r, t))
		})
		if err != nil {
			return r.explain(err)
		}
	}
	w.seen = now
	return nil
}

// open asks only where the branch stands, as long as it stands where it stood.
func (w *watch) open(ctx context.Context) (*repo, error) {
	w.looks++
	if w.repo != nil && w.repo.ref != "" && w.looks%looksBeforeAnew != 0 {
		head, err := w.repo.commit(ctx, w.repo.ref)
		if err == nil && head == w.repo.head {
			return w.repo, nil
		}
	}
	r, err := w.p.open(ctx)
	w.repo = r
	return r, err
}

// landings reads what is on the branch and was not before. Where the history was replaced, or what was seen is gone,
// that cannot be told, and the newest landings are handed on again.
func (w *watch) landings(ctx context.Context, r *repo, emit func(providers.Change) error) error {
	each := func(seg segment) error { return w.p.segment(ctx, r, seg, emit) }
	old := w.seen.head
	if old != "" {
		known, err := r.commit(ctx, old)
		if err != nil {
			return err
		}
		if known == "" {
			old = ""
		}
	}
	if old == "" {
		_, err := r.walk(ctx, providers.Window{}, each, "-n", afterRewrite, r.head)
		return err
	}
	_, err := r.walk(ctx, providers.Window{}, each, "-n", mostAtOnce, r.head, "^"+old)
	return err
}

// fetch asks the remote, where the user wants that. Only here anything leaves the machine.
func (w *watch) fetch(ctx context.Context) error {
	p := w.p
	if !p.set.Fetch || p.env.Now().Sub(w.fetched) < max(p.set.Poll, leastFetch) {
		return nil
	}
	r := runner{p.set.Path, fetchTimeout}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	prog := r.reaching(ctx, "fetch", "--quiet")
	if _, err := prog.Run(ctx); err != nil {
		if ctx.Err() != nil {
			return providers.Retryable(fmt.Errorf("git fetch in %s did not end within %s: %w", p.set.Path, fetchTimeout, err))
		}
		return providers.Retryable(fmt.Errorf("git fetch in %s: what is shown may be old: %w", p.set.Path, err))
	}
	w.fetched = p.env.Now()
	return nil
}
