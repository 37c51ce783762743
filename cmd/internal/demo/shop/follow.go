package shop

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// release is what serves now.
type release[T any] struct {
	target   string // the link's text, by which a switch is noticed
	Label    string
	Commit   string
	settings T
}

// follower reads the release that a current link points to, and reads it again as soon as the link's text changes. It is
// safe for use by several goroutines; an unchanged link costs one readlink.
type follower[T any] struct {
	link   string
	load   func(dir string) (T, error)
	cached atomic.Pointer[release[T]]
}

// get gives what the link points to now. A release that cannot be read is an error and is not remembered.
func (f *follower[T]) get() (*release[T], error) {
	for range 3 {
		target, err := os.Readlink(f.link)
		if err != nil {
			return nil, fmt.Errorf("read the current release: %w", err)
		}
		if r := f.cached.Load(); r != nil && r.target == target {
			return r, nil
		}
		r, err := f.read(target)
		if err != nil {
			return nil, err
		}
		// The link may have been switched while the files were read; then they are of two releases.
		if again, err := os.Readlink(f.link); err == nil && again == target {
			f.cached.Store(r)
			return r, nil
		}
	}
	return nil, fmt.Errorf("read the current release: %s is switched faster than it can be read", f.link)
}

func (f *follower[T]) read(target string) (*release[T], error) {
	path := target
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(f.link), path)
	}
	dir, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("read the current release: %w", err)
	}
	commit, err := os.ReadFile(filepath.Join(dir, "REVISION"))
	if err != nil {
		return nil, fmt.Errorf("read the current release: %w", err)
	}
	settings, err := f.load(dir)
	if err != nil {
		return nil, fmt.Errorf("read release %s: %w", filepath.Base(dir), err)
	}
	return &release[T]{target: target, Label: filepath.Base(dir), Commit: strings.TrimSpace(string(commit)), settings: settings}, nil
}

// readJSON fills into from one file of a release.
func readJSON(dir, name string, into any) error {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read settings %s: %w", name, err)
	}
	return nil
}
