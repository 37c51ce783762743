package store_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/test/servers"
)

// A URL that is mistyped is no new file beside the shared record, and what it holds is not repeated.
func TestWhatIsNeitherAFileNorAServer(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, place := range []string{
		"postgress://ana@db/oncall", "mysql://ana:hunter2@db/oncall", "file:///srv/backout.db", "host=db user=ana password=hunter2", "dbname=oncall", "service=oncall",
	} {
		if store.IsFile(place) {
			t.Errorf("%s: taken for a file", place)
		}
		db, err := store.Open(t.Context(), place, store.Options{})
		if !errors.Is(err, store.ErrPlace) {
			t.Errorf("%s: %v, %v", place, db, err)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("it tells the password: %v", err)
		}
	}
	if made, err := os.ReadDir("."); err != nil || len(made) > 0 {
		t.Errorf("it made %v (%v)", made, err)
	}
	for _, place := range []string{"backout.db", "/srv/host=db/backout.db", "./service=oncall"} {
		if !store.IsFile(place) {
			t.Errorf("%s: not taken for a file", place)
		}
	}
}

// secured answers a PostgreSQL client's question for TLS: with a certificate that nobody vouches for, or with no. What comes after that
// goes to another server, where there is one, until it is cut.
func secured(t *testing.T, answer byte, to string) (addr string, cut func()) {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate
	t.Cleanup(web.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var mu sync.Mutex
	var open []*net.TCPConn
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn.(*net.TCPConn))
			mu.Unlock()
			go secure(t, conn, answer, web.TLS, to)
		}
	}()
	return l.Addr().String(), func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			_ = c.SetLinger(0) // the other end learns it at once
			_ = c.Close()
		}
	}
}

func secure(t *testing.T, conn net.Conn, answer byte, with *tls.Config, to string) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil {
		return
	}
	if _, err := conn.Write([]byte{answer}); err != nil || answer != 'S' {
		return
	}
	in := tls.Server(conn, with)
	if in.HandshakeContext(t.Context()) != nil {
		return
	}
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(out, in) }()
	_, _ = io.Copy(in, out)
}

// A server that is there and cannot be trusted is not one that does not answer: nobody waits for it.
func TestAServerThatIsNotTrusted(t *testing.T) {
	for answer, says := range map[byte]string{'S': "certificate", 'N': "refused TLS"} {
		addr, _ := secured(t, answer, "")
		_, err := store.Open(t.Context(), "postgres://ana@"+addr+"/oncall?sslmode=verify-full", store.Options{})
		if !errors.Is(err, store.ErrTLS) || errors.Is(err, store.ErrAway) || !strings.Contains(err.Error(), says) {
			t.Errorf("%c: %v", answer, err)
		}
	}
}

// Where there are several servers, all of them are named: the first one need not be the one that answers.
func TestSeveralServersAreNamed(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	place := g.Create(t, "b")
	db := openAt(t, strings.Replace(place, g.Addr, "127.0.0.1:1,"+g.Addr, 1), store.Options{})
	if want := "127.0.0.1:1," + g.Addr; !strings.Contains(db.Path(), want) {
		t.Errorf("%s does not name %s", db.Path(), want)
	}
}

// That a connection was lost after everything was acknowledged fails nothing: an error of the end would make a run that
// succeeded one that failed.
func TestALostConnectionDoesNotFailTheEnd(t *testing.T) {
	t.Parallel()
	g := servers.StartPostgres(t)
	addr, cut := secured(t, 'S', g.Addr)
	place := strings.Replace(g.Create(t, "b"), g.Addr, addr, 1)
	db, err := store.Open(t.Context(), strings.Replace(place, "sslmode=disable", "sslmode=require", 1), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := append1(t.Context(), db, "acknowledged"); err != nil {
		t.Fatal(err)
	}
	cut()
	if err := db.Close(); err != nil {
		t.Errorf("the end: %v", err)
	}
}
