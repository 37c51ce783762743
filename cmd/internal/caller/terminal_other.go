//go:build !unix

package caller

import "runtime"

// terminal is not looked at: a console is not bound to a process here as a terminal is.
func terminal() (is Answer, unseen string) {
	return Unknown, "controlling terminal: not looked at on " + runtime.GOOS
}
