package demo

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// firstBuild is the number of the oldest build whose release is still there.
const firstBuild = 201

// logLayout is the time in revisions.log: with milliseconds, so that what went live in one second keeps its order.
const logLayout = "2006-01-02T15:04:05.000Z07:00"

// releaseFile is release.json, by which a release says what it is.
type releaseFile struct {
	Commit     string    `json:"commit"`
	ChangeSet  string    `json:"change_set,omitempty"`
	Title      string    `json:"title"`
	Author     string    `json:"author"`
	ReleasedAt time.Time `json:"released_at"`
}

// host is the directory that holds each service's releases, laid out as Capistrano does: releases/<label>, a current
// link, and revisions.log with one line for each time that something went live. The label is the number of the build.
type host struct {
	dir    string
	builds int // so far
}

func (h *host) service(name string) string { return filepath.Join(h.dir, name) }

// release cuts a service's release from the repository as it stands and makes it live. A time in the past leaves the
// files, the link and the log as they would be had it been done then.
func (h *host) release(ctx context.Context, r *repository, service string, l landing, at time.Time) error {
	if err := h.build(ctx, r, service, l, at); err != nil {
		return err
	}
	return h.goLive(service, fmt.Sprintf("r%d", firstBuild+h.builds-1), r.head, account(l.author), at)
}

// build cuts a service's release from the repository as it stands, and leaves it there.
func (h *host) build(ctx context.Context, r *repository, service string, l landing, at time.Time) error {
	at = at.UTC()
	title, _, _ := strings.Cut(l.title(), "\n")
	f := releaseFile{Commit: r.head, ChangeSet: l.changeSet, Title: title, Author: l.author.name, ReleasedAt: at.Truncate(time.Millisecond)}
	dir := filepath.Join(h.service(service), "releases", fmt.Sprintf("r%d", firstBuild+h.builds))
	h.builds++
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("release %s: %w", service, err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("release %s: %w", service, err)
	}
	archive, err := r.git(ctx, nil, "archive", "--format=tar", f.Commit+":services/"+service)
	if err != nil {
		return fmt.Errorf("release %s: %w", service, err)
	}
	about, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("release %s: %w", service, err)
	}
	err = errors.Join(
		unpack(bytes.NewReader(archive), dir),
		os.WriteFile(filepath.Join(dir, "REVISION"), []byte(f.Commit+"\n"), 0o644),
		os.WriteFile(filepath.Join(dir, "release.json"), append(about, '\n'), 0o644),
		date(dir, at),
	)
	if err != nil {
		return fmt.Errorf("release %s: %w", service, err)
	}
	return nil
}

// title is the first line of what landed; of a merge, the title of what it merged.
func (l landing) title() string {
	if l.branchMsg != "" {
		return l.branchMsg
	}
	return l.message
}

// account is the account that a person deploys with.
func account(p person) string {
	name, _, _ := strings.Cut(p.email, "@")
	if strings.Contains(name, "[bot]") {
		return "deploy"
	}
	return name
}

// goLive points current to a release that is there, in one rename, and writes it to the log.
func (h *host) goLive(service, label, commit, by string, at time.Time) error {
	base := h.service(service)
	next, current := filepath.Join(base, ".current-next"), filepath.Join(base, "current")
	if err := os.Symlink(filepath.Join("releases", label), next); err != nil {
		return fmt.Errorf("point %s to release %s: %w", service, label, err)
	}
	if err := errors.Join(linkTime(next, at), os.Rename(next, current)); err != nil {
		return fmt.Errorf("point %s to release %s: %w", service, label, err)
	}
	path := filepath.Join(base, "revisions.log")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write down that %s went live: %w", service, err)
	}
	_, err = fmt.Fprintf(f, "%s release %s commit %s by %s\n", at.UTC().Format(logLayout), label, commit, by)
	if err := errors.Join(err, f.Close(), os.Chtimes(path, at, at)); err != nil {
		return fmt.Errorf("write down that %s went live: %w", service, err)
	}
	return nil
}

// unpack writes the files of a tar archive below dir.
func unpack(in io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	defer func() { _ = root.Close() }()
	tr := tar.NewReader(in)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
		name := filepath.FromSlash(strings.TrimSuffix(h.Name, "/"))
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.Mkdir(name, 0o755)
		case tar.TypeReg:
			err = unpackFile(root, name, tr)
		default: // git's own header with the commit
		}
		if err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
	}
}

func unpackFile(root *os.Root, name string, in io.Reader) error {
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, in)
	return errors.Join(err, f.Close())
}

// date gives everything below dir, and dir itself, the time at.
func date(dir string, at time.Time) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("date %s: %w", path, err)
		}
		return os.Chtimes(path, at, at)
	})
}
