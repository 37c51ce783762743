package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
)

// probeFlags are the flags of looking at plans.
type probeFlags struct {
	once  bool
	every time.Duration
	most  int
}

func (a *app) probeCmd() *cobra.Command {
	var f probeFlags
	cmd := &cobra.Command{
		Use:   "probe [UNIT...]",
		Short: "Look whether plans are valid now: a dry run, the rights, the artifact; nothing is altered",
		Long: `Look whether going back with each unit has a valid plan now: what it goes to is there, the target would take it (a dry run on the
server itself, where it has one), and the rights are there. Nothing is altered but backout's own notes: what was seen stands in plans, in 'proofs'
and 'units' and in the console, and counts for 24 hours. What is not valid takes the way back to L0 until a look finds it valid.

UNIT is an id or a pattern such as 'k8s:prod/*'. Without any, those of proofs.probe.units in the configuration. An open console looks at
those by itself; this is for cron and the like.

Exit codes: 0 every plan is valid; 3 one is not; 8 of one that cannot be seen. With --every it goes on until it is stopped.`,
		Example: `  backout probe --once
  backout probe 'k8s:prod/*' --max 30 --output jsonl
  backout probe --every 1h`,
		RunE: func(cmd *cobra.Command, args []string) error {
			set := cmd.Flags()
			switch {
			case f.once && set.Changed("every"):
				return usage("--once is one round and --every goes on: give one of the two")
			case f.most < 1 && set.Changed("max"):
				return usage("--max is how many a minute at most, 1 or more, not %d", f.most)
			case f.every <= 0 && set.Changed("every"):
				return usage("--every is how long from one round to the next, such as 1h, not %s", f.every)
			}
			return a.with(cmd.Context(), 0, func(ctx context.Context, s *opened) error { return a.probe(ctx, s, args, f) })
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.once, "once", false, "one round (as without --every)")
	fl.DurationVar(&f.every, "every", 0, "go on, a round each such time")
	fl.IntVar(&f.most, "max", 0, "how many a minute at most (default: proofs.probe.rate)")
	return cmd
}

func (a *app) probe(ctx context.Context, s *opened, patterns []string, f probeFlags) error {
	set := s.settings.Proofs.Probe
	if len(patterns) == 0 {
		patterns = set.Units
	}
	if len(patterns) == 0 {
		return usage("no unit is named, here or in proofs.probe.units of the configuration: try 'backout probe \"*\"'")
	}
	if f.most == 0 {
		f.most = set.Rate
	}
	pace := session.NewPace(f.most)
	for {
		began := time.Now()
		code, err := a.probeRound(ctx, s, patterns, pace)
		if err != nil || f.every == 0 {
			return firstOf(err, ended(code))
		}
		wait := time.NewTimer(time.Until(began.Add(f.every)))
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
	}
}

// probeRound looks at each unit once, and gives the exit code that says the worst of it.
func (a *app) probeRound(ctx context.Context, s *opened, patterns []string, pace *session.Pace) (int, error) {
	ids, err := s.ToProbe(ctx, patterns)
	code := codeOK
	if err != nil {
		a.warn("not every unit could be listed: %v", err)
		code = codeUnknown
	}
	if err := a.named(patterns, ids); err != nil && code == codeOK {
		return code, err
	}
	seen := make([]proof.Probe, 0, len(ids))
	for _, id := range ids {
		if err := pace.Wait(ctx); err != nil {
			return code, err
		}
		p, err := s.Probe(ctx, id)
		if ctx.Err() != nil {
			return code, ctx.Err()
		}
		if err != nil {
			a.warn("%s: %v", id, s.reason(err))
		}
		seen = append(seen, p)
		switch {
		case p.State == "no":
			code = codeFailed
		case p.Unseen != "" && code == codeOK, err != nil && code == codeOK:
			code = codeUnknown
		}
	}
	return code, printList(a, "backout.probe/v1", seen, a.probesText)
}

// named refuses a pattern that no unit matches: it is mistyped more often than meant.
func (a *app) named(patterns []string, ids []rollback.UnitID) error {
	for _, pattern := range patterns {
		one, found := config.Probe{Units: []string{pattern}}, false
		for _, id := range ids {
			found = found || one.Matches(string(id))
		}
		if !found {
			return fmt.Errorf("no unit matches %q: %w", pattern, rollback.ErrNotFound)
		}
	}
	return nil
}

func (a *app) probesText(out io.Writer, seen []proof.Probe) error {
	now := a.now()
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "UNIT\tTO\tPLAN")
	for i := range seen {
		p := &seen[i]
		text := p.Words(now)
		if p.Unseen != "" && p.State != "" {
			text += "; it cannot be seen now: " + p.Unseen
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", p.Unit, wordOr(p.To.Label, "-"), harmless(strings.TrimPrefix(text, "plan ")))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for i := range seen {
		fmt.Fprintf(out, "\n%s\n", seen[i].Unit)
		for _, l := range seen[i].Looks {
			fmt.Fprintf(out, "  %-7s %s%s\n", lookWord(l.State), harmless(l.What), behind(l.Text))
		}
	}
	return nil
}

func lookWord(state string) string {
	switch state {
	case "yes":
		return "ok"
	case "no":
		return "MISSING"
	default:
		return "UNKNOWN"
	}
}
