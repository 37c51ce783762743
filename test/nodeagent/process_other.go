//go:build !linux

package nodeagent

import (
	"os"
	"syscall"
)

func withAgent() *syscall.SysProcAttr { return nil }

func askToEnd(p *os.Process) {
	if p.Signal(os.Interrupt) != nil {
		_ = p.Kill() // no interrupts on this system
	}
}

func killGroup(p *os.Process) { _ = p.Kill() }
