package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// postgresUser is who runs PostgreSQL where this process is root, which it refuses to be run by. Its packages make that user.
const postgresUser = "postgres"

// Postgres is a running PostgreSQL whose data go with the test. It trusts whoever connects from this machine, and syncs
// nothing to the disk: what it acknowledged survives the end of its processes, not that of the machine.
type Postgres struct {
	Addr string // host:port
	bin  string
	p    *process
}

// StartPostgres starts one for the test, with the programs of the system's package.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	bin, err := postgresBin()
	if err != nil {
		lacks(t, err)
	}
	dir, attr, err := postgresHome()
	if err != nil {
		lacks(t, err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	if out, err := command(t.Context(), dir, attr, filepath.Join(bin, "initdb"), "-D", data, "-A", "trust", "-U", postgresUser, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"); err != nil {
		t.Fatalf("make a place for PostgreSQL: %v\n%s", err, out)
	}
	g := &Postgres{bin: bin}
	for range 3 { // somebody else may take the port between the look and the start
		if g.Addr, err = freeAddr(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.p = &process{name: "postgres", path: filepath.Join(bin, "postgres"), dir: dir, addr: g.Addr, attr: attr, well: g.ready}
		host, port, _ := net.SplitHostPort(g.Addr)
		g.p.args = []string{
			"-D", data, "-h", host, "-p", port, "-k", dir, "-c", "fsync=off",
			"-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "timezone=UTC",
		}
		if err = g.p.start(t.Context()); err == nil {
			t.Cleanup(g.p.stop)
			return g
		}
		g.p.stop()
	}
	t.Fatal(err)
	return nil
}

// URL is how to reach a database of it.
func (g *Postgres) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(postgresUser), Host: g.Addr, Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// Create makes an empty database and gives its URL.
func (g *Postgres) Create(t testing.TB, database string) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(g.Addr)
	if out, err := command(t.Context(), g.p.dir, nil, filepath.Join(g.bin, "createdb"), "-h", host, "-p", port, "-U", postgresUser, database); err != nil {
		t.Fatalf("create the database %s: %v\n%s", database, err, out)
	}
	return g.URL(database)
}

// Standby starts a server that follows this one, and can be promoted when it is no more.
func (g *Postgres) Standby(t testing.TB) *Postgres {
	t.Helper()
	dir, attr, err := postgresHome()
	if err != nil {
		lacks(t, err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	data := filepath.Join(dir, "data")
	host, port, _ := net.SplitHostPort(g.Addr)
	if out, err := command(t.Context(), dir, attr, filepath.Join(g.bin, "pg_basebackup"), "-D", data, "-h", host, "-p", port, "-U", postgresUser, "-R", "-c", "fast", "--no-sync"); err != nil {
		t.Fatalf("make a standby of PostgreSQL: %v\n%s", err, out)
	}
	s := &Postgres{bin: g.bin}
	if s.Addr, err = freeAddr(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.p = &process{name: "standby", path: g.p.path, dir: dir, addr: s.Addr, attr: attr, well: s.ready}
	host, port, _ = net.SplitHostPort(s.Addr)
	s.p.args = []string{"-D", data, "-h", host, "-p", port, "-k", dir, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=32MB", "-c", "timezone=UTC"}
	if err := s.p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.p.stop)
	return s
}

// Promote makes a primary of a standby.
func (g *Postgres) Promote(t testing.TB) {
	t.Helper()
	if out, err := command(t.Context(), g.p.dir, g.p.attr, filepath.Join(g.bin, "pg_ctl"), "promote", "-w", "-D", filepath.Join(g.p.dir, "data")); err != nil {
		t.Fatalf("promote the standby: %v\n%s", err, out)
	}
}

// Stop ends it in order: who is connected is cut off.
func (g *Postgres) Stop() { g.p.stop() }

// Kill ends it and all of its processes at once: nothing is finished or written first, and the next start recovers.
func (g *Postgres) Kill() {
	// Its children are in sessions of their own. Killed with its parent alone, one could outlive it, and keep it from starting.
	if err := g.p.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		g.p.kill()
		return
	}
	<-g.p.ended
}

// Start starts it again after Stop or Kill, at the same address and with what it held.
func (g *Postgres) Start(t testing.TB) {
	t.Helper()
	if err := g.p.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (g *Postgres) ready(ctx context.Context) bool {
	host, port, _ := net.SplitHostPort(g.Addr)
	_, err := command(ctx, g.p.dir, nil, filepath.Join(g.bin, "pg_isready"), "-q", "-h", host, "-p", port, "-U", postgresUser, "-d", "postgres")
	return err == nil
}

// postgresBin finds the directory of PostgreSQL's programs: those for its server are not on the PATH of Debian.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		// It may be a link, or somebody's script, with nothing beside it.
		if path, err = filepath.EvalSymlinks(path); err == nil && runs(filepath.Join(filepath.Dir(path), "postgres")) {
			return filepath.Dir(path), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed: install the package postgresql")
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return versionIn(a) - versionIn(b) })
	return filepath.Dir(newest), nil
}

var numbers = regexp.MustCompile(`\d+`)

func versionIn(path string) int {
	n, _ := strconv.Atoi(numbers.FindString(path)) // none is 0
	return n
}

// postgresHome makes a directory that whoever runs PostgreSQL can reach, which the directories of a test of root's are not,
// and says how to run as that user; nil is as this one.
func postgresHome() (dir string, attr *syscall.SysProcAttr, err error) {
	if dir, err = os.MkdirTemp("", "backout-postgres-*"); err != nil || os.Geteuid() != 0 {
		return dir, nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	u, err := user.Lookup(postgresUser)
	if err != nil {
		return "", nil, fmt.Errorf("PostgreSQL does not run as root: %w; install the package postgresql, which makes that user", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return "", nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return "", nil, err
	}
	return dir, asUser(uint32(uid), uint32(gid)), nil
}

// command runs a program to its end and gives what it said.
func command(ctx context.Context, dir string, attr *syscall.SysProcAttr, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.SysProcAttr = dir, attr
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}
