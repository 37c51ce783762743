package releases

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// fingerprint hashes names, sizes, inodes and times of every file, but no content.
func (l *local) fingerprint(ctx context.Context, u *unit, label string) (string, error) {
	return within(ctx, func() (string, error) {
		h := sha256.New()
		err := walk(ctx, u.dir(label), func(path, rel string, info fs.FileInfo) error {
			inode, changed := identity(path, info)
			fmt.Fprintf(h, "%d:%s %s %d %d %d %s\n", len(rel), rel, inode, info.Size(), info.ModTime().UnixNano(), sinceZero(changed), info.Mode())
			return nil
		})
		return hexSum(h), err
	})
}

func (l *local) manifest(ctx context.Context, u *unit, label string) ([]entry, error) {
	return within(ctx, func() ([]entry, error) {
		var entries []entry
		err := walk(ctx, u.dir(label), func(path, rel string, info fs.FileInfo) error {
			e, err := contentOf(ctx, path, rel, info)
			entries = append(entries, e)
			return err
		})
		return entries, err
	})
}

// walk visits everything below a release but directories and the stamps.
func walk(ctx context.Context, dir string, visit func(path, rel string, info fs.FileInfo) error) error {
	if info, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("release directory %s: %w", dir, errGone)
	} else if err == nil && !info.IsDir() {
		return fmt.Errorf("release directory %s: it is a %s", dir, info.Mode().Type())
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read release: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return fmt.Errorf("read release: %w", err)
		}
		if d.IsDir() {
			if rel == stampDir {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return fmt.Errorf("read release: %w", err)
		}
		return visit(path, filepath.ToSlash(rel), info)
	})
}

func contentOf(ctx context.Context, path, rel string, info fs.FileInfo) (entry, error) {
	e := entry{path: rel, kind: 'o', sum: textSum(""), size: info.Size()}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return e, fmt.Errorf("read release: %w", err)
		}
		e.kind, e.link, e.sum = 'l', target, textSum(target)
	case info.Mode().IsRegular():
		e.kind = 'f'
		if info.Mode()&0o111 != 0 {
			e.kind = 'x'
		}
		f, err := os.Open(path)
		if err != nil {
			return e, fmt.Errorf("read release: %w", err)
		}
		defer func() { _ = f.Close() }()
		h := sha256.New()
		if _, err := io.Copy(h, cancelled{ctx, f}); err != nil {
			return e, fmt.Errorf("read release: %w", err)
		}
		e.sum = hexSum(h)
	}
	return e, nil
}

// cancelled ends a long read when ctx is done.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c cancelled) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
