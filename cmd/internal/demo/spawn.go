package demo

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

// ChildCommand is the name of the hidden command that a child process is started with; its arguments go to [Child].
const ChildCommand = "demo-child"

// How long a child may take to be reachable, and to end by itself once its standard input has ended.
const (
	startDeadline = 10 * time.Second
	stopDeadline  = 2 * time.Second
)

// Child is a process of the demo. It ends when ctx is done or when its standard input ends; the one that sweeps up, only
// after the latter.
func Child(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == sweepCommand {
		return sweep(args[1], args[2] == sweepWhole, os.Stdin)
	}
	if len(args) > 0 {
		switch args[0] {
		case deployCommand:
			return deploy(args[1:])
		case keeperCommand:
			return shop.Keeper(args[1:])
		}
	}
	// A key press that interrupts the console must not take the shop down before the console has decided what to do.
	signal.Ignore(os.Interrupt, syscall.SIGHUP)
	return shop.Run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
}

// spawner starts children, all from one thread that lives as long as it does: on Linux the signal that ends a child with
// its parent is sent when the thread ends that started it, not when the process does.
type spawner struct {
	self string
	logs string
	work chan func()
	done chan struct{}
}

func newSpawner(self, logs string) *spawner {
	s := &spawner{self: self, logs: logs, work: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		defer close(s.done)
		for f := range s.work {
			f()
		}
	}()
	return s
}

// close ends the thread, and with it on Linux every child that is left.
func (s *spawner) close() {
	close(s.work)
	<-s.done
}

// child is one process of the shop.
type child struct {
	name  string
	args  []string // without the address
	addr  string
	cmd   *exec.Cmd
	stdin io.WriteCloser // its end is what tells the child to end
	done  chan struct{}

	patience time.Duration // how long it may take to end; zero: stopDeadline
}

// run starts a program on the spawner's thread.
func (s *spawner) run(cmd *exec.Cmd) error {
	started := make(chan error, 1)
	s.work <- func() { started <- cmd.Start() }
	return <-started
}

// start starts c at addr and waits until it can be reached.
func (s *spawner) start(ctx context.Context, c *child, addr string) error {
	log, err := os.OpenFile(filepath.Join(s.logs, c.name+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	defer func() { _ = log.Close() }()
	// A child lives until it is told to end, whatever becomes of the context in which it was started.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), s.self, slices.Concat([]string{ChildCommand}, c.args, []string{"--addr", addr})...)
	cmd.Env = childEnv(os.Environ())
	cmd.Stderr = log
	bindToParent(cmd)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	if err := s.run(cmd); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	c.cmd, c.stdin, c.done = cmd, stdin, make(chan struct{})
	first := c.follow(stdout)
	ctx, cancel := context.WithTimeout(ctx, startDeadline)
	defer cancel()
	select {
	case line := <-first:
		var r shop.Ready
		if json.Unmarshal(line, &r) == nil {
			c.addr = r.Addr
			return nil
		}
		err = errors.New("it ended at once")
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.kill()
	return fmt.Errorf("start %s: %w; its log is %s", c.name, err, log.Name())
}

// follow gives the first line that the child writes, or ends without one, and waits for the child's end.
func (c *child) follow(stdout io.Reader) <-chan []byte {
	first := make(chan []byte, 1)
	go func() {
		defer close(c.done)
		defer close(first)
		in := bufio.NewReader(stdout)
		if line, err := in.ReadBytes('\n'); err == nil {
			first <- line
		}
		_, _ = io.Copy(io.Discard, in) // reads to the end, as Wait asks for
		_ = c.cmd.Wait()
	}()
	return first
}

// stop tells the child to end and ends it by force if it does not.
func (c *child) stop() {
	if c.cmd == nil {
		return
	}
	_ = c.stdin.Close()
	t := time.NewTimer(cmp.Or(c.patience, stopDeadline))
	defer t.Stop()
	select {
	case <-c.done:
	case <-t.C:
		c.kill()
	}
}

// kill ends the child at once.
func (c *child) kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill()
	<-c.done
}

// childEnv is the little that a child needs to run at all; it has no business with the user's settings and secrets.
func childEnv(environ []string) []string {
	var out []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch strings.ToUpper(name) {
		case "PATH", "SYSTEMROOT", "TMPDIR", "TMP", "TEMP", "GOCOVERDIR", "LD_LIBRARY_PATH":
			out = append(out, kv)
		}
	}
	return out
}
