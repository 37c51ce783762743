//go:build unix

package caller

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// terminal opens the controlling terminal, which is there only where this process has one, whatever its streams are.
func terminal() (is Answer, unseen string) {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR|syscall.O_NOCTTY, 0)
	switch {
	case err == nil:
		_ = f.Close() // nothing was written
		return Yes, ""
	case errors.Is(err, syscall.ENXIO), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTTY):
		return No, ""
	default:
		return Unknown, fmt.Sprintf("controlling terminal: %v", err)
	}
}
