package process_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/process"
)

func needUnix(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("these programs are POSIX shell scripts")
	}
}

func sh(script string) process.Program {
	return process.Program{Argv: []string{"/bin/sh", "-c", script}, Env: process.Environ("PATH")}
}

func TestOutputOfAProgramThatEndsWell(t *testing.T) {
	needUnix(t)
	p := sh("cat; echo done")
	p.Stdin = strings.NewReader("in ")
	out, err := p.Run(t.Context())
	if err != nil || string(out) != "in done\n" {
		t.Fatalf("got %q, %v", out, err)
	}
}

func TestTheEnvironmentHoldsOnlyWhatWasNamed(t *testing.T) {
	needUnix(t)
	t.Setenv("BACKOUT_TEST_HIDDEN", "x")
	t.Setenv("BACKOUT_TEST_GIVEN", "y")
	p := process.Program{Argv: []string{"/usr/bin/env"}, Env: process.Environ("BACKOUT_TEST_GIVEN", "BACKOUT_TEST_GIVEN", "BACKOUT_TEST_UNSET")}
	out, err := p.Run(t.Context())
	if err != nil || string(out) != "BACKOUT_TEST_GIVEN=y\n" {
		t.Fatalf("got %q, %v", out, err)
	}
	p.Env = nil
	if out, err = p.Run(t.Context()); err != nil || len(out) != 0 {
		t.Fatalf("no names must be an empty environment, got %q, %v", out, err)
	}
}

func TestAnExitCodeComesWithTheLastWordsAndWithoutSecrets(t *testing.T) {
	needUnix(t)
	p := sh(`echo early >&2; for i in 1 2 3; do echo "line $i" >&2; done; printf '\033[31mbad hunter22\n' >&2; exit 7`)
	p.Mask = []string{"hunter22"}
	_, err := p.Run(t.Context())
	var exit *process.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || exit.Stderr != "line 1; line 2; line 3; bad ***" {
		t.Fatalf("got %v", err)
	}
}

func TestAProgramThatIsNotThereNeverStarted(t *testing.T) {
	_, err := process.Program{Argv: []string{filepath.Join(t.TempDir(), "none")}}.Run(t.Context())
	var start *process.StartError
	if !errors.As(err, &start) {
		t.Fatalf("got %v", err)
	}
}

func TestTooMuchOutputEndsTheProgram(t *testing.T) {
	needUnix(t)
	p := sh("while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")
	p.MaxOutput = 1 << 16
	out, err := p.Run(t.Context())
	if !errors.Is(err, process.ErrTooMuch) || len(out) > 1<<16 {
		t.Fatalf("got %d bytes, %v", len(out), err)
	}
}

func TestAReaderThatHasEnoughEndsTheProgram(t *testing.T) {
	needUnix(t)
	enough := errors.New("enough")
	err := sh("yes").Stream(t.Context(), func(r io.Reader) error {
		_, _ = r.Read(make([]byte, 10))
		return enough
	})
	if !errors.Is(err, enough) {
		t.Fatalf("got %v", err)
	}
}

// The grandchild writes its own id and would sleep for minutes; after the cancellation it must be gone.
func TestChildrenDieWithTheProgram(t *testing.T) {
	needUnix(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var pid int
	err := sh("sh -c 'echo $$; exec sleep 300' & wait").Stream(ctx, func(r io.Reader) error {
		b := make([]byte, 32)
		n, err := r.Read(b)
		if err != nil {
			return err
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b[:n])))
		cancel()
		return err
	})
	if !errors.Is(err, context.Canceled) || pid == 0 {
		t.Fatalf("pid %d, %v", pid, err)
	}
	for alive(pid) {
		if t.Context().Err() != nil {
			t.Fatal("the grandchild lives on")
		}
		time.Sleep(time.Millisecond) // a zombie until its new parent reaps it
	}
}

// alive is false for a process that is gone and for one that only waits to be reaped.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil || p.Signal(syscall.Signal(0)) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

func TestAChildThatLeftTheGroupCannotHoldTheCallOpen(t *testing.T) {
	needUnix(t)
	if _, err := os.Stat("/usr/bin/setsid"); err != nil {
		t.Skip("no setsid here")
	}
	p := sh(`setsid sleep 2 & echo ok`)
	out, err := p.Run(t.Context())
	if err != nil || string(out) != "ok\n" {
		t.Fatalf("got %q, %v", out, err)
	}
}

// What a program wrote is there for a reader that takes its time, even if the program ended long before.
func TestASlowReaderGetsEverythingOfAProgramThatHasEnded(t *testing.T) {
	needUnix(t)
	const size = 150_000 // more than the buffers hold, so that the program ends in the middle of the reading
	got := 0
	err := sh("head -c "+strconv.Itoa(size)+" /dev/zero").Stream(t.Context(), func(r io.Reader) error {
		buf := make([]byte, 32<<10)
		for {
			n, err := r.Read(buf)
			got += n
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			<-time.After(80 * time.Millisecond) // longer than a silent pipe is waited for: the reader is what takes time here
		}
	})
	if err != nil || got != size {
		t.Fatalf("read %d bytes of %d, %v", got, size, err)
	}
}
