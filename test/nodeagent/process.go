package nodeagent

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// spawner starts processes from one thread that lives as long as it does: on Linux the signal that ends a process with its
// parent comes when the thread ends that started it.
type spawner struct {
	work chan func()
	done chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		defer close(s.done)
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *spawner) close() {
	close(s.work)
	<-s.done
}

// process is one container's. Its standard input ends with the agent.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	ended chan struct{}
	code  int // once it has ended
}

func (s *spawner) start(argv, env []string, dir string, log *os.File) (*process, error) {
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:noctx // stop ends it, with its grace
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, log, log
	cmd.SysProcAttr = withAgent()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	started := make(chan error, 1)
	s.work <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		_ = stdin.Close()
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	p := &process{cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its exit code tells
		killGroup(cmd.Process)
		p.code = cmd.ProcessState.ExitCode()
		if p.code < 0 {
			p.code = 137 // ended by a signal
		}
		close(p.ended)
	}()
	return p, nil
}

// stop asks the process to end, and ends it with what it started when its grace is over or ctx is done.
func (p *process) stop(ctx context.Context, grace time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	askToEnd(p.cmd.Process)
	select {
	case <-p.ended:
	case <-ctx.Done():
		killGroup(p.cmd.Process)
		<-p.ended
	}
	_ = p.stdin.Close()
}
