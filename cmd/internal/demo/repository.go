package demo

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed seed
var seed embed.FS

// gitDeadline bounds one call of git.
const gitDeadline = 20 * time.Second

// repository writes the shop's history with the git program: one fast-import for each landing, so that author,
// committer and both dates are what the history says and no setting, hook or signing of the user's gets in the way.
type repository struct {
	dir  string
	head string
	tree map[string]string // what the main branch holds
}

func newRepository(ctx context.Context, dir string) (*repository, error) {
	if _, err := exec.LookPath("git"); err != nil {
		return nil, fmt.Errorf("the demo needs the git program: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the shop's repository: %w", err)
	}
	r := &repository{dir: dir, tree: map[string]string{}}
	err := fs.WalkDir(seed, "seed", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := seed.ReadFile(path)
		r.tree[strings.TrimPrefix(path, "seed/")] = string(b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the shop's first files: %w", err)
	}
	for _, args := range [][]string{{"init", "--quiet", "--template="}, {"symbolic-ref", "HEAD", "refs/heads/main"}} {
		if _, err := r.git(ctx, nil, args...); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// land puts l on the main branch at the given time and returns the commit.
func (r *repository) land(ctx context.Context, l landing, at time.Time, reverted string) (string, error) {
	changed, err := r.apply(l)
	if err != nil {
		return "", err
	}
	committer := l.committer
	if committer == (person{}) {
		committer = l.author
	}
	message := strings.ReplaceAll(l.message, "%REVERTED%", reverted)
	var in bytes.Buffer
	merged := ""
	if l.branch != "" {
		// The branch is an hour older than its merge, and the person who merges is the one who wrote it.
		earlier := at.Add(-time.Hour)
		writeCommit(&in, commit{ref: "refs/heads/" + l.branch, mark: 1, author: l.author, committer: l.author, authored: earlier, committed: earlier, message: l.branchMsg, parent: r.head, files: changed})
		merged = ":1"
	}
	writeCommit(&in, commit{ref: "refs/heads/main", mark: 2, author: l.author, committer: committer, authored: at.Add(-2 * time.Second), committed: at, message: message, parent: r.head, merged: merged, files: changed})
	marks := filepath.Join(r.dir, ".git", "demo-marks")
	if _, err := r.git(ctx, &in, "fast-import", "--quiet", "--date-format=raw", "--export-marks="+marks); err != nil {
		return "", err
	}
	b, err := os.ReadFile(marks)
	if err != nil {
		return "", fmt.Errorf("read what git made: %w", err)
	}
	if err := os.Remove(marks); err != nil {
		return "", fmt.Errorf("remove what git made: %w", err)
	}
	_, rest, ok := strings.Cut(string(b), ":2 ")
	if !ok {
		return "", fmt.Errorf("git did not say which commit it made of %q", message)
	}
	r.head, _, _ = strings.Cut(rest, "\n")
	return r.head, nil
}

// apply makes l's edits in the tree and returns the files that they touched; the first landing brings them all.
func (r *repository) apply(l landing) (map[string]string, error) {
	if r.head == "" {
		return maps.Clone(r.tree), nil
	}
	changed := map[string]string{}
	for _, e := range l.edits {
		text := r.tree[e.path]
		if e.old != "" && strings.Count(text, e.old) != 1 {
			return nil, fmt.Errorf("edit %s: %q is not there exactly once", e.path, e.old)
		}
		if e.old == "" {
			text = e.new
		} else {
			text = strings.Replace(text, e.old, e.new, 1)
		}
		r.tree[e.path], changed[e.path] = text, text
	}
	return changed, nil
}

// at is the repository as it was at a commit, for cutting releases from it.
func (r *repository) at(hash string) *repository { return &repository{dir: r.dir, head: hash} }

// checkout makes the work tree what the main branch is.
func (r *repository) checkout(ctx context.Context) error {
	_, err := r.git(ctx, nil, "reset", "--quiet", "--hard", "main")
	return err
}
