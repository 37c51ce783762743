//go:build !unix

package releases

import (
	"io/fs"
	"time"
)

func identity(_ string, info fs.FileInfo) (string, time.Time) { return "-", info.ModTime() }

func writable(string) bool { return true }

func tryLockDir(string) (unlock func(), ok bool, err error) { return func() {}, true, nil }

func persist(string) {}

func processGone(int) bool { return false }
