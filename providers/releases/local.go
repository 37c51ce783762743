package releases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

const (
	logBytes   = 1 << 20  // of the end of revisions.log
	aboutBytes = 64 << 10 // of release.json
)

// local is this machine.
type local struct {
	// exchange swaps two names in one step, or is nil where the system cannot.
	exchange func(a, b string) error
	// at is called at named points of a switch; tests put other people's actions there.
	at func(point string)

	mu     sync.Mutex
	cannot map[string]bool // bases whose file system turned out not to know the exchange
}

func newLocal() *local {
	return &local{exchange: exchangeNames, at: func(string) {}, cannot: map[string]bool{}}
}

// cas is atomic where the file system is known to swap two names in one step, and unknown where it cannot be looked at.
func (l *local) cas(u *unit) rollback.CAS {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.exchange == nil || l.cannot[u.base] {
		return rollback.CASNone
	}
	switch can, err := canExchange(u.base); {
	case err != nil:
		return rollback.CASUnknown
	case can:
		return rollback.CASAtomic
	default:
		return rollback.CASNone
	}
}

// within runs f and stops waiting when ctx is done: a file system that hangs must not hold up a caller. F itself looks at
// ctx wherever it takes long.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := f()
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (l *local) glance(ctx context.Context, u *unit) (link, error) {
	return within(ctx, func() (link, error) { return readLink(u, u.link()) })
}

// readLink reads one link so that text and identity belong together.
func readLink(u *unit, path string) (link, error) {
	for range 100 {
		before, err := linkIdentity(path)
		if err != nil {
			return link{}, err
		}
		target, err := os.Readlink(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // replaced by two calls, or gone: the next look tells
		}
		if err != nil {
			return link{}, fmt.Errorf("read %s: %w", path, err)
		}
		after, err := linkIdentity(path)
		if err != nil || after.inode != before.inode || !after.made.Equal(before.made) {
			continue
		}
		after.target = target
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			after.broken = true
		}
		after.physical, _ = filepath.EvalSymlinks(path)
		releases, _ := filepath.EvalSymlinks(filepath.Join(u.base, u.releases))
		after.parse(u, releases)
		return after, nil
	}
	return link{}, fmt.Errorf("read %s: it is replaced faster than it can be read", path)
}

// peek reads a link that nobody else touches: just enough to compare it, in as little time as can be.
func peek(u *unit, path string) (link, error) {
	l, err := linkIdentity(path)
	if err != nil {
		return link{}, err
	}
	if l.target, err = os.Readlink(path); err != nil {
		return link{}, fmt.Errorf("read %s: %w", path, err)
	}
	l.parse(u, "")
	return l, nil
}

func linkIdentity(path string) (link, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return link{}, fmt.Errorf("no link at %s: %w", path, errGone)
	case err != nil:
		return link{}, fmt.Errorf("look at %s: %w", path, err)
	case info.Mode()&fs.ModeSymlink == 0:
		return link{}, fmt.Errorf("%s: %w", path, errNotLink)
	}
	inode, changed := identity(path, info)
	return link{inode: inode, made: info.ModTime(), changed: changed}, nil
}

func (l *local) look(ctx context.Context, u *unit) (sight, error) {
	return within(ctx, func() (sight, error) {
		var s sight
		var err error
		if s.link, err = readLink(u, u.link()); err != nil {
			return s, err
		}
		if s.left, err = leftovers(u); err != nil {
			return s, err
		}
		dir := filepath.Join(u.base, u.releases)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return s, fmt.Errorf("list releases: %w", err)
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return s, err
			}
			if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
				if r, ok := readRelease(dir, e); ok {
					s.releases = append(s.releases, r)
				}
			}
		}
		s.log = tailOf(filepath.Join(u.base, "revisions.log"), logBytes)
		s.held, _ = readHolder(u)
		if !writable(u.base) {
			s.problems = append(s.problems, "no right to write to "+u.base+": run backout as the user who deploys")
		}
		return s, nil
	})
}

// readRelease reads what a release says of itself; ok is false for one that vanished meanwhile.
func readRelease(dir string, e fs.DirEntry) (release, bool) {
	info, err := e.Info()
	if err != nil {
		return release{}, false
	}
	at := filepath.Join(dir, e.Name())
	r := release{label: e.Name(), made: info.ModTime(), writable: writable(at)}
	r.revision = strings.TrimSpace(headOf(filepath.Join(at, "REVISION"), 4096))
	r.about = []byte(headOf(filepath.Join(at, "release.json"), aboutBytes))
	stamps, _ := os.ReadDir(filepath.Join(at, stampDir))
	for _, s := range stamps {
		r.stamps = append(r.stamps, stampNote{name: s.Name(), marks: readMarks(filepath.Join(at, stampDir, s.Name()))})
	}
	return r, true
}

func leftovers(u *unit) ([]leftover, error) {
	entries, err := os.ReadDir(u.base)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", u.base, err)
	}
	var left []leftover
	for _, e := range entries {
		op, step, ok := parseTemp(u.current, e.Name())
		if !ok {
			continue
		}
		if lk, err := readLink(u, filepath.Join(u.base, e.Name())); err == nil {
			left = append(left, leftover{name: e.Name(), op: op, step: step, link: lk})
		}
	}
	return left, nil
}

func (l *local) read(ctx context.Context, u *unit, label, path string, limit int64) ([]byte, error) {
	return within(ctx, func() ([]byte, error) {
		root, err := os.OpenRoot(u.dir(label))
		if err != nil {
			return nil, fmt.Errorf("open release: %w", err)
		}
		defer func() { _ = root.Close() }()
		f, err := root.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open a file of a release: %w", err)
		}
		defer func() { _ = f.Close() }()
		return io.ReadAll(io.LimitReader(f, limit))
	})
}

func (l *local) run(ctx context.Context, u *unit, argv []string) (string, error) {
	out, err := process.Program{Argv: argv, Dir: u.base, Env: process.Environ(programEnv()...), MaxOutput: 64 << 10}.Run(ctx)
	return process.Tail(string(out), nil), err
}

// programEnv is what a reload or a check sees of backout's own environment.
func programEnv() []string {
	return []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"}
}

func headOf(path string, limit int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	b, _ := io.ReadAll(io.LimitReader(f, limit))
	return string(b)
}

func tailOf(path string, limit int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > limit {
		_, _ = f.Seek(-limit, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, limit))
	return string(b)
}

func sinceZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
