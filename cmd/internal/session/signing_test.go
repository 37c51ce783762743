package session

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh/agent"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/policy"
)

// openssh runs a program of OpenSSH.
func openssh(t *testing.T, sock, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: " + name + " is not here")
	}
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+sock, "SSH_ASKPASS=false", "SSH_ASKPASS_REQUIRE=force")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// startAgent starts the agent of OpenSSH.
func startAgent(t *testing.T) (sock string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "a") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	sock = filepath.Join(dir, "s")
	openssh(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "probe"))
	cmd := exec.CommandContext(t.Context(), "ssh-agent", "-D", "-a", sock)
	cmd.Stdout = io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, "an agent", func() bool {
		conn, err := net.Dial("unix", sock)
		if err != nil {
			return false
		}
		_, err = agent.NewClient(conn).List()
		return errors.Join(err, conn.Close()) == nil
	})
	return sock
}

func signingSession(t *testing.T, dir, key, sock string) *Session {
	t.Helper()
	s, err := Open(t.Context(), Options{
		Config: &config.Config{Files: []string{"backout.yaml"}, Ledger: config.Ledger{SigningKey: key}}, Registry: &providers.Registry{},
		Dir: dir, StateDir: dir, CacheDir: dir, Principal: policy.Principal{ID: "ana", Kind: policy.Human}, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), AuthSock: sock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noted writes a note and closes the session; it returns why the entry is unsigned.
func noted(t *testing.T, s *Session) error {
	t.Helper()
	if err := s.Note(t.Context(), "", "x"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, why := s.Signing()
	return why
}

func unsigned(t *testing.T, dir string) string {
	t.Helper()
	s := signingSession(t, dir, "", "")
	defer s.Close()
	r, err := s.DB.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.DB.VerifySignatures(t.Context(), nil, 0, &r)
	if err != nil || !r.OK {
		t.Fatalf("%v %+v", err, r)
	}
	return out.Unsigned.Text()
}

func TestEntriesAreSignedByTheAgent(t *testing.T) {
	sock, dir := startAgent(t), t.TempDir()
	key := filepath.Join(dir, "key")
	openssh(t, "", "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", key)
	if why := noted(t, signingSession(t, dir, key+".pub", sock)); why == nil || !strings.Contains(why.Error(), "does not hold it") {
		t.Errorf("without the key: %v", why)
	}
	openssh(t, sock, "ssh-add", "-q", "-c", key)
	if why := noted(t, signingSession(t, dir, key+".pub", sock)); why == nil || !strings.Contains(why.Error(), "sign with SHA256:") {
		t.Errorf("a key that somebody has to confirm: %v", why)
	}
	openssh(t, sock, "ssh-add", "-q", "-D")
	openssh(t, sock, "ssh-add", "-q", key)
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if why := noted(t, signingSession(t, dir, key+".pub", sock)); why != nil {
		t.Error(why)
	}
	if got := unsigned(t, dir); got != "1-2" {
		t.Errorf("unsigned are %s", got)
	}
	s := signingSession(t, dir, key+".pub", sock)
	if n, err := s.SignMine(t.Context()); n != 2 || err != nil {
		t.Errorf("signed later: %d %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := unsigned(t, dir); got != "" {
		t.Errorf("unsigned are %s", got)
	}
}

func TestEntriesAreSignedByAFile(t *testing.T) {
	dir := t.TempDir()
	key, locked := filepath.Join(dir, "key"), filepath.Join(dir, "locked")
	openssh(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	openssh(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked)
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ key, why string }{
		{key, ""},
		{key + ".pub", "SSH_AUTH_SOCK is not set"},
		{locked, "SSH_AUTH_SOCK is not set"},
		{filepath.Join(dir, "nothing"), "no such file"},
		{filepath.Join(dir, "backout.db"), "too large"},
		{other, "no SSH key"},
	} {
		why := noted(t, signingSession(t, dir, c.key, ""))
		if (why == nil) != (c.why == "") || (why != nil && !strings.Contains(why.Error(), c.why)) {
			t.Errorf("%s: %v", c.key, why)
		}
	}
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	if why := noted(t, signingSession(t, dir, key, "")); why == nil || !strings.Contains(why.Error(), "chmod") {
		t.Errorf("a key that others may read: %v", why)
	}
	if got := unsigned(t, dir); got != "2-7" {
		t.Errorf("unsigned are %s", got)
	}
}

// An agent that waits for somebody to touch a key, and nobody does. The one of OpenSSH answers at once that nobody confirmed
// where no terminal is, so it is a socket that takes everything and says nothing.
func TestAnAgentThatWaitsForSomebodyHoldsUpNothing(t *testing.T) {
	dir, err := os.MkdirTemp("", "a")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	silent, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	held := make(chan net.Conn, 1)
	go func() {
		conn, err := silent.Accept()
		if err == nil {
			held <- conn
		}
	}()
	key := filepath.Join(dir, "key")
	openssh(t, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
	s := signingSession(t, dir, key+".pub", silent.Addr().String())
	for range 3 {
		if err := s.Note(t.Context(), "", "x"); err != nil {
			t.Fatal(err)
		}
	}
	conn := <-held // it is being asked, and does not answer
	if n, why := s.Signing(); n != 3 || why != nil {
		t.Errorf("%d wait to be signed, and nothing gave up yet (%v)", n, why)
	}
	if entries, err := s.DB.Entries(t.Context(), 0, 0); err != nil || len(entries) != 3 {
		t.Errorf("%+v %v", entries, err)
	}
	if err := errors.Join(silent.Close(), conn.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	if n, why := s.Signing(); n != 3 || why == nil {
		t.Errorf("%d are unsigned: %v", n, why)
	}
	if got := unsigned(t, dir); got != "1-3" {
		t.Errorf("unsigned are %s", got)
	}
}
