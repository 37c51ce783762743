package main

import (
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// version is set by the release build; a build from source tells its module version.
var version = ""

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// root is the command line. Without a command it opens the console, or lists where there is no terminal.
func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backout",
		Short: "See what changed, find the likely culprit, take it back",
		Long: `backout is a terminal console for the engineer who is on call. It puts changes and alerts from many systems on one
timeline, says which change most likely broke things and why, and takes that change back safely.

Without a command it opens the console on the current directory's configuration, or, where there is none, on what git and
kubectl would look at from here: the repository's own history and the current context's cluster. Where standard input or
output is no terminal it prints the timeline instead.`,
		Example: `  backout                                   open the console
  backout demo                              a real incident in a small shop on this machine
  backout culprit                           the likely culprit, with the evidence
  backout plan CHG-81f2ab                   what taking this change back would do
  backout rollback CHG-81f2ab --plan-hash 9c1e44...
  backout export --format md > timeline.md  the post-incident timeline`,
		Version:       versionText(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return a.console(cmd.Context()) },
	}
	cmd.SetOut(a.out)
	cmd.SetErr(a.errOut)
	cmd.SetIn(a.in)
	a.globals(cmd)
	cmd.AddCommand(
		a.timelineCmd(), a.culpritCmd(), a.planCmd(), a.unitsCmd(), a.rollbackCmd(), a.proposalsCmd(), a.approveCmd(), a.approvalsCmd(), a.drillCmd(), a.runsCmd(), a.measuresCmd(), a.proofsCmd(), a.probeCmd(), a.gamedayCmd(), a.postureCmd(), a.policyCmd(), a.ledgerCmd(), a.storeCmd(), a.noteCmd(), a.incidentCmd(), a.exportCmd(),
		a.providersCmd(), a.configCmd(), a.doctorCmd(), a.whoamiCmd(), a.demoCmd(), a.manCmd(), a.attributionCmd(), a.runProcessCmd(), a.demoChildCmd(), a.completionFilesCmd(),
	)
	usageErrors(cmd)
	return cmd
}

func (a *app) globals(cmd *cobra.Command) {
	f := cmd.PersistentFlags()
	g := &a.flags
	g.set = f
	f.StringVar(&g.config, "config", "", "configuration file, instead of the project's and your own")
	f.StringVar(&g.context, "context", "", "section of the configuration to use")
	f.StringVar(&g.environment, "env", "", "environment: prod, staging, dev, ...")
	f.StringVarP(&g.output, "output", "o", "text", "text, json or jsonl")
	f.StringVar(&g.color, "color", "", "auto, always or never")
	f.BoolVar(&g.noColor, "no-color", false, "no colour (as NO_COLOR does)")
	f.BoolVar(&g.ascii, "ascii", false, "plain ASCII in the console")
	f.BoolVar(&g.accessible, "accessible", false, "plain numbered lines instead of the console (as ACCESSIBLE does)")
	f.StringVar(&g.store, "store", "", "database to use instead of the one in the state directory: a file, or postgres://USER@HOST/DATABASE")
	f.StringVar(&g.since, "since", "", "start of the window: a time (RFC 3339) or how long ago (2h)")
	f.StringVar(&g.until, "until", "", "end of the window: a time or how long ago")
	f.StringVar(&g.incident, "incident", "", "the incident to open")
	f.StringVar(&g.open, "open", "", "the change to stand on: an id, a handle or a commit")
	f.StringVar(&g.at, "at", "", "the moment to look at")
	f.StringVar(&g.file, "file", "", "an incident file to read instead of the providers")
	f.BoolVar(&g.readonly, "readonly", false, "refuse every change to the world")
	f.BoolVar(&g.write, "write", false, "act although the configuration says readonly")
	f.BoolVar(&g.strict, "strict", false, "exit 7 when a provider did not answer")
	f.BoolVar(&g.noInput, "no-input", false, "never ask")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "no warnings")
	f.CountVarP(&g.verbose, "verbose", "v", "more in the log; twice for everything")
	f.DurationVar(&g.timeout, "timeout", 30*time.Second, "how long to wait for the providers")
	cmd.MarkFlagsMutuallyExclusive("readonly", "write")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json", "jsonl"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.PersistentPreRunE = func(*cobra.Command, []string) error { return a.checkFlags() }
}

func (a *app) checkFlags() error {
	switch a.flags.output {
	case "text", "json", "jsonl":
	default:
		return usage("--output is text, json or jsonl, not %q", a.flags.output)
	}
	switch a.flags.color {
	case "", "auto", "always", "never":
	default:
		return usage("--color is auto, always or never, not %q", a.flags.color)
	}
	if a.flags.timeout <= 0 {
		return usage("--timeout is how long to wait, such as 30s, not %s", a.flags.timeout)
	}
	for name, v := range map[string]string{"since": a.flags.since, "until": a.flags.until, "at": a.flags.at} {
		if _, err := parseTime(v, a.now()); err != nil {
			return usage("--%s: %v", name, err)
		}
	}
	return nil
}
