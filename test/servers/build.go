package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Progress is how far the build of a server is.
type Progress struct {
	Server      Server
	Downloaded  int // modules that were downloaded until now
	Done, Total int // packages that were compiled, and of how many; a Total of zero: it is still being found out
}

// Linking says that all is compiled but the program itself: what is left shows no progress.
func (p Progress) Linking() bool { return p.Total > 0 && p.Done >= p.Total-1 }

// Build puts the pinned version of a server into the user's cache, unless it is there, and gives its path. It must be called
// within a checkout. The module's go.sum pins every byte that is downloaded. tell may be nil; it is called one call at a time.
func Build(ctx context.Context, s Server, tell func(Progress)) (string, error) {
	path, err := s.Cached()
	if err != nil || (s.there(path) && s.hasFiles(path)) {
		return path, err
	}
	if s.NPM != "" {
		return path, installNPM(ctx, s, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	// An interrupted build must not look like a finished one, and another may run at the same time.
	half, err := os.MkdirTemp(filepath.Dir(path), "building-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(half)
	b := build{Progress: Progress{Server: s}, tell: tell, flags: []string{"-trimpath", "-tags", s.Tags, "-ldflags", s.LDFlags}}
	if b.dir, err = moduleDir(ctx, s); err != nil {
		return "", err
	}
	there := runs(path)
	if !there {
		if err := b.compile(ctx, filepath.Join(half, "program")); err != nil {
			return "", err
		}
	}
	if err := b.copyFiles(ctx, filepath.Join(half, "files")); err != nil {
		return "", err
	}
	if len(s.Files) > 0 {
		if err := os.RemoveAll(s.FilesDir(path)); err != nil {
			return "", err
		}
		if err := os.Rename(filepath.Join(half, "files"), s.FilesDir(path)); err != nil {
			return "", err
		}
	}
	if there {
		return path, nil
	}
	return path, os.Rename(filepath.Join(half, "program"), path)
}

// hasFiles reports whether a server whose program is at path has its files beside it.
func (s Server) hasFiles(path string) bool {
	for _, f := range s.Files {
		if _, err := os.Stat(filepath.Join(s.FilesDir(path), filepath.Base(f))); err != nil {
			return false
		}
	}
	return true
}

// moduleDir is the directory of a server's module in the checkout that this process runs in.
func moduleDir(ctx context.Context, s Server) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	in := s.In
	if in == "" {
		in = s.Name
	}
	dir := filepath.Join(filepath.Dir(strings.TrimSpace(string(out))), "test", "servers", in)
	pins := "go.mod"
	if s.NPM != "" {
		pins = "package-lock.json"
	}
	if _, err := os.Stat(filepath.Join(dir, pins)); err != nil {
		return "", errors.New("not in a checkout of backout, whose test/servers says what is built: go there first")
	}
	return dir, nil
}

type build struct {
	Progress
	dir   string
	flags []string
	tell  func(Progress)
	last  []string // lines of the compiler that are no progress
}

func (b *build) compile(ctx context.Context, out string) error {
	s := b.Server
	stale := 0
	err := b.run(ctx, slices.Concat([]string{"list", "-deps", "-f", "{{if .Stale}}.{{end}}"}, b.flags, []string{s.Package}), func(string) { stale++ })
	if err != nil {
		return fmt.Errorf("look what %s %s is built of: %w", s.Name, s.Version, err)
	}
	b.Total = max(stale, 1)
	b.say()
	return b.link(ctx, out)
}

// link builds without a look at how much there is to do.
func (b *build) link(ctx context.Context, out string) error {
	s := b.Server
	if err := b.run(ctx, slices.Concat([]string{"build", "-v", "-o", out}, b.flags, []string{s.Package}), nil); err != nil {
		return fmt.Errorf("build %s %s: %w", s.Name, s.Version, err)
	}
	return nil
}

// copyFiles copies what tests need of the module beside its program.
func (b *build) copyFiles(ctx context.Context, to string) error {
	if len(b.Server.Files) == 0 {
		return nil
	}
	var from string
	if err := b.run(ctx, []string{"list", "-m", "-f", "{{.Dir}}", b.Server.Module}, func(line string) { from = line }); err != nil {
		return fmt.Errorf("find the files of %s: %w", b.Server.Module, err)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, f := range b.Server.Files {
		data, err := os.ReadFile(filepath.Join(from, filepath.FromSlash(f)))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(f)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// run runs go in the server's module. out gets each line of its output; what it says beside that is taken as progress.
func (b *build) run(ctx context.Context, args []string, out func(line string)) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its compilers itself
	cmd.WaitDelay = 10 * time.Second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	b.last = nil
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines(stdout, out)
	}()
	lines(stderr, b.heard)
	<-done
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, strings.Join(b.last, "\n"))
	}
	return nil
}

// heard takes a line that go wrote beside its output: a download, a package that is compiled now, or a complaint.
func (b *build) heard(line string) {
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		b.Downloaded++
	case b.Total > 0 && line != "" && !strings.ContainsAny(line, " \t#"):
		b.Done = min(b.Done+1, b.Total)
	default:
		b.last = append(b.last, line)
		b.last = b.last[max(0, len(b.last)-40):]
		return
	}
	b.say()
}

func (b *build) say() {
	if b.tell != nil {
		b.tell(b.Progress)
	}
}

func lines(r io.Reader, each func(string)) {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		if each != nil {
			each(sc.Text())
		}
	}
	_, _ = io.Copy(io.Discard, r) // a line that is too long must not make the program wait
}
