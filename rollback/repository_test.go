package rollback_test

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// exampleCommit is one commit of a case: what it wrote, and what it took away. From is its parent, the one before it where it is not said.
type exampleCommit struct {
	Commit, From string
	Service      string // whose files these are, where the repository says so
	Files        map[string]string
	Gone         []string
}

// repository is a history that a case gives. It is in memory because the engine knows no repository: the git provider's own tests
// run on real ones.
type repository struct {
	commits []exampleCommit
	broken  string
}

// line are the commits that one has, the oldest first; nil where it is not here.
func (r *repository) line(commit string) []exampleCommit {
	at := slices.IndexFunc(r.commits, func(c exampleCommit) bool { return commitNamed(c.Commit) == commit })
	if at < 0 {
		return nil
	}
	c := r.commits[at]
	switch {
	case c.From != "":
		return append(slices.Clone(r.line(commitNamed(c.From))), c)
	case at > 0:
		return append(slices.Clone(r.line(commitNamed(r.commits[at-1].Commit))), c)
	}
	return []exampleCommit{c}
}

func (r *repository) Between(_ context.Context, older, newer string) (providers.Between, error) {
	a, b := r.line(older), r.line(newer)
	if a == nil || b == nil {
		return providers.Between{}, providers.ErrNotFound
	}
	if r.broken != "" {
		return providers.Between{}, errors.New(r.broken)
	}
	var out providers.Between
	out.Commits, out.Touched = beyond(a, b)
	_, out.Missed = beyond(b, a)
	return out, nil
}

// beyond is what the second line has and the first has not, newest first.
func beyond(a, b []exampleCommit) (commits []string, touched []providers.Touched) {
	had := map[string]bool{}
	for i, c := range b {
		beyond := i >= len(a) || a[i].Commit != c.Commit
		for _, path := range sortedNames(c.Files) {
			if beyond {
				touched = append(touched, providers.Touched{Path: path, ID: "text " + c.Files[path], Commit: commitNamed(c.Commit), Service: c.Service, Added: !had[path]})
			}
			had[path] = true
		}
		for _, path := range c.Gone {
			had[path] = false
			if beyond {
				touched = append(touched, providers.Touched{Path: path, Commit: commitNamed(c.Commit)})
			}
		}
		if beyond {
			commits = append(commits, commitNamed(c.Commit))
		}
	}
	slices.Reverse(commits)
	slices.Reverse(touched)
	return commits, touched
}

func (r *repository) Files(_ context.Context, commit string, want func(string) bool) ([]providers.FileAt, error) {
	if r.line(commit) == nil {
		return nil, providers.ErrNotFound
	}
	held, owners := map[string]string{}, map[string]string{}
	for _, c := range r.line(commit) {
		for path, text := range c.Files {
			held[path], owners[path] = text, c.Service
		}
		for _, path := range c.Gone {
			delete(held, path)
		}
	}
	var out []providers.FileAt
	for _, path := range sortedNames(held) {
		if want(path) {
			out = append(out, providers.FileAt{Path: path, ID: "text " + held[path], Service: owners[path]})
		}
	}
	return out, nil
}

func (r *repository) Read(_ context.Context, ids []string) (map[string]string, error) {
	out := map[string]string{}
	for _, id := range ids {
		out[id] = id[len("text "):]
	}
	return out, nil
}

// Mentions knows a word only as it is written.
func (r *repository) Mentions(ctx context.Context, commit string, words []string) ([]providers.FileAt, error) {
	if r.line(commit) == nil {
		return nil, providers.ErrNotFound
	}
	files, err := r.Files(ctx, commit, func(string) bool { return true })
	return slices.DeleteFunc(files, func(f providers.FileAt) bool {
		return slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(f.ID, word) })
	}), err
}
