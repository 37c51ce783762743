package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/cmd/internal/demo"
	"github.com/backout-dev/backout/rollback/policy"
)

// breakAfter is how long the console shows a healthy shop before something happens to it.
const breakAfter = 2 * time.Second

// demoFlags are the flags of the demo.
type demoFlags struct {
	dir, scenario, kubeconfig, kubeContext string
	gameday, report                        string
	keep, headless                         bool
}

func (a *app) demoCmd() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A real incident in a small shop on this machine, to be cured by you",
		Long: `Start a small shop of four services on 127.0.0.1, with a git repository, releases and customers; let something bad happen
to it; and open the console on it. Rolling the right unit back really cures it. Nothing is left behind.

With --scenario kubernetes the shop runs in a cluster of its own, as Deployments and Helm releases. That needs a checkout of
backout with the Go toolchain: the control plane is built there, which takes some ten minutes the first time.`,
		Example: `  backout demo
  backout demo --scenario coupled
  backout demo --scenario kubernetes
  backout demo --gameday checkout-outage --report reports
  backout demo --headless --scenario all --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.scenario != "all" && !slices.Contains(scenarioNames(), f.scenario) {
				return usage("--scenario %q: there are %s, and with --headless all", f.scenario, strings.Join(scenarioNames(), ", "))
			}
			if err := f.elsewhere(cmd); err != nil {
				return err
			}
			if f.gameday != "" {
				return a.demoGameDay(cmd, f)
			}
			if f.report != "" {
				return usage("--report goes with --gameday: it is the report of a game day")
			}
			if f.headless {
				return a.demoHeadless(cmd.Context(), f)
			}
			if f.scenario == "all" {
				return usage("--scenario all goes with --headless")
			}
			if !a.interactive() {
				return usage("the demo's console needs a terminal: add --headless to let it go the whole way by itself")
			}
			return a.demoConsole(cmd.Context(), f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.scenario, "scenario", demo.Default, "what happens: "+strings.Join(scenarioNames(), ", ")+"; with --headless also all: those that need no checkout")
	fl.StringVar(&f.dir, "dir", "", "directory to make it in; it must not be there yet or be empty")
	fl.BoolVar(&f.keep, "keep", false, "leave the directory at the end")
	fl.StringVar(&f.kubeconfig, "kubeconfig", "", "say what --scenario kubernetes would need of the cluster of this kubeconfig; nothing is asked of it")
	fl.StringVar(&f.kubeContext, "kube-context", "", "the context of that kubeconfig (default: the current one)")
	fl.StringVar(&f.gameday, "gameday", "", "hold a game day in the shop, with you on call: "+strings.Join(gameDayNames(), ", "))
	fl.StringVar(&f.report, "report", "", "directory for the game day's report as Markdown, JSON and HTML")
	fl.BoolVar(&f.headless, "headless", false, "find and cure it without a person, and report")
	_ = cmd.RegisterFlagCompletionFunc("gameday", cobra.FixedCompletions(gameDayNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("scenario", cobra.FixedCompletions(append(scenarioNames(), "all"), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// demoChildCmd runs the shop's own processes.
func (a *app) demoChildCmd() *cobra.Command {
	return &cobra.Command{
		Use: demo.ChildCommand, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error { return demo.Child(cmd.Context(), args) },
	}
}

// world makes and starts the shop, and loads the configuration that it wrote.
func (a *app) world(ctx context.Context, f demoFlags) (*demo.World, *settings, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find this program: %w", err)
	}
	progress, _ := a.errOut.(*os.File)
	if a.flags.quiet {
		progress = nil
	}
	w, err := demo.New(ctx, demo.Options{
		Dir: f.dir, Keep: f.keep, Scenario: f.scenario, GameDay: f.gameday, Self: self, Now: a.now, Progress: progress, Say: func(what string) { a.warn("%s", what) },
	})
	if err != nil {
		return nil, nil, err
	}
	if err := w.Start(ctx); err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	a.moveInto(w, f.headless)
	st, err := a.load()
	if err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	return w, st, nil
}

// ownSettings are what of the user's environment holds in the demo too: who somebody is, how things look, and caution.
var ownSettings = [...]string{"BACKOUT_IDENTITY_", "BACKOUT_TUI_", "BACKOUT_LOG_LEVEL=", "BACKOUT_READONLY="}

// moveInto makes the world's configuration the only one, so that nothing of the user's own is read or written, here and in
// the processes of the runs.
func (a *app) moveInto(w *demo.World, headless bool) {
	a.env = slices.DeleteFunc(slices.Clone(a.env), func(kv string) bool {
		own := slices.ContainsFunc(ownSettings[:], func(prefix string) bool { return strings.HasPrefix(kv, prefix) })
		return strings.HasPrefix(kv, "BACKOUT_") && !own
	})
	a.env = append(a.env, w.Env()...)
	if headless { // nobody sits there, whoever started it, and nothing but this world is touched
		a.acting = &policy.Principal{ID: "demo", Kind: policy.Automation, OnBehalfOf: login()}
		a.env = append(a.env, "BACKOUT_IDENTITY_NAME=demo", "BACKOUT_IDENTITY_KIND=automation")
	}
	for _, flag := range []string{"config", "context", "store"} {
		if a.flags.set != nil && a.flags.set.Changed(flag) && !a.inDemo {
			a.warn("--%s is not used: the demo has its own configuration, and keeps its record in its own directory", flag)
		}
	}
	a.inDemo = true
	a.flags.config, a.flags.context, a.flags.store = w.ConfigPath(), "", ""
}

func (a *app) demoConsole(ctx context.Context, f demoFlags) (err error) {
	if !demo.Needy(f.scenario) { // the others say themselves how far they are
		a.warn("starting the shop (storefront, login, pricing, orders)")
	}
	w, st, err := a.world(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	ctx, cancel := context.WithCancel(ctx)
	opened, broke := make(chan (<-chan struct{}), 1), make(chan error, 1)
	a.whenOpen = func(read <-chan struct{}) { opened <- read }
	go func() {
		if f.gameday == "" {
			broke <- breakWhenRead(ctx, w, opened)
			return
		}
		broke <- a.conductWhenRead(ctx, w, f, opened)
	}()
	err = a.consoleWith(ctx, st)
	cancel()
	if breakErr := <-broke; breakErr != nil && !errors.Is(breakErr, context.Canceled) {
		err = errors.Join(err, breakErr)
	}
	if f.keep {
		a.warn("kept: %s", w.ConfigPath())
	}
	return err
}

// breakWhenRead breaks the shop a moment after the console has read it: what was never seen well is nothing to go back to.
func breakWhenRead(ctx context.Context, w *demo.World, opened <-chan (<-chan struct{})) error {
	if !wellRead(ctx, opened) {
		return nil
	}
	return w.Break(ctx)
}

// wellRead waits until the console has read the shop, and a moment longer; false where it ended before.
func wellRead(ctx context.Context, opened <-chan (<-chan struct{})) bool {
	select {
	case read := <-opened:
		select {
		case <-read:
		case <-ctx.Done():
			return false
		}
	case <-ctx.Done():
		return false
	}
	select {
	case <-time.After(breakAfter):
		return true
	case <-ctx.Done():
		return false
	}
}

func scenarioNames() []string {
	var names []string
	for _, s := range demo.Scenarios() {
		names = append(names, s[0])
	}
	return names
}
