package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/servers"
)

// between is a wire to a server that can be cut, or fall silent.
type between struct {
	t      *testing.T
	to     string
	listen net.Listener

	mu     sync.Mutex
	silent bool
	cut    func(commit bool) fate // asked with each message to the server
	conns  map[net.Conn]bool
	wake   *sync.Cond
}

// fate is what becomes of a message: it goes on its way, or the connection is cut after it was sent, or before.
type fate int

const (
	sent fate = iota
	cutAfter
	cutBefore
)

func newBetween(t *testing.T, to string) *between {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &between{t: t, to: to, listen: l, conns: map[net.Conn]bool{}}
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
		b.hush(false)
		b.cutAll()
		all.Wait()
	})
	return b
}

// through is a URL with the wire in it.
func (b *between) through(place string) string {
	u, err := url.Parse(place)
	if err != nil {
		b.t.Fatal(err)
	}
	u.Host = b.listen.Addr().String()
	return u.String()
}

func (b *between) hush(silent bool) {
	b.mu.Lock()
	b.silent = silent
	b.mu.Unlock()
	b.wake.Broadcast()
}

func (b *between) onCommit(cut func(commit bool) fate) {
	b.mu.Lock()
	b.cut = cut
	b.mu.Unlock()
}

func (b *between) cutAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		_ = c.Close()
	}
}

func (b *between) serve(client net.Conn) {
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

func (b *between) pump(to io.Writer, from io.Reader, up bool) {
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
			is := sent
			if up && cut != nil {
				is = cut(isCommit(buf[:n]))
			}
			if is == cutBefore {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil || is == cutAfter {
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

func append1(ctx context.Context, db *store.DB, text string) error {
	return db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Text: text}, nil)
		return err
	})
}

// The connection is lost as the commit is sent: the server did it, or not, and nobody says so. What became of it is looked up, so that what
// is reported as written is there once, and what is reported as not written is not there.
func TestALostCommitIsLookedUp(t *testing.T) {
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	wire := newBetween(t, g.Addr)
	direct, db := openAt(t, place, store.Options{}), openAt(t, wire.through(place), store.Options{})
	want := map[string]bool{}
	lost := 0
	for n := range 20 {
		text := fmt.Sprint("entry ", n)
		var once sync.Once
		wire.onCommit(func(commit bool) (is fate) {
			if commit {
				once.Do(func() { is, lost = []fate{cutAfter, cutBefore}[n%2], lost+1 })
			}
			return is
		})
		if err := append1(t.Context(), db, text); err == nil {
			want[text] = true
		} else if errors.Is(err, store.ErrUncertain) {
			t.Errorf("%s: the server is there, and it was not looked up: %v", text, err)
		}
	}
	wire.onCommit(nil)
	if lost != 20 || len(want) == 0 || len(want) == 20 {
		t.Errorf("%d commits were lost, %d entries acknowledged: not both were put to the test", lost, len(want))
	}
	var have []string
	for e, err := range direct.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, e.Text)
		if !want[e.Text] {
			t.Errorf("%q is there, and was reported as not written", e.Text)
		}
	}
	if len(have) != len(want) {
		t.Errorf("%d are there, %d were acknowledged: %v", len(have), len(want), have)
	}
	if r, err := direct.Verify(t.Context()); err != nil || !r.OK {
		t.Errorf("%+v %v", r, err)
	}
}

// A server that is ended and comes back is waited for where nothing was begun; one that falls silent is not waited for for ever, and
// neither is its turn that a silent client holds.
func TestAServerThatGoesAndComesBack(t *testing.T) {
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	db := openAt(t, place, store.Options{})
	if err := append1(t.Context(), db, "before"); err != nil {
		t.Fatal(err)
	}
	g.Kill()
	began := make(chan struct{})
	done := make(chan error)
	go func() {
		close(began)
		done <- append1(t.Context(), db, "while it is away")
	}()
	<-began
	g.Start(t)
	if err := <-done; err != nil {
		t.Errorf("it came back in time: %v", err)
	}
	wire := newBetween(t, g.Addr)
	far := openAt(t, wire.through(place), store.Options{})
	if err := append1(t.Context(), far, "through the wire"); err != nil {
		t.Fatal(err)
	}
	err := far.Update(t.Context(), func(tx *store.Tx) error { // it has the turn, and is cut off
		wire.hush(true)
		started := time.Now()
		_, err := tx.Append(ledger.Entry{Kind: ledger.KindNote, Text: "lost"}, nil)
		if took := time.Since(started); took > 20*time.Second {
			t.Errorf("waited %s for an answer", took)
		}
		return err
	})
	if !errors.Is(err, store.ErrAway) {
		t.Errorf("a server that fell silent: %v", err)
	}
	if err := append1(t.Context(), db, "after"); err != nil {
		t.Errorf("the turn of a client that is cut off was not given on: %v", err)
	}
	wire.hush(false)
	if err := append1(t.Context(), far, "healed"); err != nil {
		t.Errorf("the partition is over: %v", err)
	}
	if r, err := db.Verify(t.Context()); err != nil || !r.OK || r.Entries != 5 {
		t.Errorf("%+v %v", r, err)
	}
}

// Two consoles, one of which is two minutes ahead, see one lease alike, and none takes it before it ends.
func TestClocksThatAreWrong(t *testing.T) {
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	const off = 2 * time.Minute
	right := openAt(t, place, store.Options{})
	for name, skew := range map[string]time.Duration{"ahead": off, "behind": -off} {
		now := func() time.Time { return time.Now().Add(skew) }
		wrong := openAt(t, place, store.Options{Now: now})
		for _, c := range []struct {
			a, b       *store.DB
			aNow, bNow func() time.Time
		}{{right, wrong, time.Now, now}, {wrong, right, now, time.Now}} {
			r := claimed(t, right)
			if err := acquire(t.Context(), c.a, r, "a:1", c.aNow().Add(30*time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := acquire(t.Context(), c.b, r, "b:1", c.bNow().Add(30*time.Second)); !errors.Is(err, store.ErrHeld) {
				t.Errorf("%s: a lease of 30 s was taken at once: %v", name, err)
			}
			seen, err := c.b.Run(t.Context(), r)
			if err != nil || len(seen.Leases) != 1 {
				t.Fatalf("%+v %v", seen.Leases, err)
			}
			if left := seen.Leases[0].Expires.Sub(c.bNow()); left < 20*time.Second || left > 40*time.Second {
				t.Errorf("%s: seen to last %s more", name, left)
			}
			if err := acquire(t.Context(), c.a, r, "a:1", c.aNow().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := acquire(t.Context(), c.b, r, "b:1", c.bNow().Add(30*time.Second)); err != nil {
				t.Errorf("%s: an expired lease: %v", name, err)
			}
		}
	}
}

func claimed(t *testing.T, db *store.DB) string {
	t.Helper()
	var r store.Run
	err := db.Update(t.Context(), func(tx *store.Tx) error {
		head, err := tx.Head()
		if err != nil {
			return err
		}
		r = store.Run{Op: fmt.Sprint("op", time.Now().UnixNano(), head.Seq), PlanHash: "h", Plan: []byte("{}"), Confirmation: []byte("{}"), State: "confirmed", StartedAt: time.Now()}
		if err := tx.CreateRun(&r); err != nil {
			return err
		}
		return tx.Claim(r.ID, []string{"u:" + r.ID})
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func acquire(ctx context.Context, db *store.DB, run, holder string, until time.Time) error {
	return db.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.Acquire(run, holder, until, nil)
		return err
	})
}
