package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
)

// repo is what was found of a repository at one moment.
type repo struct {
	runner
	name     string // of the directory that holds it
	common   string // the directory that holds the objects and refs
	bare     bool
	rebasing string          // the branch that a rebase in progress will move; "" for none
	partial  bool            // objects may be missing, and reading them would fetch
	shallow  map[string]bool // commits whose parents are not here; nil for a whole repository
	ref      string          // the full name of what is tracked, or what the user asked for
	head     string          // its commit; "" in a repository without commits
	notes    string          // the notes ref, "" where there is none
	config   map[string]string
}

// open looks at the repository anew: branches move, clones deepen, and a rebase comes and goes.
func (p *Provider) open(ctx context.Context) (*repo, error) {
	r := &repo{runner: runner{p.set.Path, p.set.Timeout}}
	if err := r.discover(ctx); err != nil {
		return nil, r.explain(err)
	}
	if err := r.readConfig(ctx); err != nil {
		return nil, r.explain(err)
	}
	if err := r.track(ctx, p.set.Ref, p.set.Notes); err != nil {
		return nil, r.explain(err)
	}
	web := forgeOf(p.set.Forge, r.remote())
	p.mu.Lock()
	p.web = web
	p.mu.Unlock()
	return r, nil
}

func (r *repo) discover(ctx context.Context) error {
	out, err := r.text(ctx, "rev-parse", "--is-bare-repository", "--absolute-git-dir", "--git-common-dir", "--is-shallow-repository", "--git-path", "shallow")
	if err != nil {
		return err
	}
	lines := strings.Split(out, "\n")
	if len(lines) != 5 {
		return fmt.Errorf("git rev-parse said %d lines, not 5: git is too old (2.15 is needed) or the path has a line break", len(lines))
	}
	at := func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(r.path, path)
	}
	r.bare = lines[0] == "true"
	r.common = at(lines[2])
	r.name = repositoryName(r.common)
	for _, dir := range []string{"rebase-merge", "rebase-apply"} {
		if name, err := os.ReadFile(filepath.Join(lines[1], dir, "head-name")); err == nil {
			r.rebasing = strings.TrimSpace(string(name))
		}
	}
	if lines[3] != "true" {
		return nil
	}
	data, err := os.ReadFile(at(lines[4]))
	if err != nil {
		return fmt.Errorf("read where the shallow history ends: %w", err)
	}
	r.shallow = map[string]bool{}
	for _, hash := range strings.Fields(string(data)) {
		r.shallow[hash] = true
	}
	return nil
}

// repositoryName is the directory's name: of the one that holds .git, or of the bare repository itself.
func repositoryName(gitDir string) string {
	base := filepath.Base(gitDir)
	if base == ".git" {
		base = filepath.Base(filepath.Dir(gitDir))
	}
	return strings.TrimSuffix(base, ".git")
}

func (r *repo) readConfig(ctx context.Context) error {
	out, err := r.text(ctx, "config", "-z", "--get-regexp", `^(remote\..*\.(url|pushurl|promisor)|merge\..*\.driver|extensions\.partialclone|init\.defaultbranch)$`)
	var exit *process.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.Code != 1) { // 1: none of them is set
		return err
	}
	r.config = map[string]string{}
	for entry := range strings.SplitSeq(out, "\x00") {
		key, value, _ := strings.Cut(entry, "\n")
		if key != "" {
			r.config[key] = value
		}
		if strings.HasSuffix(key, ".promisor") || key == "extensions.partialclone" {
			r.partial = true
		}
	}
	return nil
}

// track finds the branch to follow: what the user asked for; what the remote calls its default branch; in a bare
// repository its HEAD; a branch with one of the usual names; at last whatever is checked out.
func (r *repo) track(ctx context.Context, want, notes string) error {
	refs, err := r.refs(ctx, notes)
	if err != nil {
		return err
	}
	if _, ok := refs[notes]; ok {
		r.notes = notes
	}
	if want != "" {
		if r.head, err = r.commit(ctx, want); err != nil || r.head != "" {
			r.ref = want
			return err
		}
	}
	for _, name := range r.candidates(refs) {
		if r.head, err = r.commit(ctx, name); err != nil {
			return err
		}
		if r.head != "" && want == "" {
			r.ref = name
			return nil
		}
		if r.head != "" {
			r.head = ""
			return providers.Permanent(fmt.Errorf("there is no ref %q in %s: correct ref, or fetch it", want, r.path))
		}
	}
	return r.whole(ctx, refs)
}

// whole tells a repository without commits from one that lost them: then a branch stands somewhere, and what it stands on
// is not here.
func (r *repo) whole(ctx context.Context, refs map[string]string) error {
	for _, name := range r.candidates(refs) {
		at, err := r.resolve(ctx, name)
		if err != nil {
			return err
		}
		if at != "" {
			return providers.Retryable(fmt.Errorf("%s in %s stands on %s, which is not here or no commit: look with `git fsck`, then fetch again", short(name), r.path, at))
		}
	}
	return nil // nothing is committed yet
}

func (r *repo) candidates(refs map[string]string) []string {
	var list []string
	if target := refs["refs/remotes/origin/HEAD"]; target != "" {
		list = append(list, target)
	}
	if r.bare {
		list = append(list, "HEAD")
	}
	for _, name := range append(r.usual(), "refs/remotes/origin/main", "refs/remotes/origin/master") {
		if _, ok := refs[name]; ok {
			list = append(list, name)
		}
	}
	if strings.HasPrefix(r.rebasing, "refs/heads/") {
		list = append(list, r.rebasing) // HEAD stands somewhere in the middle
	}
	return append(list, "HEAD")
}

func (r *repo) usual() []string {
	names := []string{"main", "master", "trunk"}
	if own := r.config["init.defaultbranch"]; own != "" && !slices.Contains(names, own) && !strings.HasPrefix(own, "-") {
		names = append([]string{own}, names...)
	}
	for i, n := range names {
		names[i] = "refs/heads/" + n
	}
	return names
}

// refs gives those of the refs that matter here that exist, with the target of symbolic ones.
func (r *repo) refs(ctx context.Context, notes string) (map[string]string, error) {
	args := append([]string{"for-each-ref", "--format=%(refname)%00%(symref)"}, r.usual()...)
	args = append(args, "refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/remotes/origin/master")
	if notes != "" {
		args = append(args, notes)
	}
	out, err := r.text(ctx, args...)
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(out) {
		name, target, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\x00")
		refs[name] = target
	}
	return refs, nil
}

// commit resolves a name; "" where there is no such commit.
func (r *repo) commit(ctx context.Context, name string) (string, error) {
	return r.resolve(ctx, name+"^{commit}")
}

// resolve gives the object that a name stands for, whether it is here or not; "" where there is no such name.
func (r *repo) resolve(ctx context.Context, name string) (string, error) {
	out, err := r.text(ctx, "rev-parse", "--quiet", "--verify", name)
	var exit *process.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return "", nil
	}
	return out, err
}

// remote is the address of the remote that the tracked branch comes from.
func (r *repo) remote() string {
	if rest, ok := strings.CutPrefix(r.ref, "refs/remotes/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		return r.config["remote."+name+".url"]
	}
	return r.config["remote.origin.url"]
}

// remark is what a person should know of this repository beside that it could be read.
func (r *repo) remark() string {
	var notes []string
	if r.head == "" {
		return "empty repository: nothing is committed yet"
	}
	if r.rebasing != "" {
		notes = append(notes, "a rebase is in progress: showing "+short(r.ref))
	}
	if r.partial {
		notes = append(notes, "partial clone: changed lines are not known")
	}
	return strings.Join(notes, "; ")
}

func short(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/remotes/", "refs/tags/"} {
		ref = strings.TrimPrefix(ref, prefix)
	}
	return ref
}
