package process

import (
	"context"
	"errors"
	"io"
	"os"
	osexec "os/exec"
	"sync/atomic"
	"time"
)

// outlet is the reading end of a program's standard output. A program may have ended long before its output was read,
// so its end alone must not cut anything off. What does end the reading is a pipe that stays silent although the
// program is gone: then only a child that it left behind holds the other end.
type outlet struct {
	from   *os.File
	exited atomic.Bool
}

// silences in a row, each a part of waitDelay, so that a busy machine that let one pass unused costs no output.
const silences = 3

func (o *outlet) Read(b []byte) (int, error) {
	for silent := 0; ; {
		gone := o.exited.Load()
		if gone {
			_ = o.from.SetReadDeadline(time.Now().Add(waitDelay / silences))
		}
		n, err := o.from.Read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if gone {
			silent++
		}
		if silent >= silences {
			return 0, io.EOF
		}
	}
}

// end says that the program is gone, and wakes a read that waits.
func (o *outlet) end() {
	o.exited.Store(true)
	if err := o.from.SetReadDeadline(time.Now().Add(waitDelay / silences)); errors.Is(err, os.ErrNoDeadline) {
		time.AfterFunc(waitDelay, func() { _ = o.from.Close() }) // a system without deadlines on pipes
	}
}

// wait passes the output on until the program has ended and all of it was read, or until nobody wants it any more.
func wait(run context.Context, cmd *osexec.Cmd, o *outlet, out io.Writer, pw *io.PipeWriter) error {
	copied := make(chan struct{})
	go func() {
		_, _ = io.Copy(out, o)
		close(copied)
	}()
	err := cmd.Wait()
	o.end()
	select {
	case <-copied:
	case <-run.Done():
		_ = pw.Close()
		_ = o.from.Close()
		<-copied
	}
	return err
}
