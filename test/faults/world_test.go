//go:build unix

package faults

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/test/oncall"
)

// program is the backout executable that the tests run.
var program string

func TestMain(m *testing.M) {
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "backout-faults-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if program, err = oncall.Build(dir); err == nil {
		err = os.Chmod(dir, 0o755) // tests also run it as another user
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // most of these tests wait for somebody
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Exit codes that a script can rely on.
const (
	fine    = 0
	failed  = 1
	refused = 5
	changed = 6
	strict  = 7
	config  = 10
	locked  = 11
	auth    = 12
)

// patience is how long a command may take that has to be quick; slow is what a machine under load adds to that.
const patience = 30 * time.Second

// world is a directory with a configuration, and a home of its own for backout.
type world struct {
	t   *testing.T
	dir string
	env []string
}

// newWorld makes one. It is not below the test's own temporary directory, which another user may not enter.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "backout-world-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &world{t: t, dir: dir}
	home := filepath.Join(dir, "home")
	w.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
		"XDG_STATE_HOME=" + filepath.Join(home, "state"), "XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "LANG=C.UTF-8",
		"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull, "GIT_AUTHOR_NAME=Ana", "GIT_AUTHOR_EMAIL=ana@example.com",
		"GIT_COMMITTER_NAME=Ana", "GIT_COMMITTER_EMAIL=ana@example.com", oncall.Boundary(),
	}
	w.must(os.Mkdir(home, 0o755))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(names ...string) string {
	return filepath.Join(append([]string{w.dir}, names...)...)
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := w.path(name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o755))
	w.must(os.WriteFile(path, []byte(text), 0o644))
}

// configure writes backout.yaml with these providers; state and cache lie beside it.
func (w *world) configure(providers string) {
	w.t.Helper()
	w.write("backout.yaml", "environment: prod\nstate_dir: state\ncache_dir: cache\nrollback: {hold: 200ms, poll: 50ms, deadline: 20s}\nproviders:\n"+providers)
}

// releases makes a unit with two releases, r2 in service, and gives its settings.
func (w *world) releases(unit string) string {
	w.t.Helper()
	w.write(unit+"/releases/r1/app", "good\n")
	w.write(unit+"/releases/r2/app", "bad\n")
	w.must(os.Symlink("releases/r2", w.path(unit, "current")))
	return fmt.Sprintf("{name: %s, path: %s, checks: [{name: good, command: [grep, -q, good, current/app]}]}", unit, unit)
}

func (w *world) serves(unit string) string {
	target, _ := filepath.EvalSymlinks(w.path(unit, "current"))
	return filepath.Base(target)
}

// git runs git in a directory of the world.
func (w *world) git(dir string, args ...string) string {
	w.t.Helper()
	out, err := w.tryGit(dir, "", args...)
	if err != nil {
		w.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return out
}

func (w *world) tryGit(dir, stdin string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = w.path(dir), w.env, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// repository makes one with a few commits.
func (w *world) repository(dir string, titles ...string) {
	w.t.Helper()
	w.must(os.MkdirAll(w.path(dir), 0o755))
	w.git(dir, "init", "-q", "-b", "main")
	for i, title := range titles {
		w.write(dir+"/price.txt", fmt.Sprintln(i))
		w.git(dir, "add", ".")
		if out, err := w.tryGit(dir, title, "commit", "-q", "--cleanup=verbatim", "-F", "-"); err != nil {
			w.t.Fatalf("commit: %v\n%s", err, out)
		}
	}
}

// result is how a command ended.
type result struct {
	t              *testing.T
	what           string
	code           int
	stdout, stderr string
	took           time.Duration
	resident       int64 // bytes at most, 0 where the system does not tell
}

// command is a call that is not started yet.
func (w *world) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	w.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = w.dir, w.env
	return cmd
}

// run runs the program in a directory of the world.
func (w *world) run(args ...string) result {
	w.t.Helper()
	return w.end(w.command(args...))
}

// in is run in another directory.
func (w *world) in(dir string, args ...string) result {
	w.t.Helper()
	cmd := w.command(args...)
	cmd.Dir = w.path(dir)
	return w.end(cmd)
}

func (w *world) end(cmd *exec.Cmd) result {
	w.t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	began := time.Now()
	err := cmd.Run()
	r := result{t: w.t, what: "backout " + strings.Join(cmd.Args[1:], " "), took: time.Since(began)}
	r.stdout, r.stderr = out.String(), errOut.String()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("%s: %v", r.what, err)
	}
	r.code = cmd.ProcessState.ExitCode()
	r.resident = resident(cmd.ProcessState)
	return r
}

func (r result) String() string {
	return fmt.Sprintf("%s: exit code %d after %s\nstdout:\n%s\nstderr:\n%s", r.what, r.code, r.took.Round(time.Millisecond), cut(r.stdout), cut(r.stderr))
}

func cut(s string) string {
	if len(s) > 4000 {
		return s[:4000] + "..."
	}
	return s
}

// ends checks the exit code.
func (r result) ends(code int) result {
	r.t.Helper()
	if r.code != code {
		r.t.Errorf("want exit code %d: %s", code, r)
	}
	return r
}

// shows checks that stdout matches each expression.
func (r result) shows(exprs ...string) result {
	r.t.Helper()
	for _, e := range exprs {
		if !regexp.MustCompile(e).MatchString(r.stdout) {
			r.t.Errorf("stdout lacks %q: %s", e, r)
		}
	}
	return r
}

// lacks checks that stdout matches none of the expressions.
func (r result) lacks(exprs ...string) result {
	r.t.Helper()
	for _, e := range exprs {
		if regexp.MustCompile(e).MatchString(r.stdout) {
			r.t.Errorf("stdout has %q: %s", e, r)
		}
	}
	return r
}

// says checks that stderr matches each expression, in messages that begin in lower case.
func (r result) says(exprs ...string) result {
	r.t.Helper()
	for _, e := range exprs {
		if !regexp.MustCompile(e).MatchString(r.stderr) {
			r.t.Errorf("stderr lacks %q: %s", e, r)
		}
	}
	if m := regexp.MustCompile(`(?m)^backout: [A-Z][a-z].*`).FindString(r.stderr); m != "" {
		r.t.Errorf("a message begins with a capital: %s", m)
	}
	return r
}

// quick checks that nobody was held up.
func (r result) quick() result {
	r.t.Helper()
	if r.took > patience {
		r.t.Errorf("took %s: %s", r.took, r)
	}
	return r
}
