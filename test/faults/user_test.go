//go:build unix

package faults

import (
	"os"
	"os/exec"
	"syscall"
)

const nobody = 65534

// unprivileged is a call without the rights of root, so that permissions hold.
func (w *world) unprivileged(args ...string) *exec.Cmd {
	cmd := w.command(args...)
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}
