package main

import (
	"context"
	"errors"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// tiedFlag has a run end with the process that started it: when its standard input ends.
const tiedFlag = "ends-with-stdin"

// runProcessCmd is the process that executes one run. It is started by the others, with no terminal and a session of its
// own, so neither a closed window nor a lost connection ends it.
func (a *app) runProcessCmd() *cobra.Command {
	var tied bool
	cmd := &cobra.Command{
		Use: "run-process RUN|DRILL", Short: "Execute a confirmed run or drill", Hidden: true, Args: exactArgs("RUN|DRILL"),
		RunE: func(_ *cobra.Command, args []string) (err error) {
			signal.Ignore(syscall.SIGHUP)
			// Only a termination asked for ends it, before the next intent: what is being applied is let end. Nothing of the
			// parent's does.
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer stop()
			if tied {
				go func() {
					_, _ = io.Copy(io.Discard, a.in)
					stop()
				}()
			}
			a.executing = true
			s, err := a.open(ctx, 0)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			id := args[0]
			if run, err := s.Engine.Run(ctx, id); err == nil && run.By.Drill != "" {
				id = run.By.Drill // a half of a drill is gone on with by its drill
			}
			if isDrill(id) {
				d, err := s.Engine.Drive(ctx, id)
				if err != nil {
					return err
				}
				return ended(d.State.ExitCode())
			}
			run, err := s.Engine.Execute(ctx, id)
			if err != nil {
				return err
			}
			s.AnchorRun(ctx, run.ID)
			return ended(run.State.ExitCode())
		},
	}
	cmd.Flags().BoolVar(&tied, tiedFlag, false, "end when standard input ends")
	return cmd
}
