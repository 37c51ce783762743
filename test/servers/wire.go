package servers

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// Wire is a wire to a server that can be cut, or fall silent.
type Wire struct {
	t      testing.TB
	to     string
	listen net.Listener

	mu     sync.Mutex
	silent bool
	cut    func(commit bool) Fate // asked with each message to the server
	conns  map[net.Conn]bool
	wake   *sync.Cond
}

// Fate is what becomes of a message: it goes on its way, or the connection is cut after it was sent, or before.
type Fate int

// The fates.
const (
	Sent Fate = iota
	CutAfter
	CutBefore
)

// NewWire lays one to an address.
func NewWire(t testing.TB, to string) *Wire {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &Wire{t: t, to: to, listen: l, conns: map[net.Conn]bool{}}
	b.wake = sync.NewCond(&b.mu)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { b.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		b.Hush(false)
		b.CutAll()
		all.Wait()
	})
	return b
}

// Through is a URL with the wire in it.
func (b *Wire) Through(place string) string {
	u, err := url.Parse(place)
	if err != nil {
		b.t.Fatal(err)
	}
	u.Host = b.listen.Addr().String()
	return u.String()
}

// Hush has nothing arrive any more, in either direction, or all of it go on.
func (b *Wire) Hush(silent bool) {
	b.mu.Lock()
	b.silent = silent
	b.mu.Unlock()
	b.wake.Broadcast()
}

// OnCommit has cut asked of each message to the server what becomes of it, and tells it whether that is a COMMIT; nil: all is sent.
func (b *Wire) OnCommit(cut func(commit bool) Fate) {
	b.mu.Lock()
	b.cut = cut
	b.mu.Unlock()
}

// CutAll ends every connection that there is now.
func (b *Wire) CutAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		_ = c.Close()
	}
}

func (b *Wire) serve(client net.Conn) {
	var d net.Dialer
	server, err := d.DialContext(context.WithoutCancel(b.t.Context()), "tcp", b.to)
	if err != nil {
		_ = client.Close()
		return
	}
	b.mu.Lock()
	b.conns[client], b.conns[server] = true, true
	b.mu.Unlock()
	closed := func() {
		_ = client.Close()
		_ = server.Close()
	}
	var both sync.WaitGroup
	both.Go(func() { defer closed(); b.pump(server, client, true) })
	both.Go(func() { defer closed(); b.pump(client, server, false) })
	both.Wait()
	b.mu.Lock()
	delete(b.conns, client)
	delete(b.conns, server)
	b.mu.Unlock()
}

func (b *Wire) pump(to io.Writer, from io.Reader, up bool) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		b.mu.Lock()
		for b.silent {
			b.wake.Wait()
		}
		cut := b.cut
		b.mu.Unlock()
		if n > 0 {
			is := Sent
			if up && cut != nil {
				is = cut(isCommit(buf[:n]))
			}
			if is == CutBefore {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil || is == CutAfter {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// isCommit reports whether a message of the protocol is the simple query "commit".
func isCommit(b []byte) bool { return len(b) > 5 && b[0] == 'Q' && string(b[5:11]) == "commit" }
