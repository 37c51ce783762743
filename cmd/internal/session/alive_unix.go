//go:build unix

package session

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"
)

// alive reports whether a process with this id exists and can still do something; one that may not be signalled does.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return (err == nil || errors.Is(err, syscall.EPERM)) && !ended(pid)
}

// ended reports that a process is over and was only not collected by its parent yet, which in a container may take for
// ever: Linux says so after the name in /proc/PID/stat (proc_pid_stat(5)). Elsewhere it is not known.
func ended(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	at := bytes.LastIndex(stat, []byte(") "))
	return err == nil && at >= 0 && len(stat) > at+2 && (stat[at+2] == 'Z' || stat[at+2] == 'X')
}
