package demo

import (
	"os/exec"
	"syscall"
)

// bindToParent has the kernel end the child when the thread that started it ends. The child's standard input ends as
// well; this is for a child that hangs.
func bindToParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
