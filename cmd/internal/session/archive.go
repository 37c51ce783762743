package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Archive keeps what systems may forget as files below Dir, one a key. It implements [providers.Archive] and
// [providers.Updater]: several processes share it.
type Archive struct{ Dir string }

const (
	lockName = ".lock" // no key: Keys leaves out what begins with a dot
	lockWait = 10 * time.Second
	lockPoll = 2 * time.Millisecond
)

// Put implements [providers.Archive]: it writes a file beside and renames it, so that a reader never sees half of one.
func (a Archive) Put(_ context.Context, provider, key string, data []byte) error {
	path := a.path(provider, key)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeWhole(path, data)
}

// Get implements [providers.Archive].
func (a Archive) Get(_ context.Context, provider, key string) ([]byte, error) {
	data, err := os.ReadFile(a.path(provider, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, providers.ErrNotFound
	}
	return data, err
}

// Update implements [providers.Updater] with a lock that the operating system takes from a process that dies.
func (a Archive) Update(ctx context.Context, provider, key string, change func(old []byte) ([]byte, error)) (err error) {
	dir := filepath.Join(a.Dir, url.PathEscape(provider))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, errors.New("another process holds the archive"))
	defer cancel()
	for {
		if ok, err := tryLock(lock); err != nil {
			return fmt.Errorf("lock the archive: %w", err)
		} else if ok {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock the archive: %w", context.Cause(ctx))
		case <-time.After(lockPoll):
		}
	}
	old, err := a.Get(ctx, provider, key)
	if err != nil && !errors.Is(err, providers.ErrNotFound) {
		return err
	}
	data, err := change(old)
	if err != nil || data == nil {
		return err
	}
	return a.Put(ctx, provider, key, data)
}

// Keys implements [providers.Archive].
func (a Archive) Keys(_ context.Context, provider, prefix string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(a.Dir, url.PathEscape(provider)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, e := range entries {
		key, err := url.PathUnescape(e.Name())
		if err == nil && !strings.HasPrefix(key, ".") && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	sort.Strings(keys)
	return keys, nil
}

// path escapes both names; a key too long for a file name is kept by its digest, which Keys then cannot list.
func (a Archive) path(provider, key string) string {
	name := url.PathEscape(key)
	if len(name) > 200 {
		sum := sha256.Sum256([]byte(key))
		name = hex.EncodeToString(sum[:])
	}
	return filepath.Join(a.Dir, url.PathEscape(provider), name)
}
