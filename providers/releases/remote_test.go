//go:build unix

package releases

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

// sshd is a real server on the loopback with keys of its own.
type sshd struct {
	dir  string
	args []string // for ssh
	user string
}

func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", program))
	}
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not here, and CI must not skip: %v", program, err)
	default:
		t.Skipf("SKIPPED: %s is not here (install openssh-server)", program)
	}
	return path
}

func startSSHD(t *testing.T) *sshd {
	t.Helper()
	server, keygen := need(t, "sshd"), need(t, "ssh-keygen")
	need(t, "ssh")
	dir := t.TempDir()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if me.Uid == "0" { // sshd wants its empty directory when it runs as root
		_ = os.MkdirAll("/run/sshd", 0o755)
	}
	for _, key := range []string{"host", "user"} {
		if out, err := exec.CommandContext(t.Context(), keygen, "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("make a key: %v %s", err, out)
		}
	}
	pub, err := os.ReadFile(filepath.Join(dir, "user.pub"))
	hostKey, err2 := os.ReadFile(filepath.Join(dir, "host.pub"))
	l, err3 := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || err2 != nil || err3 != nil {
		t.Fatal(err, err2, err3)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	// A home of its own: what a login shell reads at its start is the developer's own affair, and may take a while.
	conf := fmt.Sprintf("ListenAddress 127.0.0.1:%d\nHostKey %s/host\nAuthorizedKeysFile %s/user.pub\nSetEnv HOME=%s\nStrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nLogLevel ERROR\n", port, dir, dir, dir)
	for name, text := range map[string]string{"conf": conf, "authorized": string(pub), "known": fmt.Sprintf("[127.0.0.1]:%d %s", port, hostKey)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(server, "-D", "-e", "-f", filepath.Join(dir, "conf"))
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("sshd: %s", &said)
		}
	})
	waitFor(t, func() bool {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	d := &sshd{dir: dir, user: me.Username, args: []string{
		"-F", "/dev/null", "-i", filepath.Join(dir, "user"), "-p", fmt.Sprint(port), "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=" + filepath.Join(dir, "known"),
	}}
	d.share(t)
	return d
}

// share opens one connection for all calls, as people do who use ssh a lot; a handshake for each takes half a second here.
func (d *sshd) share(t *testing.T) {
	t.Helper()
	short, err := os.MkdirTemp("", "ssh") // the name of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(short, "s")
	master := exec.Command("ssh", append(slices.Clone(d.args), "-M", "-N", "-S", socket, "--", d.user+"@127.0.0.1")...)
	master.Stderr = os.Stderr
	if err := master.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Process.Kill(); _ = master.Wait(); _ = os.RemoveAll(short) })
	waitFor(t, func() bool { _, err := os.Stat(socket); return err == nil })
	d.args = append(d.args, "-S", socket)
}

func (d *sshd) provider(t *testing.T, s *shop, more ...any) *Provider {
	t.Helper()
	settings := s.settings(more...)
	settings["host"], settings["ssh_args"], settings["scope"] = d.user+"@127.0.0.1", d.args, "local"
	return made(t, &providertest.Archive{}, settings)
}

func TestOverSSHThePromisesHold(t *testing.T) {
	d := startSSHD(t)
	s := twoReleases(t)
	mood := moodySSH(t)
	p := d.provider(t, s)
	if obs := observe(t, p); obs.Unit.CAS != rollback.CASNone {
		t.Errorf("compare-and-set %q", obs.Unit.CAS)
	}
	suite := s.suite(p)
	suite.Kill = nil // what is killed is the connection: see the next test
	suite.Hang = func() func() { return mood("hang") }
	suite.Garbage = func() func() { return mood("garbage") }
	rollbacktest.Run(t, suite)
}

// moodySSH puts a program before the real ssh that hangs or answers nonsense on demand.
func moodySSH(t *testing.T) func(string) func() {
	t.Helper()
	real, err := exec.LookPath("ssh")
	dir := t.TempDir()
	file := filepath.Join(dir, "mood")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "ssh"), []byte(`#!/bin/sh
case "$(cat '`+file+`' 2>/dev/null)" in
hang) exec sleep 600 ;;
garbage) cat >/dev/null & printf 'link\0releases/r41\0yes\0end\0'; exit 0 ;;
cut) head -c 300 | '`+real+`' "$@"; exit 255 ;;
esac
exec '`+real+`' "$@"
`), 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func(m string) func() {
		if err := os.WriteFile(file, []byte(m), 0o600); err != nil {
			t.Fatal(err)
		}
		return func() { _ = os.Remove(file) }
	}
}

// A script that arrives in part does nothing, and a switch whose caller is gone before the last word does nothing either.
func TestACutConnectionHasNoEffect(t *testing.T) {
	d := startSSHD(t)
	s := twoReleases(t)
	p := d.provider(t, s)
	step := way(t, p, "r41")
	mood := moodySSH(t)
	restore := mood("cut")
	u := p.units[0]
	if _, err := p.host.(*remote).call(t.Context(), "unlock", lockPath(u), "x"); err == nil {
		t.Error("half a script was taken for a whole one")
	}
	restore()
	target, meta, err := splitToken(step.Token)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{u.base, u.releases, u.current, "r41", "op1.1", stampedTarget("releases", "r41", "op1", 1), target, meta, "{}", "{"}
	out, err := p.host.(*remote).program(strings.NewReader(script("switch", args)), 1<<20).Run(t.Context()) // no "go" follows
	if err != nil || !strings.Contains(string(out), "called off") {
		t.Errorf("got %q, %v", out, err)
	}
	if got := s.target(); got != "releases/r42" {
		t.Errorf("current is %s", got)
	}
	noLeftovers(t, s)
}

// Names are data, whatever shell they pass through.
func TestOverSSHNamesAreOnlyNames(t *testing.T) {
	d := startSSHD(t)
	pwned := filepath.Join(t.TempDir(), "pwned")
	nasty := "a b'c\"d$(touch ${PWNED})`touch ${PWNED}`;&|\\n\\\\ *?[x]~!{a,b}\n-rf"
	t.Setenv("PWNED", pwned)
	base := filepath.Join(t.TempDir(), "-o "+strings.ReplaceAll(nasty, "/", ""))
	s := newShop(t, base)
	old, now := "r41 "+nasty, "r42 "+nasty
	s.release(old, "plain", "1", "sub "+nasty+"/"+nasty, "one", "bin/run", "x", "trailing\n", "t")
	s.release(now, "plain", "2", "sub "+nasty+"/"+nasty, "two", "bin/run", "x", "trailing\n", "t")
	for _, label := range []string{old, now} {
		s.must(os.Chmod(filepath.Join(s.dir(label), "bin/run"), 0o755))
		s.must(os.Symlink("to "+nasty+"\n", filepath.Join(s.dir(label), "link "+nasty)))
	}
	s.deploy(now)
	far, near := d.provider(t, s), s.provider()
	a, b := observe(t, far), observe(t, near)
	if a.Current.Digest != b.Current.Digest || len(a.History) != 1 || a.History[0].Digest != b.History[0].Digest {
		t.Fatalf("over ssh %+v, here %+v", a, b)
	}
	prop, err := far.Plan(t.Context(), a, a.History[0])
	s.must(err)
	local, err := near.Plan(t.Context(), b, b.History[0])
	s.must(err)
	if prop.Diff != local.Diff || !strings.Contains(prop.Diff, "-two") {
		t.Errorf("over ssh\n%s\nhere\n%s", prop.Diff, local.Diff)
	}
	if res := apply(t, far, "op1", prop.Steps[0]); res.Outcome != rollback.Applied {
		t.Fatal(res)
	}
	if obs := observe(t, near); obs.Current.Digest != b.History[0].Digest || obs.Stamp != "op1" {
		t.Errorf("got %+v", obs)
	}
	if res := apply(t, far, "op1", prop.Steps[0]); res.Outcome != rollback.AlreadyApplied {
		t.Errorf("again: %+v", res)
	}
	if _, err := os.Stat(pwned); err == nil {
		t.Error("a name was run as a command")
	}
	noLeftovers(t, s)
}

func TestOverSSHHistoryReloadAndLock(t *testing.T) {
	d := startSSHD(t)
	s := twoReleases(t)
	at := time.Now().UTC().Add(-3 * time.Hour).Truncate(time.Second)
	s.log(at.Format(time.RFC3339) + " release r41 commit abcdef0 by mei")
	s.must(os.WriteFile(filepath.Join(s.base, "reload $(x).sh"), []byte("#!/bin/sh\necho \"reloaded by $1\"\nread x && exit 1 || exit 0\n"), 0o755))
	p := d.provider(t, s, "reload", []string{"./reload $(x).sh", "a'b"}, "checks", []obj{{"name": "file", "command": []string{"test", "-e", "current/app.txt"}}})
	release, err := p.Lock(t.Context(), pricing, rollback.Operation{ID: "op1", Fence: 1}, time.Hour)
	s.must(err)
	if _, err := s.provider().Lock(t.Context(), pricing, rollback.Operation{ID: "op2", Fence: 1}, time.Hour); err == nil {
		t.Error("the lock that was taken over ssh does not hold here")
	}
	if _, err := p.Lock(t.Context(), pricing, rollback.Operation{ID: "op1", Fence: 2}, time.Hour); err != nil {
		t.Errorf("its own operation cannot take it over: %v", err)
	}
	to := labelled(t, observe(t, p), "r41")
	if len(to.Good) != 1 || !strings.HasPrefix(to.Good[0], "served 2h59m") && !strings.HasPrefix(to.Good[0], "served 3h0") {
		t.Errorf("evidence %q", to.Good)
	}
	if res := apply(t, p, "op1", way(t, p, "r41")); res.Outcome != rollback.Applied || !strings.Contains(res.Detail, "reloaded by a'b") {
		t.Errorf("got %+v", res)
	}
	if c, err := p.Status(t.Context(), pricing, to); err != nil || !c.Done {
		t.Errorf("status %+v, %v", c, err)
	}
	checks, err := p.Verify(t.Context(), pricing, to)
	if err != nil || slices.ContainsFunc(checks, func(c rollback.Check) bool { return c.State != rollback.CheckPass }) {
		t.Errorf("checks %+v, %v", checks, err)
	}
	if last := all(t, p)[1]; !strings.Contains(last.Title, "r42") {
		t.Errorf("changes %+v", last)
	}
	s.must(release(t.Context())) // the first holder's fence is old: nothing is taken from the second
	if _, err := os.Stat(lockPath(p.units[0])); err != nil {
		t.Error(err)
	}
}

func TestAHostThatCannotBeReached(t *testing.T) {
	need(t, "ssh")
	s := twoReleases(t)
	settings := s.settings()
	settings["host"], settings["ssh_args"] = "127.0.0.1", []string{"-F", "/dev/null", "-p", "1"}
	p := made(t, &providertest.Archive{}, settings)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := p.Observe(ctx, "releases:127.0.0.1/pricing"); err == nil || !strings.Contains(err.Error(), "ssh:") {
		t.Errorf("got %v", err)
	}
}
