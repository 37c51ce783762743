//go:build unix

package releases

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// identity is a file's inode with its device, and when it last changed in any way, a rename included.
func identity(path string, _ fs.FileInfo) (string, time.Time) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return "", time.Time{}
	}
	sec, nsec := st.Ctim.Unix()
	return strconv.FormatUint(uint64(st.Dev), 16) + "." + strconv.FormatUint(st.Ino, 16), time.Unix(sec, nsec) //nolint:unconvert // the type of Dev differs between systems
}

func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }

// tryLockDir takes an advisory lock on a directory that ends with this process, whatever ends that.
func tryLockDir(dir string) (unlock func(), ok bool, err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, false, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, false, nil //nolint:nilerr // somebody else has it, which is no error
	}
	return func() { _ = f.Close() }, true, nil
}

// persist makes what was just named in a directory survive a loss of power, as far as the file system can.
func persist(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync()
		_ = f.Close()
	}
}

// processGone reports that no process of this machine has the id, or only one that is over and was not collected yet, which
// Linux says after the name in /proc/PID/stat (proc_pid_stat(5)).
func processGone(pid int) bool {
	if pid <= 0 {
		return false
	}
	if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	at := bytes.LastIndex(stat, []byte(") "))
	return err == nil && at >= 0 && len(stat) > at+2 && (stat[at+2] == 'Z' || stat[at+2] == 'X')
}
