//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/creack/pty"
)

// program builds backout as a user would and gives the path of the executable.
func program(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "backout")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/backout-dev/backout/cmd/backout").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build backout (run this inside the module): %w\n%s", err, out)
	}
	return path, nil
}

// terminal is a program in a pseudo-terminal, with all that it wrote and when.
type terminal struct {
	cmd   *exec.Cmd
	tty   *os.File
	start time.Time

	mu    sync.Mutex
	out   []byte
	reads []read
	more  chan struct{} // closed and made anew whenever something came
	ended error         // why nothing comes any more
}

// read is one piece of output: when it was there, and how much had come in all.
type read struct {
	at  time.Time
	end int
}

// run starts the program with home as its home, working directory and place for all it keeps.
func run(ctx context.Context, program, home string, args ...string) (*terminal, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = home
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "XDG_STATE_HOME=" + home, "XDG_CACHE_HOME=" + home,
		"TERM=xterm-256color", "LANG=C.UTF-8", "TZ=UTC",
	}
	t := &terminal{cmd: cmd, start: time.Now(), more: make(chan struct{})}
	var err error
	if t.tty, err = pty.StartWithSize(cmd, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
		return nil, fmt.Errorf("start backout in a terminal: %w", err)
	}
	go t.read()
	return t, nil
}

func (t *terminal) read() {
	buf := make([]byte, 64<<10)
	for {
		n, err := t.tty.Read(buf)
		now := time.Now()
		t.mu.Lock()
		if n > 0 {
			t.out = append(t.out, buf[:n]...)
			t.reads = append(t.reads, read{now, len(t.out)})
		}
		t.ended = err
		close(t.more)
		t.more = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// written is how much has come so far.
func (t *terminal) written() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.out)
}

// after waits for the first output behind the offset, and says when it came.
func (t *terminal) after(ctx context.Context, offset int) (time.Time, error) {
	return t.until(ctx, "any output", func() (time.Time, bool) {
		for _, r := range t.reads {
			if r.end > offset {
				return r.at, true
			}
		}
		return time.Time{}, false
	})
}

// text waits until the output behind the offset holds the text, and says when it was complete.
func (t *terminal) text(ctx context.Context, offset int, text string) (time.Time, error) {
	return t.until(ctx, fmt.Sprintf("%q", text), func() (time.Time, bool) {
		i := bytes.Index(t.out[offset:], []byte(text))
		if i < 0 {
			return time.Time{}, false
		}
		for _, r := range t.reads {
			if r.end >= offset+i+len(text) {
				return r.at, true
			}
		}
		return time.Time{}, false
	})
}

// until waits for found, which is asked whenever something came.
func (t *terminal) until(ctx context.Context, what string, found func() (time.Time, bool)) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		t.mu.Lock()
		at, ok := found()
		more, ended := t.more, t.ended
		t.mu.Unlock()
		switch {
		case ok:
			return at, nil
		case ended != nil:
			return at, fmt.Errorf("backout ended before it wrote %s: %.300q", what, t.out)
		}
		select {
		case <-more:
		case <-ctx.Done():
			return at, fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
	}
}

// quiet waits until nothing came for so long.
func (t *terminal) quiet(ctx context.Context, span time.Duration) error {
	deadline := time.Now().Add(time.Minute)
	for {
		before := t.written()
		if err := sleep(ctx, span); err != nil {
			return err
		}
		if t.written() == before {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the console is never quiet for %s", span)
		}
	}
}

// press types one key.
func (t *terminal) press(key string) error {
	_, err := t.tty.WriteString(key)
	return err
}

// stop kills the program and waits for its end.
func (t *terminal) stop() error {
	_ = t.cmd.Process.Kill() // it may have ended by itself
	err := t.cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil // that it was killed is no news
	}
	return errors.Join(err, t.tty.Close())
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
