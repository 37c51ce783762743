//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// detach has cmd survive this process, its terminal and its signals: a session of its own.
func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
}
