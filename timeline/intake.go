package timeline

import (
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	intakeDelay = 30 * time.Millisecond // how long an event may wait for others
	intakeMax   = 512
)

// intake puts the events of one call into the store together: one by one, each would make a snapshot of its own. None
// waits longer than intakeDelay, also when the provider says nothing more.
type intake struct {
	l     *line
	live  bool // what comes is news, not an answer
	mu    sync.Mutex
	buf   []providers.Event
	timer *time.Timer
}

func (l *line) intake(live bool) *intake { return &intake{l: l, live: live} }

func (in *intake) add(ev providers.Event) {
	if in.live {
		if k, ok := keyOf(in.l.name, &ev); ok {
			in.l.reads.hear(k, ev)
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.buf = append(in.buf, ev)
	if len(in.buf) >= intakeMax {
		in.flush()
		return
	}
	if in.timer == nil {
		in.timer = time.AfterFunc(intakeDelay, func() {
			in.mu.Lock()
			defer in.mu.Unlock()
			in.flush()
		})
	}
}

func (in *intake) flush() {
	if in.timer != nil {
		in.timer.Stop()
		in.timer = nil
	}
	if len(in.buf) == 0 {
		return
	}
	if in.live {
		in.l.feed.store.Put(in.l.name, in.buf...)
	} else {
		in.l.reads.put(in.l.feed.store, in.l.name, in.buf)
	}
	in.buf = nil
}

// close puts what still waits into the store. More may come afterwards.
func (in *intake) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.flush()
}
