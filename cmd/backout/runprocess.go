package main

import (
	"context"
	"errors"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// runProcessCmd is the process that executes one run. It is started by the others, with no terminal and a session of its
// own, so neither a closed window nor a lost connection ends it.
func (a *app) runProcessCmd() *cobra.Command {
	return &cobra.Command{
		Use: "run-process RUN", Short: "Execute a confirmed run", Hidden: true, Args: exactArgs("RUN"),
		RunE: func(_ *cobra.Command, args []string) (err error) {
			signal.Ignore(syscall.SIGHUP)
			// Only a termination asked for ends it, before the next intent; nothing of the parent's does.
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			defer stop()
			s, err := a.open(ctx, 0)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			run, err := s.Engine.Execute(ctx, args[0])
			if err != nil {
				return err
			}
			return ended(run.State.ExitCode())
		},
	}
}
