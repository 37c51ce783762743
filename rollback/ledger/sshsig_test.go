package ledger

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// openssh runs the program whose form and whose file of signers are read here.
func openssh(t *testing.T, in string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("ssh-keygen is not here: nothing is compared with OpenSSH")
	}
	cmd := exec.CommandContext(t.Context(), "ssh-keygen", args...)
	cmd.Stdin = strings.NewReader(in)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK=", "TZ=UTC")
	out, err := cmd.Output()
	return string(out), err
}

// keys makes key pairs of all plain kinds, and a certificate for the first, in a directory.
func keys(t *testing.T) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	for name, args := range map[string][]string{
		"ed25519": {"-t", "ed25519"}, "rsa": {"-t", "rsa", "-b", "2048"}, "ecdsa": {"-t", "ecdsa"}, "other": {"-t", "ed25519"}, "ca": {"-t", "ed25519"}, "certified": {"-t", "ed25519"},
	} {
		if _, err := openssh(t, "", append(args, "-q", "-N", "", "-C", name, "-f", filepath.Join(dir, name))...); err != nil {
			t.Fatal(err)
		}
	}
	_, err := openssh(t, "", "-q", "-s", filepath.Join(dir, "ca"), "-I", "id", "-n", "eve@example.com,root", "-V", "20260101000000Z:20270101000000Z", filepath.Join(dir, "certified.pub"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, []string{"ed25519", "rsa", "ecdsa", "other", "certified"}
}

func private(t *testing.T, dir, name string) ssh.Signer {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	if name != "certified" {
		return key
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(authorized(t, dir, "certified-cert")))
	if err != nil {
		t.Fatal(err)
	}
	certificate, ok := public.(*ssh.Certificate)
	if !ok {
		t.Fatal("no certificate")
	}
	if key, err = ssh.NewCertSigner(certificate, key); err != nil {
		t.Fatal(err)
	}
	return key
}

func authorized(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// What is signed here OpenSSH verifies, and the other way round.
func TestSignaturesAreThoseOfOpenSSH(t *testing.T) {
	dir, names := keys(t)
	text := string(Signable(strings.Repeat("ab", 16), 7, Digest{1}.String()))
	for _, name := range names {
		blob, err := Sign(private(t, dir, name), EntryNamespace, []byte(text))
		if err != nil {
			t.Fatal(name, err)
		}
		file := filepath.Join(dir, name+".sig")
		if err := os.WriteFile(file, []byte(Armored(blob)), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := openssh(t, text, "-Y", "check-novalidate", "-n", EntryNamespace, "-s", file); err != nil {
			t.Errorf("%s: OpenSSH refuses it: %s %v", name, out, err)
		}
		if out, err := openssh(t, text+" ", "-Y", "check-novalidate", "-n", EntryNamespace, "-s", file); err == nil {
			t.Errorf("%s: OpenSSH takes anything: %s", name, out)
		}
		for _, hash := range []string{"sha256", "sha512"} {
			armored, err := openssh(t, text, "-q", "-Y", "sign", "-n", EntryNamespace, "-O", "hashalg="+hash, "-f", filepath.Join(dir, name))
			if err != nil {
				t.Fatal(name, err)
			}
			theirs, err := Unarmored(armored)
			if err != nil {
				t.Fatal(name, err)
			}
			if Armored(theirs) != armored {
				t.Errorf("%s: armored it is\n%s, by OpenSSH\n%s", name, Armored(theirs), armored)
			}
			holds(t, name, theirs, text)
		}
		holds(t, name, blob, text)
	}
}

// holds looks whether a signature is over the text, and over nothing else, and whether any byte of it can be altered.
func holds(t *testing.T, name string, blob []byte, text string) {
	t.Helper()
	s, err := ReadSSHSig(blob)
	if err != nil {
		t.Fatal(name, err)
	}
	if err := s.Verify(EntryNamespace, []byte(text)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	if s.Verify(EntryNamespace, []byte(text+"x")) == nil || s.Verify("file", []byte(text)) == nil {
		t.Errorf("%s: it holds for another text or another namespace", name)
	}
	for i := range blob {
		bad := bytes.Clone(blob)
		bad[i] ^= 1
		s, err := ReadSSHSig(bad)
		if err == nil && s.Verify(EntryNamespace, []byte(text)) == nil && !bytes.Contains(blob, []byte("cert-v01")) {
			t.Errorf("%s: byte %d may be anything", name, i)
		}
	}
}

// Of one file of signers, the answer is that of OpenSSH, whoever is asked for, and whenever.
func TestSignersAreReadAsOpenSSHReadsThem(t *testing.T) {
	dir, names := keys(t)
	signatures := map[string]string{}
	const text = "x\n"
	for _, name := range names {
		blob, err := Sign(private(t, dir, name), EntryNamespace, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		signatures[name] = filepath.Join(dir, name+".sig")
		if err := os.WriteFile(signatures[name], []byte(Armored(blob)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k := func(name string) string { return authorized(t, dir, name) }
	allowed, refused := 0, 0
	times := []time.Time{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 4, 1, 0, 0, 1, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
	if os.Getenv("CI") != "true" {
		times = times[:1] // each answer is a process
	}
	for i, file := range []string{
		"ana@example.com " + k("ed25519"),
		"# nobody\n\nbob@example.com,*@example.com " + k("rsa") + "\nana@example.com " + k("ecdsa"),
		"*@example.com,!bob@example.com " + k("ed25519") + "\n!bob@example.com,b?b@example.com " + k("rsa"),
		`ana@example.com namespaces="git,entry@*" ` + k("ed25519") + "\n" + `bob@example.com namespaces="git" ` + k("rsa"),
		`ana@example.com valid-after="20260301",valid-before="20260401" ` + k("ed25519") + "\n" + `bob@example.com valid-after="20260301120000Z" ` + k("rsa"),
		`bob@example.com valid-before="202603011200Z",namespaces="entry@backout.dev" ` + k("ecdsa") + "\n" + `"ana@example.com" ` + k("other"),
		"*@example.com cert-authority " + k("ca"),
		`eve@example.com CERT-AUTHORITY,valid-before="20260315" ` + k("ca"),
		"root cert-authority " + k("ca") + "\n" + "ana@example.com " + k("ca"),
		"eve@example.com " + k("certified"),
	} {
		path := filepath.Join(dir, fmt.Sprint("allowed", i))
		if err := os.WriteFile(path, []byte(file+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		signers, err := ParseSigners(strings.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		c := comparison{t: t, file: file, path: path, signers: signers, times: times}
		for name, sig := range signatures {
			c.compare(name, sig, private(t, dir, name).PublicKey())
		}
		allowed, refused = allowed+c.allowed, refused+c.refused
	}
	if allowed < 10 || refused < 20 {
		t.Errorf("%d were allowed and %d refused: that compares too little", allowed, refused)
	}
}

// comparison is of the answers by one file of signers.
type comparison struct {
	t                *testing.T
	file, path       string
	signers          *Signers
	times            []time.Time
	allowed, refused int
}

func (c *comparison) compare(name, sig string, key ssh.PublicKey) {
	c.t.Helper()
	for _, at := range c.times {
		when := "verify-time=" + at.Format("20060102150405") + "Z"
		for _, who := range []string{"ana@example.com", "bob@example.com", "eve@example.com", "root"} {
			_, err := openssh(c.t, "x\n", "-Y", "verify", "-f", c.path, "-I", who, "-n", EntryNamespace, "-s", sig, "-O", when)
			if may := c.signers.May(who, key, EntryNamespace, at); may != (err == nil) {
				c.t.Errorf("%s\n%s by %s at %s: %v here, %v by OpenSSH", c.file, name, who, at, may, err)
			}
			if err == nil {
				c.allowed++
			} else {
				c.refused++
			}
		}
		out, err := openssh(c.t, "", "-Y", "find-principals", "-s", sig, "-f", c.path, "-O", when)
		got := c.signers.Who(key, EntryNamespace, at)
		theirs := strings.FieldsFunc(out, func(r rune) bool { return r == '\n' || r == ',' })
		switch {
		case err != nil && len(got) > 0:
			c.t.Errorf("%s\n%s at %s: %q here, nobody by OpenSSH", c.file, name, at, got)
		case err == nil && !strings.Contains(c.file, `"git"`) && !subset(theirs, got): // it does not look at namespaces
			c.t.Errorf("%s\n%s at %s: %q here, %q by OpenSSH", c.file, name, at, got, theirs)
		}
	}
}

// subset: OpenSSH names the principals of the first line that fits, this all of them.
func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

func TestAFileOfSignersThatIsWrongNamesTheLine(t *testing.T) {
	dir, _ := keys(t)
	good := "ana@example.com " + authorized(t, dir, "ed25519") + "\n"
	for _, bad := range []string{
		"ana@example.com", "ana@example.com ssh-ed25519 AAAA", "ana@example.com touch " + authorized(t, dir, "ed25519"),
		`ana@example.com valid-after="yesterday" ` + authorized(t, dir, "ed25519"), `"ana`,
	} {
		if _, err := ParseSigners(strings.NewReader(good + "\n# comment\n" + bad)); err == nil || !strings.HasPrefix(err.Error(), "line 4: ") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Whatever is read as a signature, it holds for nothing that its key did not sign.
func FuzzReadSSHSig(f *testing.F) {
	key, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)))
	if err != nil {
		f.Fatal(err)
	}
	blob, err := Sign(key, EntryNamespace, []byte("one"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(blob)
	f.Add([]byte(sigMagic))
	f.Fuzz(func(t *testing.T, blob []byte) {
		s, err := ReadSSHSig(blob)
		if err == nil && s.Verify(EntryNamespace, []byte("another")) == nil && fingerprint(s.Key) == fingerprint(key.PublicKey()) {
			t.Errorf("%x holds for a text that was never signed", blob)
		}
	})
}
