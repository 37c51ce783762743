package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
)

// room is a temporary place for new objects and an index beside the user's repository: what is fetched and built lies
// there, so that neither objects nor refs, index or work tree of the user change. The repository's configuration, and so
// its credentials, hold in it.
type room struct {
	runner
	dir     string
	vars    []string
	partial bool // what the repository leaves out is fetched into the room when it is needed
}

// makeRoom makes one; close takes it away.
func (r *repo) makeRoom() (_ *room, err error) {
	objects, err := filepath.Abs(filepath.Join(r.common, "objects"))
	if err != nil {
		return nil, fmt.Errorf("make a place for the revert: %w", err)
	}
	dir, err := os.MkdirTemp("", roomName+"*")
	if err != nil {
		return nil, fmt.Errorf("make a place for the revert: %w", err)
	}
	rm := &room{runner: r.runner, dir: dir, partial: r.partial}
	own := filepath.Join(dir, "objects")
	if err := os.Mkdir(own, 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("make a place for the revert: %w", err), rm.close())
	}
	rm.vars = append(
		process.Environ("GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"), // who commits here, where git is told so
		"GIT_OBJECT_DIRECTORY="+own, "GIT_ALTERNATE_OBJECT_DIRECTORIES="+alternate(objects),
		"GIT_INDEX_FILE="+filepath.Join(dir, "index"),
	)
	return rm, nil
}

// alternate quotes a path that holds what separates the paths of such a list.
func alternate(path string) string {
	if !strings.ContainsRune(path, os.PathListSeparator) && !strings.HasPrefix(path, `"`) {
		return path
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// sweep takes away what processes left that were killed, once it is a day old.
func sweep(now time.Time) {
	left, err := filepath.Glob(filepath.Join(os.TempDir(), roomName+"*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && now.Sub(info.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(dir) // somebody else's stays
		}
	}
}

const roomName = "backout-git-"

func (rm *room) close() error { return os.RemoveAll(rm.dir) }

// local is a command that stays on this machine, unless the repository is a partial clone.
func (rm *room) local(ctx context.Context, args ...string) process.Program {
	// A shared index would be written beside the user's own, a sparse one would leave files out.
	args = append([]string{
		"-c", "core.splitIndex=false", "-c", "core.untrackedCache=false", "-c", "index.sparse=false", "-c", "core.sparseCheckout=false",
	}, args...)
	p := rm.program(args...)
	if rm.partial {
		p = rm.reaching(ctx, args...)
	}
	p.Env = append(p.Env, rm.vars...)
	p.MaxOutput = 64 << 20
	return p
}

func (rm *room) run(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, rm.timeout)
	defer cancel()
	out, err := rm.local(ctx, args...).Run(ctx)
	return strings.TrimSuffix(string(out), "\n"), err
}

func (rm *room) feed(ctx context.Context, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, rm.timeout)
	defer cancel()
	p := rm.local(ctx, args...)
	p.Stdin = strings.NewReader(stdin)
	out, err := p.Run(ctx)
	return strings.TrimSuffix(string(out), "\n"), err
}

// holds reports whether a commit and its trees are here.
func (rm *room) holds(ctx context.Context, commit string) bool {
	_, err := rm.run(ctx, "cat-file", "-e", commit+"^{tree}")
	return err == nil
}

// bring fetches the commit that a remote's ref stands on, unless it is here. No ref and no file of the repository moves.
func (rm *room) bring(ctx context.Context, address, ref, commit string) error {
	if rm.holds(ctx, commit) {
		return nil
	}
	p := rm.reaching(
		ctx, "-c", "fetch.writeCommitGraph=false", "-c", "fetch.prune=false", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
		"--no-auto-maintenance", "--no-recurse-submodules", "--refmap=", address, ref,
	)
	p.Env = append(p.Env, rm.vars...)
	if _, err := p.Run(ctx); err != nil {
		return fmt.Errorf("fetch %s: %w", short(ref), err)
	}
	if !rm.holds(ctx, commit) {
		return providers.Retryable(fmt.Errorf("%s moved on while it was fetched: look again", short(ref)))
	}
	return nil
}

// heads asks a remote where some of its refs stand. One that is not there has no entry.
func (r runner) heads(ctx context.Context, address string, refs ...string) (map[string]string, error) {
	p := r.reaching(ctx, append([]string{"ls-remote", "--refs", address}, refs...)...)
	p.MaxOutput = 1 << 20
	out, err := p.Run(ctx)
	if err != nil {
		return nil, err
	}
	at := map[string]string{}
	for line := range strings.Lines(string(out)) {
		commit, ref, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || !isHash(commit) {
			return nil, providers.Retryable(fmt.Errorf("git ls-remote says %q, which is no ref", providers.Clean(line)))
		}
		if slices.Contains(refs, ref) { // git matches the ends of names
			at[ref] = commit
		}
	}
	return at, nil
}

func isHash(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// reaching is a command that talks to a remote, with git's own credentials and without asking anybody for any.
func (r runner) reaching(ctx context.Context, args ...string) process.Program {
	p := r.program(append([]string{"-c", "protocol.ext.allow=never"}, args...)...)
	p.Env = append(process.Environ(append(slices.Clone(passed), transport...)...), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
	if os.Getenv("GIT_SSH_COMMAND") == "" && os.Getenv("GIT_SSH") == "" {
		if own, err := r.text(ctx, "config", "core.sshCommand"); err != nil || own == "" {
			p.Env = append(p.Env, "GIT_SSH_COMMAND=ssh -o BatchMode=yes") // nobody is there to type a passphrase
		}
	}
	return p
}

// bounded is the time that one look at or one push to the remote has.
func bounded(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, most)
}

// recent refuses a git that cannot merge without a work tree.
func (r runner) recent(ctx context.Context) error {
	out, err := r.text(ctx, "version")
	if err != nil {
		return r.explain(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(out, "git version %d.%d", &major, &minor); err != nil {
		return providers.Retryable(fmt.Errorf("git says %q for its version: %w", providers.Clean(out), err))
	}
	if major < 2 || (major == 2 && minor < 38) {
		return providers.Permanent(fmt.Errorf("revert needs git 2.38 or later (git merge-tree --write-tree), and this is %d.%d: install a newer one, or take revert out of the configuration", major, minor))
	}
	return nil
}
