package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// The arguments of the child that sweeps up, and how long it does: others may still be writing when the parent is gone.
const (
	sweepCommand  = "sweep"
	sweepWhole    = "whole"
	sweepContents = "contents"
	sweepFor      = 3 * time.Second
	sweepPause    = 50 * time.Millisecond
)

// sweepAfterwards starts the child that removes the world's directory when the parent was killed and could not do it.
// Unlike the others it is not bound to the parent: the end of its standard input is what it waits for.
func (w *World) sweepAfterwards(ctx context.Context, self string) error {
	if w.keep {
		return nil
	}
	what := sweepContents
	if w.made {
		what = sweepWhole
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self, ChildCommand, sweepCommand, w.dir, what)
	cmd.Env = childEnv(os.Environ())
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("start what removes the demo's directory if this is killed: %w", err)
	}
	w.sweeper = &child{name: sweepCommand, cmd: cmd, stdin: stdin, done: make(chan struct{})}
	go func() {
		defer close(w.sweeper.done)
		_ = cmd.Wait()
	}()
	return nil
}

// sweep waits for the end of stdin, and then removes what the parent made, if the parent has not. Signals to the whole
// group of processes do not end it: it is there for what they leave behind.
func sweep(dir string, made bool, stdin io.Reader) error {
	signal.Ignore(os.Interrupt, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTERM)
	_, _ = io.Copy(io.Discard, stdin)
	if swept(dir, made) {
		return nil
	}
	for end := time.Now().Add(sweepFor); ; time.Sleep(sweepPause) {
		if err := removeMade(dir, made); time.Now().After(end) {
			return err
		}
	}
}

// swept reports whether nothing is left of what the parent made.
func swept(dir string, made bool) bool {
	entries, err := os.ReadDir(dir)
	return errors.Is(err, fs.ErrNotExist) || !made && err == nil && len(entries) == 0
}
