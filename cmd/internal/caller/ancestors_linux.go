package caller

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	deepest = 64       // ancestors that are looked at
	maxLine = 16 << 10 // of one's arguments
)

// ancestors reads the ancestors of this process from /proc, and says what it could not read.
func ancestors(boundary int) (found []Process, unseen string) {
	if boundary == os.Getpid() {
		return nil, ""
	}
	pid := os.Getppid()
	for range deepest {
		if pid <= 0 || pid == boundary {
			return found, unseen
		}
		p, parent, err := process(pid)
		if errors.Is(err, os.ErrNotExist) {
			return found, fmt.Sprintf("ancestors from process %d on: it has ended, or /proc does not show it", pid)
		}
		if err != nil {
			return found, fmt.Sprintf("ancestors from process %d on: %v", pid, err)
		}
		found = append(found, p)
		pid = parent
	}
	return found, fmt.Sprintf("ancestors beyond the first %d", deepest)
}

func process(pid int) (p Process, parent int, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := head(filepath.Join(dir, "stat"))
	if err != nil {
		return p, 0, err
	}
	open, shut := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')') // the name may hold both
	if open < 0 || shut < open {
		return p, 0, fmt.Errorf("read %s/stat: it is not what it should be", dir)
	}
	fields := strings.Fields(stat[shut+1:])
	if len(fields) < 2 {
		return p, 0, fmt.Errorf("read %s/stat: it is not what it should be", dir)
	}
	if parent, err = strconv.Atoi(fields[1]); err != nil {
		return p, 0, fmt.Errorf("read %s/stat: %w", dir, err)
	}
	p = Process{PID: pid, Name: stat[open+1 : shut]}
	p.Executable, _ = os.Readlink(filepath.Join(dir, "exe")) // of another user it may not be read: the rest says enough
	if line, err := head(filepath.Join(dir, "cmdline")); err == nil && line != "" {
		p.Args = strings.Split(strings.TrimRight(line, "\x00"), "\x00")
	}
	return p, parent, nil
}

func head(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxLine))
	return string(data), err
}
