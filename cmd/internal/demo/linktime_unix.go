//go:build unix

package demo

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// linkTime dates the link itself rather than what it points to.
func linkTime(path string, at time.Time) error {
	ts, err := unix.TimeToTimespec(at)
	if err != nil {
		return fmt.Errorf("date %s: %w", path, err)
	}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("date %s: %w", path, err)
	}
	return nil
}
