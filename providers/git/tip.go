package git

import (
	"context"
	"sync"
)

// tips asks where the branch stands, once for all who want to know at the same time. An answer is only for those who asked
// before the question was sent, so nobody is told of a moment before their own.
type tips struct {
	mu   sync.Mutex
	next *asked        // not sent yet; nil where nobody waits
	turn chan struct{} // one question at a time
}

type asked struct {
	done   chan struct{}
	commit string
	err    error
}

// ask waits for an answer to a question that is sent from now on. The question outlives the one who asked first, because
// others wait for it too; it has a deadline of its own.
func (t *tips) ask(ctx context.Context, send func(context.Context) (string, error)) (string, error) {
	t.mu.Lock()
	a := t.next
	if a == nil {
		a = &asked{done: make(chan struct{})}
		t.next = a
		go t.send(context.WithoutCancel(ctx), a, send)
	}
	t.mu.Unlock()
	select {
	case <-a.done:
		return a.commit, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (t *tips) send(ctx context.Context, a *asked, send func(context.Context) (string, error)) {
	t.turn <- struct{}{}
	t.mu.Lock()
	t.next = nil
	t.mu.Unlock()
	a.commit, a.err = send(ctx)
	<-t.turn
	close(a.done)
}
