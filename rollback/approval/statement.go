// Package approval says whether people approved a plan: signed statements, the line that carries one through a chat, whose word counts,
// and whether the words that there are meet a need. It is pure.
package approval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

// Namespace keeps a signature over an approval from being taken for one over anything else.
const Namespace = "approval@backout.dev"

// Words that a statement says.
const (
	Ask    = "ask"    // who wants the plan to run, so that it is known whose yes does not count
	Yes    = "yes"    // approves
	No     = "no"     // refuses
	Revoke = "revoke" // takes back what the same person said before
)

const (
	version   = 1
	maxUnits  = 64
	maxText   = 512
	maxLasts  = 7 * 24 * time.Hour // how long a yes may count at most
	skew      = 2 * time.Minute    // how far a signer's clock may be ahead
	nonceSize = 16
)

// Statement is what somebody says of one plan that waits. Its canonical JSON (RFC 8785) is what is signed.
type Statement struct {
	Version     int              `json:"v"`
	Request     string           `json:"request"` // which waiting plan: the same plan that waits another time is another request
	Plan        string           `json:"plan"`    // its hash
	Units       []string         `json:"units"`
	Environment string           `json:"environment"`
	Direction   string           `json:"direction"` // back, forward
	Change      string           `json:"change"`
	Decision    string           `json:"decision"`
	Reason      string           `json:"reason"`
	By          policy.Principal `json:"by"`
	At          time.Time        `json:"at"`
	Expires     time.Time        `json:"expires"`
	Nonce       string           `json:"nonce"`
}

// Text is the canonical form of a statement, which is signed. It refuses one that is not whole.
func (s Statement) Text() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	s.At, s.Expires = s.At.UTC().Truncate(time.Microsecond), s.Expires.UTC().Truncate(time.Microsecond)
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("approval: %w", err)
	}
	return ledger.Canonical(raw)
}

// Parse reads the canonical form, and nothing else: another order, unknown or missing fields are refused.
func Parse(text []byte) (Statement, error) {
	var s Statement
	if len(text) > maxLine {
		return s, errors.New("it is too long to be an approval")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Statement{}, errors.New("it holds no approval that is known here")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Statement{}, errors.New("something stands after the approval")
	}
	again, err := s.Text()
	if err != nil {
		return Statement{}, err
	}
	if !bytes.Equal(again, text) {
		return Statement{}, errors.New("it is not written as an approval is: something was altered or left out")
	}
	return s, nil
}

// hex tells whether a text is so many digits.
func hex(text string, size int) bool {
	return len(text) == size && strings.Trim(text, "0123456789abcdef") == ""
}

func (s *Statement) check() error {
	for _, text := range append([]string{s.Request, s.Environment, s.Change, s.Reason, s.By.ID, s.By.OnBehalfOf}, s.Units...) {
		if len(text) > maxText {
			return errors.New("a text of the approval is too long")
		}
	}
	switch {
	case s.Version != version:
		return fmt.Errorf("it is of version %d, this backout knows %d", s.Version, version)
	case !hex(s.Plan, 64) || s.Request == "":
		return errors.New("it does not say of which plan it is")
	case len(s.Units) == 0 || len(s.Units) > maxUnits:
		return errors.New("it names no units, or too many")
	case !slices.Contains([]string{"back", "forward"}, s.Direction):
		return fmt.Errorf("its direction %q is neither back nor forward", s.Direction)
	case !slices.Contains([]string{Ask, Yes, No, Revoke}, s.Decision):
		return fmt.Errorf("its word %q is none that is known here", s.Decision)
	case s.By.ID == "":
		return errors.New("nobody says it")
	case !hex(s.Nonce, 2*nonceSize):
		return errors.New("its nonce is none")
	}
	return s.lasts()
}

func (s *Statement) lasts() error {
	if s.At.IsZero() || !s.Expires.After(s.At) || s.Expires.Sub(s.At) > maxLasts {
		return fmt.Errorf("it has to end after it was said, within %s", maxLasts)
	}
	return nil
}

// Same reports whether two statements are about the same: what would be done, to what, and where.
func (s *Statement) Same(o Statement) bool {
	return s.Request == o.Request && s.Plan == o.Plan && slices.Equal(s.Units, o.Units) && s.Environment == o.Environment && s.Direction == o.Direction && s.Change == o.Change
}

// Signed is a statement with the signature over it; nothing was checked yet but its form.
type Signed struct {
	Statement Statement
	Signature []byte // as ssh-keygen -Y sign writes it, without its armor
}

// Given is a statement whose signature holds, by a key that belongs to who says it. Only [People.Verify] makes one that counts; when it
// was recorded, whether that was after the run began, and which run used it, the store knows.
type Given struct {
	Statement

	Key      string    // the fingerprint of the key
	Recorded time.Time // when this store first saw it
	Late     bool      // after the run of the plan had begun
	Run      string    // the run that used it
	Stale    bool      // it was found to be too old when somebody wanted to run

	person string // the key and the name, as [People] links them
}

// Verify checks a signature and whose it is: the key has to belong to the name that the statement gives, now and when it was said, as a
// name of its own and not by a pattern; and who says it has to be a human.
func (p *People) Verify(s Signed, now time.Time) (Given, error) {
	text, err := s.Statement.Text()
	if err != nil {
		return Given{}, err
	}
	sig, err := ledger.ReadSSHSig(s.Signature)
	if err == nil {
		err = sig.Verify(Namespace, text)
	}
	if err != nil {
		return Given{}, fmt.Errorf("the signature does not hold: %w", err)
	}
	by := s.Statement.By
	switch {
	case by.Kind != policy.Human:
		return Given{}, fmt.Errorf("%s is no person (%s): only people approve", by.ID, by.Kind)
	case s.Statement.At.After(now.Add(skew)):
		return Given{}, fmt.Errorf("it was said at %s, which is not yet: compare the clocks", s.Statement.At.UTC().Format(time.RFC3339))
	case !p.owns(by.ID, sig.Key, s.Statement.At) || !p.owns(by.ID, sig.Key, now):
		return Given{}, fmt.Errorf("the key %s is not one of %s: ledger.allowed_signers has to name both on a line, for the namespace %s",
			ssh.FingerprintSHA256(plain(sig.Key)), by.ID, Namespace)
	}
	key := ssh.FingerprintSHA256(plain(sig.Key))
	if p.machine(by.ID, key) {
		return Given{}, fmt.Errorf("%s or its key belongs to an automation or an AI agent: only people approve", by.ID)
	}
	return Given{Statement: s.Statement, Key: key, Recorded: now, person: keyNode(key)}, nil
}

// plain is the key of a certificate, or the key itself: two certificates of one key are one person's.
func plain(key ssh.PublicKey) ssh.PublicKey {
	if c, ok := key.(*ssh.Certificate); ok {
		return c.Key
	}
	return key
}
