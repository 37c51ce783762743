//go:build unix

package session

import (
	"errors"
	"syscall"
)

// alive reports whether a process with this id exists; one that may not be signalled does.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
