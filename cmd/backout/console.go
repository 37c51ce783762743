package main

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/tui"
)

// console opens the screen, or prints the timeline where there is no terminal.
func (a *app) console(ctx context.Context) error {
	st, err := a.load()
	if err != nil {
		return err
	}
	return a.consoleWith(ctx, st)
}

func (a *app) consoleWith(ctx context.Context, st *settings) (err error) {
	s, err := a.openWith(ctx, st, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	working, done := context.WithCancel(ctx)
	defer done()
	go a.small(working)
	s.Start(ctx)
	if a.whenOpen != nil {
		a.whenOpen(s.Feed.Backfilled())
	}
	if !a.interactive() {
		a.await(ctx, s)
		return a.printTimeline(s, "")
	}
	if a.lines() {
		a.await(ctx, s)
		if notice := s.Notice(); notice != "" {
			a.warn("%s", notice)
		}
		opened := a.now()
		err := a.plainConsole(ctx, s)
		return errors.Join(err, a.farewell(ctx, s, opened))
	}
	s.KeepProbing(working)
	if pending, err := s.Pending(ctx); err == nil && len(pending) > 0 {
		a.warn("interrupted: %v; 'backout runs resume' goes on", pending)
	}
	opened := a.now()
	err = tui.Run(ctx, a.tuiOptions(s))
	return errors.Join(err, a.farewell(ctx, s, opened))
}

// lines reports whether the console is one of lines that stay: asked for, or on a terminal that cannot move its cursor.
func (a *app) lines() bool {
	return a.flags.accessible || a.getenv("ACCESSIBLE") != "" || a.getenv("TERM") == "dumb"
}

// farewell says on the shell what the screen cannot say any more: which runs go on, and how those ended that were started
// since. The demo's shop goes with the console, so it waits for its runs.
func (a *app) farewell(ctx context.Context, s *opened, since time.Time) error {
	if s.Lost != nil {
		return nil
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.flags.timeout)
	defer cancel()
	runs, err := s.Engine.Runs(look)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if !r.State.Final() && a.inDemo && ctx.Err() == nil {
			a.warn("%s is %s: the shop stays until it ended (ctrl+c ends both now)", r.ID, r.State)
			if r, err = a.waitRun(ctx, s, r.ID); err != nil && ctx.Err() == nil {
				return err
			}
		}
		switch {
		case !r.State.Final() && a.inDemo:
			a.warn("%s is %s and ends with the shop", r.ID, r.State)
		case !r.State.Final():
			a.warn("%s is %s and goes on without the console: %s", r.ID, r.State, a.commandLine(tui.CommandAttach, r.ID))
		case !r.StartedAt.Before(since):
			a.warn("%s %s: %s", r.ID, r.State, r.Detail)
		}
	}
	return nil
}

// commandLine is the command that does the same as a key, from any directory: with what this one was told of where its
// settings and its record are.
func (a *app) commandLine(kind string, args ...string) string {
	return tui.CommandLine(kind, args...) + a.toldWhere(kind)
}

// toldWhere are the flags that this command was told by where its settings and its record are.
func (a *app) toldWhere(kind string) string {
	line, path := "", a.flags.config
	if abs, err := filepath.Abs(path); err == nil && path != "" {
		path = abs
	}
	file := ""
	if abs, err := filepath.Abs(a.flags.file); err == nil && a.flags.file != "" && kind == tui.CommandShare {
		file = abs
	}
	for _, f := range [][2]string{{"--file", file}, {"--config", path}, {"--context", a.flags.context}, {"--env", a.flags.environment}, {"--store", a.flags.store}} {
		if f[1] != "" {
			line += " " + f[0] + " " + quoted(f[1])
		}
	}
	return line
}

// quoted is one word for a shell.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/._-:@%+=,", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

func (a *app) tuiOptions(s *opened) tui.Options {
	readOnly := ""
	if s.settings.ReadOnly {
		readOnly = "read-only mode"
	} else if s.Lost != nil {
		readOnly = "read-only: the record cannot be read: 'backout doctor' says why"
	} else if s.NoRecord != nil {
		readOnly = "read-only: the record cannot be written: 'backout doctor' says why"
	}
	at, _ := parseTime(a.flags.at, a.now())
	zone := time.Local
	opts := tui.Options{
		Source: s.Session, Planner: s.Engine, Runs: runControl{s}, Notes: s.Session, Incidents: s.Session, Drills: s.Session, Approvals: s.Session, Prepare: s.Prepare, Link: s.Link, Open: a.opener(runtime.GOOS), Command: a.commandLine,
		Principal: a.principal(s.settings), Environment: tierWord(s.settings), Context: where(s), ReadOnly: readOnly,
		ASCII: s.settings.TUI.ASCII || a.getenv("LANG") == "C", NoColor: a.noColor(s.settings), Sync: s.settings.TUI.SyncOutput == "on",
		TimeZone: zone, Zone: s.settings.TUI.TimeZone, Now: a.now, Hints: hints(s), Incident: a.flags.incident, Change: a.flags.open, At: at,
	}
	if s.Lost == nil {
		opts.Audit, opts.Export, opts.Posture = audit{s}, audit{s}.export(a), audit{s}.posture(a)
	}
	return opts
}

// where is the region and the clusters that are looked at.
func where(s *opened) string {
	return strings.TrimSpace(s.settings.Region + " " + strings.Join(s.Places(), ", "))
}

// tierWord is the environment's own name; the badge and the strength of the confirmation follow from it.
func tierWord(st *settings) string {
	if st.Environment == "" {
		return st.Tier("")
	}
	return st.Environment
}

func hints(s *opened) []string {
	if len(s.settings.Providers) > 0 || s.settings.replay {
		return nil
	}
	return s.Hints()
}

// noColor goes by the book: --color and --no-color, then NO_COLOR present and not empty whatever its value.
func (a *app) noColor(st *settings) bool {
	switch {
	case a.flags.noColor || a.flags.color == "never":
		return true
	case a.flags.color == "always":
		return false
	case a.getenv("NO_COLOR") != "":
		return true
	case a.getenv("CLICOLOR_FORCE") != "" && a.getenv("CLICOLOR_FORCE") != "0":
		return false
	default:
		return st.TUI.Color == "never"
	}
}

// runControl starts and follows runs for the screen.
type runControl struct{ s *opened }

func (r runControl) Start(runID string) error { return r.s.StartRun(runID) }

func (r runControl) Run(ctx context.Context, id string) (rollback.Run, error) {
	run, err := r.s.Engine.Run(ctx, id)
	if err != nil {
		return run, err
	}
	run, _ = r.s.explained(run)
	return run, nil
}

func (r runControl) Pause(ctx context.Context, id string, by policy.Principal, on bool) error {
	return r.s.Engine.Pause(ctx, id, by, on)
}

func (r runControl) Abort(ctx context.Context, id string, by policy.Principal, reason string) error {
	return r.s.Engine.Abort(ctx, id, by, reason)
}
