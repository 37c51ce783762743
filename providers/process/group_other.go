//go:build !unix

package process

import (
	"os"
	osexec "os/exec"
	"strconv"
)

func ownGroup(*osexec.Cmd) {}

// killGroup ends the program and what it started. Windows has no process groups to signal; taskkill walks the tree.
func killGroup(p *os.Process) error {
	if err := osexec.Command("taskkill", "/T", "/F", "/PID", strconv.Itoa(p.Pid)).Run(); err != nil { //nolint:noctx // it is what ends a context
		return p.Kill()
	}
	return nil
}
