package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
	"github.com/backout-dev/backout/rollback"
)

// opened is a session with what belongs to it.
type opened struct {
	*session.Session
	settings *settings
	close    func() error
}

// open makes a session as the flags ask; span is the window where they do not say.
func (a *app) open(ctx context.Context, span time.Duration) (*opened, error) {
	st, err := a.load()
	if err != nil {
		return nil, err
	}
	return a.openWith(ctx, st, span)
}

func (a *app) openWith(ctx context.Context, st *settings, span time.Duration) (*opened, error) {
	st.reach(ctx, a.now())
	if span == 0 {
		span = st.Since
	}
	if err := a.replay(); err != nil {
		return nil, err
	}
	if err := private(st.stateDir); err != nil {
		a.warn("state directory: %v", err)
	}
	log, closeLog := st.logger()
	w := a.window(span)
	w.Until = time.Time{} // what comes while the session is open belongs on it; --until only limits what is shown
	if a.flags.file != "" && a.flags.since == "" {
		w.Since = time.Time{}
	}
	password, err := st.Store.Password(ctx)
	if err != nil {
		return nil, errors.Join(err, closeLog())
	}
	who := a.principal(st)
	s, err := session.Open(ctx, session.Options{
		Config: a.signedBy(st, who), Registry: st.registry, Dir: st.dir, StateDir: st.stateDir, CacheDir: st.cacheDir, Database: st.Store.URL, Password: password,
		File: a.flags.file, Window: w, Principal: who, Now: a.now, Log: log, Spawn: a.spawner(st), Cluster: a.kubeconfig(), Executes: a.executing,
		AuthSock: a.getenv("SSH_AUTH_SOCK"),
	})
	if err != nil {
		return nil, errors.Join(err, closeLog())
	}
	return &opened{Session: s, settings: st, close: func() error {
		err := errors.Join(s.Close(), closeLog())
		if n, why := s.Signing(); why != nil {
			a.warn("%d of the entries that were written are unsigned: %v; 'backout ledger sign' signs them later", n, why)
		}
		return err
	}}, nil
}

// kubeconfig reports whether there is a configuration that kubectl would use.
func (a *app) kubeconfig() bool {
	files := filepath.SplitList(a.getenv("KUBECONFIG"))
	if len(files) == 0 && a.getenv("HOME") != "" {
		files = []string{filepath.Join(a.getenv("HOME"), ".kube", "config")}
	}
	return slices.ContainsFunc(files, func(file string) bool {
		at, err := os.Stat(file)
		return err == nil && at.Mode().IsRegular() && at.Size() > 0
	})
}

// replay stops the clock at the moment an incident file stands for, so that it is shown and ranked as it was then. A feed
// of single events stands for no moment.
func (a *app) replay() error {
	if a.flags.file == "" || a.replaying {
		return nil
	}
	f, err := os.Open(a.flags.file)
	if err != nil {
		return fmt.Errorf("read incident file: %w", err)
	}
	defer f.Close()
	for doc, err := range incident.Read(f) {
		if err == nil && !doc.At.IsZero() {
			a.now, a.replaying = func() time.Time { return doc.At }, true
		}
		break
	}
	return nil
}

// warnRecord says that nothing can be done, and why.
func (a *app) warnRecord(s *opened) {
	switch {
	case s.Lost != nil:
		a.warn("read-only, and without runs, notes and what people said of suspects: %v", s.Lost)
	case s.NoRecord != nil:
		a.warn("read-only, because the record cannot be written: %v", s.NoRecord)
	}
	if s.NoPolicy != nil {
		a.warn("nothing may be rolled back, because the policy cannot be read: %v", s.NoPolicy)
	}
	if away, is := s.DB.Away(); is {
		a.warn("the shared store is away: what is shown of the record is the copy of %s, and nothing can be begun: %v", away.Copy.UTC().Format(time.RFC3339), away.Why)
	}
}

// reason says why nothing may be done where it is not --readonly that forbids it.
func (s *opened) reason(err error) error {
	if errors.Is(err, rollback.ErrReadOnly) && s.NoRecord != nil && !s.settings.ReadOnly {
		return &coded{code: codeRefused, err: fmt.Errorf("nothing is done that cannot be recorded: %w", s.NoRecord)}
	}
	return err
}

// with opens a session, waits for the providers, and runs do.
func (a *app) with(ctx context.Context, span time.Duration, do func(context.Context, *opened) error) (err error) {
	s, err := a.open(ctx, span)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.Start(ctx)
	missing := a.await(ctx, s)
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := do(ctx, s); err != nil {
		return s.reason(err)
	}
	if a.flags.strict && len(missing) > 0 {
		return ended(missingCode(missing))
	}
	return nil
}

// missingCode is the exit code for providers that did not answer: that of authentication where nothing else is wrong.
func missingCode(missing map[string]error) int {
	for _, err := range missing {
		if providers.ClassOf(err) != providers.ClassAuth {
			return codeStrict
		}
	}
	return codeAuth
}

// await gives the providers their time and says who did not answer; it returns them, with why.
func (a *app) await(ctx context.Context, s *opened) map[string]error {
	a.warnRecord(s)
	ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
	defer cancel()
	missing := s.Backfill(ctx)
	names := make([]string, 0, len(missing))
	for name := range missing {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		a.warn("provider %s: %s", name, strings.TrimPrefix(missing[name].Error(), "provider "+name+": "))
	}
	for _, h := range s.Health() {
		if missing[h.Provider] == nil && h.State == providers.HealthOK && h.Detail != "" {
			a.warn("provider %s: %s", h.Provider, h.Detail)
		}
	}
	if len(s.settings.Providers) == 0 && a.flags.file == "" {
		for _, h := range s.Hints() {
			a.warn("%s", h)
		}
	}
	return missing
}

// record opens only what the record needs: no provider is read. A record that cannot be read is an error here.
func (a *app) record(ctx context.Context, do func(context.Context, *opened) error) error {
	return a.unread(ctx, func(ctx context.Context, s *opened) error {
		if err := s.Readable(); err != nil {
			return err
		}
		a.warnRecord(s)
		return s.reason(do(ctx, s))
	})
}

// unread opens a session of which no provider is read.
func (a *app) unread(ctx context.Context, do func(context.Context, *opened) error) (err error) {
	s, err := a.open(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return do(ctx, s)
}

// spawner starts runs as processes of their own. Those of the demo end with it, because what they act on does.
func (a *app) spawner(st *settings) func(string) error {
	return func(runID string) error {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program: %w", err)
		}
		args := []string{"run-process", runID, "--write", "--quiet"} // as was decided here, whatever a configuration says
		if st.ReadOnly {
			args[2] = "--readonly"
		}
		for _, f := range st.Files {
			args = append(args, "--config", f)
			break // the strongest; the user's own file is found again
		}
		for flag, v := range map[string]string{"--context": st.Context, "--store": st.Store.URL, "--env": a.flags.environment} {
			if v != "" {
				args = append(args, flag, v)
			}
		}
		if a.inDemo {
			args = append(args, "--"+tiedFlag)
		}
		cmd := exec.Command(self, args...) //nolint:noctx // it must outlive every context of this process
		cmd.Dir, cmd.Env = st.dir, a.env
		detach(cmd)
		if a.inDemo {
			if _, err := cmd.StdinPipe(); err != nil {
				return fmt.Errorf("tie the run to the demo: %w", err)
			}
		}
		said, err := complaints(st.stateDir, runID)
		if err == nil {
			cmd.Stderr = said
			defer said.Close()
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		go func() { // leaves no zombie, and keeps the pipe open; the journal tells what came of it
			_ = cmd.Wait()
			if complaint(st.stateDir, runID) == "" {
				_ = os.Remove(complaintsPath(st.stateDir, runID))
			}
		}()
		return nil
	}
}
