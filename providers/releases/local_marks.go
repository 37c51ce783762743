package releases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

func stampName(op string, step int) string { return op + "." + strconv.Itoa(step) }

// prepare makes the directory that a stamped target goes through. It keeps the release's own time: that is when the
// release was made, and people sort by it.
func prepare(dir, stamp string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("look at the release: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, stampDir, stamp), 0o755); err != nil {
		return fmt.Errorf("stamp the release: %w", err)
	}
	_ = os.Chtimes(dir, time.Time{}, info.ModTime())
	persist(filepath.Join(dir, stampDir))
	persist(dir)
	return nil
}

func (l *local) mark(_ context.Context, u *unit, label, stamp, name, text string) error {
	return writeMark(filepath.Join(u.dir(label), stampDir, stamp), name, text)
}

// writeMark writes whole or not at all: a process may be killed in the middle.
func writeMark(dir, name, text string) error {
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("note %s: %w", name, err)
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("note %s: %w", name, err)
	}
	return nil
}

func (l *local) marks(ctx context.Context, u *unit, label, stamp string) (map[string]string, error) {
	return within(ctx, func() (map[string]string, error) {
		return readMarks(filepath.Join(u.dir(label), stampDir, stamp)), nil
	})
}

func readMarks(dir string) map[string]string {
	m := map[string]string{}
	for _, name := range []string{markIntent, markDone, markReloaded, markFailed} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			m[name] = string(b[:min(len(b), 4096)])
		}
	}
	return m
}
