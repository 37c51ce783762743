package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
)

// process is one running server. It ends with the test, and on Linux also when the test itself is killed.
type process struct {
	name, path, dir string
	addr            string
	args, env       []string                   // env is added to this process's own
	called          string                     // the name it is called by, where that says what it is; empty: name
	well            func(context.Context) bool // whether it is ready; nil: a page that Prometheus and Alertmanager have
	attr            *syscall.SysProcAttr       // how it runs; nil: as this user, and it ends with this process
	cmd             *exec.Cmd
	ended           chan struct{}

	mu   sync.Mutex
	over bool // stop was called
}

// up starts a server on a free loopback port and waits until it says that it is ready. args is called with the address.
func up(t testing.TB, name string, args func(addr string) []string) *process {
	t.Helper()
	p := &process{name: name, path: Need(t, name), dir: t.TempDir()}
	var err error
	for range 3 { // somebody else may take the port between the look and the start
		if p.addr, err = freeAddr(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.args = args(p.addr)
		if err = p.start(t.Context()); err == nil {
			t.Cleanup(p.stop)
			return p
		}
		p.stop()
	}
	t.Fatal(err)
	return nil
}

func (p *process) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(p.dir, p.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	p.cmd = exec.Command(p.path, p.args...) //nolint:noctx // it outlives the start and is stopped by stop
	if p.called != "" {
		p.cmd.Args[0] = p.called
	}
	if p.env != nil {
		p.cmd.Env = append(os.Environ(), p.env...)
	}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, log, log
	if p.cmd.SysProcAttr = p.attr; p.attr == nil {
		p.cmd.SysProcAttr = dieWithParent()
	}
	p.ended = make(chan struct{})
	started := make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan struct{}) {
		// The parent-death signal comes when the thread that started the child ends, so this goroutine keeps its thread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(ended)
		defer log.Close()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}(p.cmd, p.ended)
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.path, err)
	}
	return p.ready(ctx)
}

// keep starts the server again where it ends by itself, as whoever supervises it would, until it is stopped.
func (p *process) keep(ctx context.Context) {
	for again := true; again; {
		<-p.ended
		p.mu.Lock()
		again = !p.over && p.start(ctx) == nil
		p.mu.Unlock()
	}
}

func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended while it started:\n%s", p.name, p.log())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %s:\n%s", p.name, startTimeout, p.log())
		case <-tick.C:
		}
		if p.well != nil {
			if p.well(ctx) {
				return nil
			}
		} else if ok(ctx, http.DefaultClient, "http://"+p.addr+"/-/ready") {
			return nil
		}
	}
}

func ok(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	req.Close = true // no idle connection may outlive the test
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK
}

// stop ends the server: politely, and after a while for good.
func (p *process) stop() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		_ = p.cmd.Process.Kill() // no interrupts on this system
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// log is the end of what the server wrote.
func (p *process) log() string {
	b, err := os.ReadFile(filepath.Join(p.dir, p.name+".log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

func freeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// kill ends the server as a crash would.
func (p *process) kill() {
	if p.cmd != nil && p.cmd.Process != nil {
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}
