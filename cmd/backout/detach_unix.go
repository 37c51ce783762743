//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// startDetached starts a process that survives this one, its terminal and its signals: a session of its own, no
// standard streams.
func startDetached(program string, args []string, dir string, env []string) error {
	cmd := exec.Command(program, args...) //nolint:noctx // it must outlive every context of this process
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // only to leave no zombie; the journal tells what came of it
	return nil
}
