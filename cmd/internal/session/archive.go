package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// Archive keeps what systems may forget as files below Dir, one a key. It implements [providers.Archive].
type Archive struct{ Dir string }

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
		if err == nil && !strings.HasPrefix(key, ".new-") && strings.HasPrefix(key, prefix) {
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
