package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
)

// finding is one line of the doctor's.
type finding struct {
	State string `json:"state"` // ok, warn, FAIL
	What  string `json:"what"`
	Text  string `json:"text"`
}

func (a *app) doctorCmd() *cobra.Command {
	var bundle string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with this installation, and say what to do",
		Long: `Look for what is wrong with this installation: configuration, directories, record, programs, terminal, clocks, providers.
With --bundle it also writes a support bundle: versions, findings, settings without secrets, and the end of the log, all
redacted. Nothing is sent anywhere.`,
		Example: "  backout doctor\n  backout doctor --bundle support.tar.gz",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := a.examine(cmd.Context())
			if bundle != "" {
				if err := a.writeBundle(bundle, findings); err != nil {
					return err
				}
				a.warn("wrote %s; look into it before you hand it on", bundle)
			}
			return a.printFindings(findings)
		},
	}
	cmd.Flags().StringVar(&bundle, "bundle", "", "write a redacted support bundle (tar.gz) to this file")
	return cmd
}

func (a *app) printFindings(findings []finding) error {
	bad := false
	for _, f := range findings {
		bad = bad || f.State == "FAIL"
	}
	err := printList(a, "backout.doctor/v1", findings, func(out io.Writer, items []finding) error {
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, f := range items {
			fmt.Fprintf(tw, "%s\t%s\t%s\n", f.State, f.What, strings.ReplaceAll(f.Text, "\n", "\n\t\t"))
		}
		return tw.Flush()
	})
	if err == nil && bad {
		return ended(codeError)
	}
	return err
}

// examine looks at everything once; a part that fails never keeps the others from being looked at.
func (a *app) examine(ctx context.Context) []finding {
	out := []finding{{"ok", "version", fmt.Sprintf("backout %s, %s, %s/%s", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)}}
	out = append(out, a.terminal(), program(ctx, "git", "the git provider needs it", "--version"), program(ctx, "ssh", "releases on other hosts need it", "-V"))
	st, err := a.load()
	if err != nil {
		return append(out, configFindings(err)...)
	}
	files := "no file: defaults apply"
	if len(st.Files) > 0 {
		files = strings.Join(st.Files, ", ")
	}
	out = append(out, finding{"ok", "configuration", files}, directory("state directory", st.stateDir), directory("cache directory", st.cacheDir))
	c, err := a.caller(st)
	if err != nil {
		return append(out, finding{"FAIL", "who acts", err.Error()})
	}
	who := finding{"ok", "who acts", c.Principal.ID + ", " + kindWord(c.Principal.Kind) + behalf(c.Principal)}
	protection, _ := a.protection(ctx, st, c.Principal)
	out = append(append(out, who), protection...)
	return append(out, a.session(ctx)...)
}

func configFindings(err error) []finding {
	var bad *config.Error
	if !errors.As(err, &bad) {
		return []finding{{"FAIL", "configuration", err.Error()}}
	}
	var out []finding
	for _, p := range bad.Problems {
		out = append(out, finding{"FAIL", "configuration", p.String()})
	}
	return out
}

func (a *app) terminal() finding {
	if !isTerminal(a.in) || !isTerminal(a.out) {
		return finding{"ok", "terminal", "none here: the plain listing is used"}
	}
	term := a.getenv("TERM")
	if term == "dumb" {
		return finding{"ok", "terminal", "TERM is \"dumb\": the console is one of plain lines and questions; for the screen set TERM=xterm-256color"}
	}
	if term == "" {
		return finding{"warn", "terminal", fmt.Sprintf("TERM is %q: the console needs a terminal that can move its cursor; set TERM=xterm-256color", term)}
	}
	return finding{"ok", "terminal", term}
}

// program looks for a program and its version; one that is missing is a warning, because not everybody needs it.
func program(ctx context.Context, name, why string, args ...string) finding {
	path, err := exec.LookPath(name)
	if err != nil {
		return finding{"warn", name, "not found on PATH: " + why}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return finding{"warn", name, fmt.Sprintf("%s does not answer: %v", path, err)}
	}
	return finding{"ok", name, providers.Clean(strings.TrimSpace(string(out)))}
}

func directory(what, path string) finding {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return finding{"FAIL", what, fmt.Sprintf("cannot be made: %v", err)}
	}
	probe, err := os.CreateTemp(path, ".doctor-*")
	if err != nil {
		return finding{"FAIL", what, fmt.Sprintf("cannot be written: %v", err)}
	}
	err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		return finding{"FAIL", what, err.Error()}
	}
	if what == "state directory" {
		if err := private(path); err != nil {
			return finding{"warn", what, err.Error()}
		}
	}
	return finding{"ok", what, path}
}

// session looks at the record and asks every provider once.
func (a *app) session(ctx context.Context) (out []finding) {
	s, err := a.open(ctx, 0)
	if err != nil {
		return []finding{{"FAIL", "record", err.Error()}}
	}
	defer func() {
		if err := s.close(); err != nil {
			out = append(out, finding{"FAIL", "record", err.Error()})
		}
	}()
	if s.Lost == nil {
		out = append(out, storeFinding(ctx, s, a.now()))
	}
	out = append(out, recordFinding(ctx, s))
	if s.NoPolicy != nil {
		out = append(out, finding{"FAIL", "policy", s.NoPolicy.Error()})
	}
	if pending, err := s.Pending(ctx); err == nil && len(pending) > 0 {
		out = append(out, finding{"warn", "runs", fmt.Sprintf("interrupted: %s; 'backout runs resume' goes on", strings.Join(pending, ", "))})
	}
	s.Start(ctx)
	wait, cancel := context.WithTimeout(ctx, a.flags.timeout)
	s.Backfill(wait)
	cancel()
	for _, h := range s.Health() {
		out = append(out, healthFinding(h))
	}
	for _, h := range s.Hints() {
		out = append(out, finding{"warn", "configuration", h})
	}
	return out
}

// recordFinding says whether the record can be read and written, and whether its chain holds.
func recordFinding(ctx context.Context, s *opened) finding {
	if s.Lost != nil {
		return finding{"FAIL", "record", s.Lost.Error()}
	}
	report, err := s.DB.Verify(ctx)
	switch {
	case err != nil:
		return finding{"FAIL", "record", err.Error()}
	case !report.OK:
		return finding{"FAIL", "record", reportText(report)}
	case s.NoRecord != nil:
		return finding{"FAIL", "record", s.NoRecord.Error()}
	}
	return finding{"ok", "record", reportText(report)}
}

func healthFinding(h providers.Health) finding {
	f := finding{"ok", "provider " + h.Provider, string(h.State)}
	if h.Detail != "" {
		f.Text += ": " + h.Detail
	}
	switch {
	case h.State == providers.HealthFailing:
		f.State = "FAIL"
	case h.State != providers.HealthOK || h.ClockOff():
		f.State = "warn"
	}
	return f
}

// logPath is where the log of a state directory lies.
func logPath(stateDir string) string { return filepath.Join(stateDir, "log", "backout.log") }
