package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
)

// private makes the state directory one that nobody else can read: it holds what people wrote of incidents. One that was there
// before is tightened where nothing but backout's own lies in it; any other one is its owner's to decide on, and the error says
// so. A directory that cannot be looked at is not judged here.
func private(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	why := "it is not only backout's"
	if ownState(dir) {
		err := os.Chmod(dir, 0o700)
		if err == nil {
			return nil
		}
		why = err.Error()
	}
	return fmt.Errorf("%s can be read by others (%v), and was left so: %s; chmod 700 %s, or set state_dir to another one", dir, info.Mode().Perm(), why, dir)
}

// ownState reports that a directory holds nothing that backout does not make there.
func ownState(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && !slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		return e.Name() != "log" && e.Name() != "archive" && !strings.HasPrefix(e.Name(), "backout.db")
	})
}
