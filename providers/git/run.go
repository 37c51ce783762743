package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	osexec "os/exec"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
)

// hardening keeps a repository's own configuration from running programs: it may come from anywhere.
var hardening = []string{
	"--no-pager",
	"-c", "core.fsmonitor=false",
	"-c", "core.hooksPath=/dev/null",
	"-c", "log.showSignature=false",
	"-c", "gc.auto=0",
	"-c", "maintenance.auto=false",
}

// passed are the variables of the environment that git and the transports need. GIT_DIR and the like stay out: backout
// may have been started by a hook of another repository.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TEMP", "TMP", "XDG_CONFIG_HOME", "SYSTEMROOT", "USERPROFILE", "APPDATA", "PROGRAMDATA",
	"GIT_EXEC_PATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CEILING_DIRECTORIES", "GIT_TEST_ASSUME_DIFFERENT_OWNER",
}

// errIdle ends a git that says nothing for too long.
var errIdle = errors.New("no answer")

// errEnough ends a read that has what it wants.
var errEnough = errors.New("enough")

// runner runs git on one path.
type runner struct {
	path    string
	timeout time.Duration
}

func (r runner) program(args ...string) process.Program {
	argv := append([]string{"git", "-C", r.path}, hardening...)
	return process.Program{
		Argv: append(argv, args...),
		Env: append(
			process.Environ(passed...),
			"LC_ALL=C", "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_PAGER=cat",
			// Objects that a partial clone left out would be fetched on the fly, with whatever transport its configuration names.
			"GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none",
		),
		MaxOutput: math.MaxInt64,
	}
}

// text runs a short command and gives what it prints, without the last line break.
func (r runner) text(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	p := r.program(args...)
	p.MaxOutput = 64 << 20
	out, err := p.Run(ctx)
	return strings.TrimSuffix(string(out), "\n"), err
}

// stream runs a command and reads it while it runs; stdin may be nil. git may run as long as it goes on talking.
func (r runner) stream(ctx context.Context, stdin []byte, read func(*bufio.Reader) error, args ...string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	idle := time.AfterFunc(time.Hour, func() { cancel(errIdle) })
	idle.Stop()
	defer idle.Stop()
	p := r.program(args...)
	if stdin != nil {
		p.Stdin = bytes.NewReader(stdin)
	}
	err := p.Stream(ctx, func(from io.Reader) error {
		return read(bufio.NewReaderSize(&patient{from, idle, r.timeout}, 64<<10))
	})
	if errors.Is(context.Cause(ctx), errIdle) {
		return fmt.Errorf("git said nothing for %s: the disk may hang, or raise timeout: %w", r.timeout, errIdle)
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// patient lets the clock run only while git is waited for, not while the reader of the changes takes its time.
type patient struct {
	from io.Reader
	idle *time.Timer
	max  time.Duration
}

func (p *patient) Read(b []byte) (int, error) {
	p.idle.Reset(p.max)
	defer p.idle.Stop()
	return p.from.Read(b)
}

// explain says what is wrong with the repository and what to do, and whether trying again can help.
func (r runner) explain(err error) error {
	var exit *process.ExitError
	var classed *providers.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &classed):
		return err
	case errors.Is(err, osexec.ErrNotFound):
		return providers.Permanent(fmt.Errorf("the git program is not on PATH: install git, or take the git provider out of the configuration: %w", err))
	case errors.Is(err, context.DeadlineExceeded):
		return providers.Retryable(fmt.Errorf("git did not answer within %s: the disk may hang, or raise timeout: %w", r.timeout, err))
	case !errors.As(err, &exit):
		return providers.Retryable(err)
	}
	said := strings.ToLower(exit.Stderr)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(said, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("dubious ownership"):
		return providers.Permanent(fmt.Errorf("%s belongs to another user: run `git config --global --add safe.directory %s` if you trust it: %w", r.path, r.path, err))
	case has("permission denied"):
		return providers.Permanent(fmt.Errorf("%s cannot be read with your rights: %w", r.path, err))
	case has("cannot change to"):
		return providers.Permanent(fmt.Errorf("there is no directory %s: correct path: %w", r.path, err))
	case has("not a git repository", "not in a git directory", "bad config", "invalid gitfile", "repository format", "repo version"):
		return providers.Permanent(fmt.Errorf("%s is not a readable git repository: set path to a work tree or a bare repository: %w", r.path, err))
	case has("bad object", "missing", "corrupt", "could not read", "unable to read", "could not parse", "unable to parse"):
		return providers.Retryable(fmt.Errorf("%s has damaged or missing objects: look with `git fsck`, then fetch again: %w", r.path, err))
	}
	return providers.Retryable(fmt.Errorf("git in %s: %w", r.path, err))
}
