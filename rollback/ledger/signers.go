package ledger

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// maxSigners is how many bytes of a file of signers are read.
const maxSigners = 4 << 20

// Signers says whose keys may sign what and when, as the file allowed_signers of OpenSSH has it.
type Signers struct{ lines []signer }

// signer is one line of the file.
type signer struct {
	principals string // a list of patterns
	key        ssh.PublicKey
	authority  bool // the key signs certificates, not texts
	namespaces string
	after      time.Time
	before     time.Time
}

// ParseSigners reads the file; an error names its line.
func ParseSigners(r io.Reader) (*Signers, error) {
	s := &Signers{}
	lines := bufio.NewScanner(io.LimitReader(r, maxSigners))
	lines.Buffer(nil, maxSignature)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		one, err := parseSigner(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		s.lines = append(s.lines, one)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

func parseSigner(text string) (one signer, err error) {
	var rest string
	if quoted, ok := strings.CutPrefix(text, `"`); ok {
		one.principals, rest, _ = strings.Cut(quoted, `"`)
	} else if at := strings.IndexAny(text, " \t"); at > 0 {
		one.principals, rest = text[:at], text[at:]
	}
	rest = strings.TrimSpace(rest)
	if one.principals == "" || rest == "" {
		return one, errors.New("names no principal, or no key")
	}
	var options []string
	if one.key, _, options, _, err = ssh.ParseAuthorizedKey([]byte(rest)); err != nil {
		return one, fmt.Errorf("its key: %w", err)
	}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "cert-authority":
			one.authority = true
		case "namespaces":
			one.namespaces = value
		case "valid-after":
			one.after, err = parseValidity(value)
		case "valid-before":
			one.before, err = parseValidity(value)
		default:
			err = fmt.Errorf("option %q is none of OpenSSH", name)
		}
		if err != nil {
			return one, err
		}
	}
	return one, nil
}

// parseValidity reads a time as the file has it: without a Z it is one of this machine's zone.
func parseValidity(text string) (time.Time, error) {
	zone := time.Local //nolint:gosmopolitan // so OpenSSH reads it
	plain, utc := strings.CutSuffix(text, "Z")
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) == len(plain) {
			if t, err := time.ParseInLocation(layout, plain, zone); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time as YYYYMMDD[HHMM[SS]][Z]", text)
}

// Who are the principals that the key belongs to, for a namespace at a time: patterns, where the file has patterns. None: the
// key is not known, or may not be used for that then.
func (s *Signers) Who(key ssh.PublicKey, namespace string, at time.Time) []string {
	found := map[string]bool{}
	for _, l := range s.lines {
		if !l.allows(key, namespace, at) {
			continue
		}
		c, ok := key.(*ssh.Certificate)
		for _, pattern := range strings.Split(l.principals, ",") {
			if !ok || !l.authority {
				found[pattern] = true
				continue
			}
			for _, p := range c.ValidPrincipals {
				if matches(pattern, p) {
					found[p] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// Owner is a key and the principals that its line names as they are, without patterns.
type Owner struct {
	Key   string // its fingerprint
	Names []string
}

// Owners are the keys of the file, whatever they may sign and when: a key that is not valid any more still says who its owner is.
// Authorities own nothing.
func (s *Signers) Owners() []Owner {
	var out []Owner
	for _, l := range s.lines {
		if l.authority {
			continue
		}
		own := Owner{Key: fingerprint(l.key)}
		for _, name := range strings.Split(l.principals, ",") {
			if !strings.ContainsAny(name, "*?!") {
				own.Names = append(own.Names, name)
			}
		}
		out = append(out, own)
	}
	return out
}

// May tells whether the key may sign as the principal, for a namespace at a time.
func (s *Signers) May(principal string, key ssh.PublicKey, namespace string, at time.Time) bool {
	return slices.ContainsFunc(s.lines, func(l signer) bool {
		if !listed(l.principals, principal) || !l.allows(key, namespace, at) {
			return false
		}
		c, ok := key.(*ssh.Certificate)
		return !ok || !l.authority || slices.Contains(c.ValidPrincipals, principal)
	})
}

// allows tells whether the line is about the key, the namespace and the time.
func (l *signer) allows(key ssh.PublicKey, namespace string, at time.Time) bool {
	c, certified := key.(*ssh.Certificate)
	switch {
	case l.authority:
		if !certified || !same(c.SignatureKey, l.key) || !certifies(c, at) {
			return false
		}
	case !same(key, l.key):
		return false
	}
	return (l.namespaces == "" || listed(l.namespaces, namespace)) && (l.after.IsZero() || !at.Before(l.after)) &&
		(l.before.IsZero() || !at.After(l.before))
}

// certifies tells whether a certificate is one of a person that names its principals, is in force and really by its authority.
// What it says of logging in is of no concern here.
func certifies(c *ssh.Certificate, at time.Time) bool {
	if c.CertType != ssh.UserCert || len(c.ValidPrincipals) == 0 {
		return false
	}
	checker := ssh.CertChecker{
		Clock:                    func() time.Time { return at },
		SupportedCriticalOptions: slices.Collect(maps.Keys(c.CriticalOptions)),
	}
	return checker.CheckCert(c.ValidPrincipals[0], c) == nil
}

func same(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// listed tells whether a list of patterns has the text, and none that begins with ! does.
func listed(list, text string) bool {
	found := false
	for _, pattern := range strings.Split(list, ",") {
		pattern, not := strings.CutPrefix(pattern, "!")
		if matches(pattern, text) {
			if not {
				return false
			}
			found = true
		}
	}
	return found
}

// matches compares with a pattern in which * is any text and ? any one byte.
func matches(pattern, text string) bool {
	for ; pattern != ""; pattern, text = pattern[1:], text[1:] {
		if pattern[0] == '*' {
			rest := strings.TrimLeft(pattern, "*")
			for i := 0; i <= len(text); i++ {
				if matches(rest, text[i:]) {
					return true
				}
			}
			return false
		}
		if text == "" || (pattern[0] != '?' && pattern[0] != text[0]) {
			return false
		}
	}
	return text == ""
}
