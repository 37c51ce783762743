package releases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback"
)

const holderFile = "holder.json"

func lockPath(u *unit) string { return filepath.Join(u.base, "."+u.current+".backout.lock") }

// readHolder reads who has the lock; ok is false where nobody has.
func readHolder(u *unit) (h holder, ok bool) {
	b, err := os.ReadFile(filepath.Join(lockPath(u), holderFile))
	if err != nil {
		return holder{}, false
	}
	return decodeHolder(string(b))
}

func decodeHolder(s string) (h holder, ok bool) {
	if json.Unmarshal([]byte(s), &h) != nil {
		return holder{}, false
	}
	return h, true
}

// holds reports whether the lock is still somebody's: it has not expired, and its process, if it is one of this machine,
// is not known to be gone.
func (h holder) holds(now time.Time) bool {
	if h.Operation == "" || !h.Until.After(now) {
		return false
	}
	host, pid, _ := strings.Cut(h.By, ":")
	n, err := strconv.Atoi(pid)
	return host == "" || host != hostname() || err != nil || !processGone(n)
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// refuses reports whether h keeps want out at now. The same operation may take its own lock over, with a higher fence.
func (h holder) refuses(want holder, now time.Time) error {
	switch {
	case !h.holds(now):
		return nil
	case h.Operation != want.Operation:
		return fmt.Errorf("operation %s of %s has it until %s: %w", h.Operation, h.By, h.Until.UTC().Format(time.TimeOnly+" UTC"), rollback.ErrLocked)
	case h.Fence > want.Fence:
		return fmt.Errorf("a later executor of the same operation (%s) has it: %w", h.By, rollback.ErrLocked)
	}
	return nil
}

func (l *local) lock(ctx context.Context, u *unit, want holder, now time.Time) error {
	_, err := within(ctx, func() (struct{}, error) {
		guard, err := lockDir(ctx, u.base)
		if err != nil {
			return struct{}{}, err
		}
		defer guard()
		if h, ok := readHolder(u); ok {
			if err := h.refuses(want, now); err != nil {
				return struct{}{}, err
			}
		}
		b, err := json.Marshal(want)
		if err == nil {
			err = os.MkdirAll(lockPath(u), 0o755)
		}
		if err == nil {
			err = writeMark(lockPath(u), holderFile, string(b))
		}
		return struct{}{}, err
	})
	return err
}

func (l *local) unlock(ctx context.Context, u *unit, held holder) error {
	_, err := within(ctx, func() (struct{}, error) {
		guard, err := lockDir(ctx, u.base)
		if err != nil {
			return struct{}{}, err
		}
		defer guard()
		if h, ok := readHolder(u); !ok || h.Operation != held.Operation || h.Fence != held.Fence {
			return struct{}{}, nil // it expired and somebody else took it
		}
		err = os.RemoveAll(lockPath(u))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return struct{}{}, err
	})
	return err
}
