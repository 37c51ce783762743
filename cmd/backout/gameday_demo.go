package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/cmd/internal/demo"
)

// gameDayLeaves is how long a conductor whose console is gone may take to undo what it broke, and to report.
const gameDayLeaves = 3 * time.Minute

func gameDayNames() []string {
	var names []string
	for _, g := range demo.GameDays() {
		names = append(names, g[0])
	}
	return names
}

// demoGameDay opens the console on a shop that is well, with a conductor beside it.
func (a *app) demoGameDay(cmd *cobra.Command, f demoFlags) error {
	if !slices.Contains(gameDayNames(), f.gameday) {
		return usage("--gameday %q: there are %s", f.gameday, strings.Join(gameDayNames(), ", "))
	}
	if f.headless || cmd.Flags().Changed("scenario") {
		return usage("--gameday is for people: it goes with neither --headless nor --scenario")
	}
	if !a.interactive() {
		return usage("a game day needs somebody at a terminal who cures it")
	}
	if f.report != "" {
		dir, err := filepath.Abs(f.report)
		if err != nil {
			return err
		}
		f.report = dir
	}
	return a.demoConsole(cmd.Context(), f)
}

// conductWhenRead starts the conductor, a process of its own, once the console has read the shop. When the console ends before
// the game day does, the conductor is told to end, which undoes the fault.
func (a *app) conductWhenRead(ctx context.Context, w *demo.World, f demoFlags, opened <-chan (<-chan struct{})) error {
	if !wellRead(ctx, opened) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	report := f.report
	if report == "" {
		report = filepath.Join(w.Dir(), "gamedays")
	}
	lasting, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	cmd := exec.CommandContext(lasting, self, "gameday", "run", w.GameDayPath(), "--config", w.ConfigPath(), "--yes", "--report", report, "--"+tiedFlag)
	cmd.Env = slices.DeleteFunc(slices.Clone(a.env), func(kv string) bool { return strings.HasPrefix(kv, "BACKOUT_IDENTITY_") })
	cmd.Env = append(cmd.Env, "BACKOUT_IDENTITY_NAME=conductor", "BACKOUT_IDENTITY_KIND=automation")
	detach(cmd) // a key that ends the console must not end it before it has undone what it broke
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start the conductor: %w", err)
	}
	said, err := os.Create(filepath.Join(w.Dir(), "log", "conductor.log"))
	if err != nil {
		return fmt.Errorf("start the conductor: %w", err)
	}
	defer said.Close()
	result := filepath.Join(w.Dir(), "log", "gameday.md")
	out, err := os.Create(result)
	if err != nil {
		return fmt.Errorf("start the conductor: %w", err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, said
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the conductor: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
		<-ctx.Done() // whoever sits at the console may go on looking
	case <-ctx.Done():
		a.warn("the game day is called off where it is not over: what was broken is undone first")
		_ = in.Close() // its end tells the conductor to end
		err = lastWords(ended, stop)
	}
	return a.tellGameDay(err, result, said.Name(), f.report)
}

// lastWords waits for the end of a process that was told to end.
func lastWords(ended <-chan error, stop func()) error {
	select {
	case err := <-ended:
		return err
	case <-time.After(gameDayLeaves):
		stop()
		return <-ended
	}
}

// tellGameDay prints the report, or why there is none.
func (a *app) tellGameDay(ended error, result, log, report string) error {
	text, err := os.ReadFile(result)
	if err != nil || len(text) == 0 {
		said, _ := os.ReadFile(log)
		return fmt.Errorf("the game day was not held: %w: %s", errors.Join(ended, err), harmless(strings.TrimSpace(string(said))))
	}
	fmt.Fprintf(a.out, "%s", harmless(string(text)))
	if report != "" {
		a.warn("the report is in %s", report)
	}
	return nil
}
