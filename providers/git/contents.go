package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
)

// How much of a repository is read for one question. More than that is an error: half an answer would look like a whole one.
const (
	mostBetween = 5_000   // commits
	mostTouched = 100_000 // versions of files
	mostListed  = 50_000  // wanted files of one commit
	mostContent = 1 << 20 // of one file
	mostAll     = 32 << 20
)

// Between implements [providers.Contents].
func (p *Provider) Between(ctx context.Context, older, newer string) (providers.Between, error) {
	var out providers.Between
	r, err := p.open(ctx)
	if err != nil {
		return out, err
	}
	for _, c := range []*string{&older, &newer} {
		if *c, err = r.holding(ctx, *c); err != nil {
			return out, r.explain(err)
		}
	}
	if out.Commits, out.Touched, err = p.oneSide(ctx, r, older, newer); err != nil {
		return out, r.explain(err)
	}
	_, out.Missed, err = p.oneSide(ctx, r, newer, older)
	return out, r.explain(err)
}

// holding resolves a commit as a target names it: whole or cut short.
func (r *repo) holding(ctx context.Context, commit string) (string, error) {
	absent := fmt.Errorf("commit %q in %s: %w", providers.Clean(commit), r.path, providers.ErrNotFound)
	if len(commit) < 7 || strings.Trim(commit, "0123456789abcdefABCDEF") != "" {
		return "", absent
	}
	full, err := r.commit(ctx, commit)
	if err == nil && !isHash(full) {
		err = absent
	}
	return full, err
}

// oneSide reads the commits that newer has and older has not, with every version of a file that each of them left: a merge by what it
// brought to its first parent, so that what was settled in the merge itself is seen too.
func (p *Provider) oneSide(ctx context.Context, r *repo, older, newer string) (commits []string, touched []providers.Touched, err error) {
	mark := newMark()
	args := []string{
		"log", "--format=%x00" + mark + "%x00%H%x00", "--no-notes", "--raw", "--no-abbrev", "--no-renames", "--diff-merges=first-parent", "--root",
	}
	args = append(append(args, textFlags...), newer, "^"+older, "--")
	err = r.stream(ctx, nil, func(from *bufio.Reader) error {
		in := &records{in: from, mark: mark}
		raw := &rawReader{}
		now := ""
		for {
			found, err := in.find(func(field string) error {
				if t, ok := raw.field(field); ok {
					t.Commit, t.Service = now, p.owner(t.Path)
					touched = append(touched, t)
				}
				return nil
			})
			if err != nil || !found {
				return err
			}
			if now, err = in.next(64<<10, 0); err != nil {
				return fmt.Errorf("read a commit: %w", err)
			}
			if r.shallow[now] {
				return providers.Permanent(fmt.Errorf("the history between %s and %s is not all here: shallow clone, see `git fetch --unshallow`", brief(older), brief(newer)))
			}
			if commits = append(commits, now); len(commits) > mostBetween || len(touched) > mostTouched {
				return providers.Permanent(fmt.Errorf("more than %d commits or %d files lie between %s and %s", mostBetween, mostTouched, brief(older), brief(newer)))
			}
		}
	}, args...)
	return commits, touched, err
}

func brief(commit string) string { return commit[:min(len(commit), 10)] }

// owner is the service that a path belongs to, "" where nobody said.
func (p *Provider) owner(path string) string {
	if s := p.paths.service(path); s != "" {
		return s
	}
	return p.set.Service
}

// rawReader reads the fields of `--raw -z`: what became of a file, and then its path.
type rawReader struct {
	now     providers.Touched
	pending bool
}

func (d *rawReader) field(f string) (providers.Touched, bool) {
	f = strings.TrimPrefix(f, "\n")
	if d.pending {
		d.pending = false
		d.now.Path = f
		return d.now, f != ""
	}
	if !strings.HasPrefix(f, ":") {
		return providers.Touched{}, false
	}
	parts := strings.Fields(f)
	if len(parts) != 5 {
		return providers.Touched{}, false
	}
	d.pending = true
	d.now = providers.Touched{ID: parts[3], Added: parts[4] == "A"}
	if parts[4] == "D" {
		d.now.ID = ""
	}
	return providers.Touched{}, false
}

// Files implements [providers.Contents].
func (p *Provider) Files(ctx context.Context, commit string, want func(path string) bool) ([]providers.FileAt, error) {
	r, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	if commit, err = r.holding(ctx, commit); err != nil {
		return nil, r.explain(err)
	}
	var out []providers.FileAt
	err = r.stream(ctx, nil, func(from *bufio.Reader) error {
		for {
			entry, err := from.ReadString(0)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("list the files of %s: %w", brief(commit), err)
			}
			about, path, ok := strings.Cut(strings.TrimSuffix(entry, "\x00"), "\t")
			parts := strings.Fields(about)
			if !ok || len(parts) != 3 || parts[1] != "blob" || !want(path) {
				continue
			}
			if out = append(out, providers.FileAt{Path: path, ID: parts[2], Service: p.owner(path)}); len(out) > mostListed {
				return providers.Permanent(fmt.Errorf("more than %d such files in %s", mostListed, brief(commit)))
			}
		}
	}, "ls-tree", "-r", "-z", commit)
	return out, r.explain(err)
}

// Read implements [providers.Contents].
func (p *Provider) Read(ctx context.Context, ids []string) (map[string]string, error) {
	var ask bytes.Buffer
	for _, id := range ids {
		if !isHash(id) {
			return nil, fmt.Errorf("%q names no content", providers.Clean(id))
		}
		ask.WriteString(id + "\n")
	}
	out := map[string]string{}
	if len(ids) == 0 {
		return out, nil
	}
	r, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	err = r.stream(ctx, ask.Bytes(), func(from *bufio.Reader) error {
		all := 0
		for range ids {
			id, text, kept, err := readBlob(from)
			if err != nil {
				return err
			}
			if all += len(text); all > mostAll {
				return providers.Permanent(fmt.Errorf("the files hold more than %d MiB together", mostAll>>20))
			}
			if kept {
				out[id] = text
			}
		}
		return nil
	}, "cat-file", "--batch")
	return out, r.explain(err)
}

// readBlob reads one answer of `cat-file --batch`. What is not kept is passed over.
func readBlob(from *bufio.Reader) (id, text string, kept bool, err error) {
	head, err := from.ReadString('\n')
	if err != nil {
		return "", "", false, fmt.Errorf("read a file: %w", err)
	}
	f := strings.Fields(head)
	if len(f) != 3 { // "ID missing"
		return "", "", false, nil
	}
	size, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil || size < 0 {
		return "", "", false, fmt.Errorf("git says %q of a file", providers.Clean(head))
	}
	if f[1] != "blob" || size > mostContent {
		_, err = io.CopyN(io.Discard, from, size+1)
		return f[0], "", false, err
	}
	data := make([]byte, size+1) // and a line break
	if _, err := io.ReadFull(from, data); err != nil {
		return "", "", false, fmt.Errorf("read %s: %w", brief(f[0]), err)
	}
	return f[0], string(data[:size]), true, nil
}

// Mentions implements [providers.Mentioner].
func (p *Provider) Mentions(ctx context.Context, commit string, words []string) ([]providers.FileAt, error) {
	r, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	if commit, err = r.holding(ctx, commit); err != nil {
		return nil, r.explain(err)
	}
	args := []string{"grep", "-l", "-z", "-I", "-i", "-w", "-E", "--no-color", "--all-match", "--threads=1"}
	for _, word := range words {
		pattern, err := loosely(word)
		if err != nil {
			return nil, err
		}
		args = append(args, "-e", pattern)
	}
	if len(words) == 0 {
		return nil, nil
	}
	out, err := r.text(ctx, append(args, commit, "--")...)
	var exit *process.ExitError
	if errors.As(err, &exit) && exit.Code == 1 && exit.Stderr == "" {
		return nil, nil
	}
	if err != nil {
		return nil, r.explain(err)
	}
	var files []providers.FileAt
	for name := range strings.SplitSeq(out, "\x00") {
		if path, ok := strings.CutPrefix(name, commit+":"); ok {
			files = append(files, providers.FileAt{Path: path, Service: p.owner(path)})
		}
	}
	return files, nil
}

// loosely is a pattern for a name as SQL writes it and as a program may.
func loosely(word string) (string, error) {
	if word == "" || strings.Trim(strings.ToLower(word), "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return "", fmt.Errorf("%q is no word that can be looked for", providers.Clean(word))
	}
	stem := word
	if len(stem) > 3 {
		stem = strings.TrimRight(stem, "sS")
	}
	return strings.ReplaceAll(stem, "_", "_?") + "s?", nil
}
