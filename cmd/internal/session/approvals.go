package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
)

// needs are the approvals that the configuration wants in a tier.
func (s *Session) needs(f policy.Facts) []policy.Need {
	a := &s.opts.Config.Approvals
	n := policy.Need{Rule: "approvals.require", Not: a.Not, Deny: a.Deny, ApprovalExpires: a.Expires, ExecutionExpires: a.StartWithin}
	for _, r := range a.Require {
		if r.Tier == f.Tier {
			n.Any = append(n.Any, policy.Threshold{Approve: max(r.Approve, 1), From: policy.Who{Group: r.Group, Role: r.Role, Principal: r.Principal}})
		}
	}
	if len(n.Any) == 0 {
		return nil
	}
	return []policy.Need{n}
}

// approvers reads who is known, each time anew: a key that was taken out of the file approves nothing from then on.
func (s *Session) approvers() (*approval.People, error) {
	d := s.directory()
	var err error
	d.Signers, err = s.signers()
	return approval.NewPeople(d), err
}

// signers are those of the configured file; nil where none is.
func (s *Session) signers() (*ledger.Signers, error) {
	path := s.opts.Config.Ledger.AllowedSigners
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("ledger.allowed_signers: %w", err)
	}
	signers, err := ledger.ParseSigners(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("ledger.allowed_signers %s: %w", path, err)
	}
	return signers, nil
}

// prove signs that it is they who ask, with the key that signs entries.
func (s *Session) prove(ctx context.Context, text []byte) ([]byte, error) {
	if s.opts.Config.Ledger.SigningKey == "" {
		return nil, errors.New("ledger.signing_key is not set")
	}
	return s.signText(ctx, s.opts.Config.Ledger.SigningKey, text)
}

// signText signs for approvals with the key of a path; a person may have to touch or confirm it.
func (s *Session) signText(ctx context.Context, path string, text []byte) (blob []byte, err error) {
	key, err := openKey(ctx, path, s.opts.AuthSock, askWait)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, key.Close()) }()
	key.renew(askWait)
	return ledger.Sign(key, approval.Namespace, text)
}

// Speak signs a word of whom by names on a plan that waits, with the key of a path ("" is the one that signs entries). It records nothing.
func (s *Session) Speak(ctx context.Context, p *rollback.Pending, decision, key string, by policy.Principal, reason string) (approval.Signed, error) {
	if by.Kind != policy.Human {
		return approval.Signed{}, fmt.Errorf("%w: %s is no person (%s): a person has to approve, in a terminal of their own", rollback.ErrRefused, by.ID, by.Kind)
	}
	if key == "" {
		key = s.opts.Config.Ledger.SigningKey
	} else {
		name, err := s.owner(ctx, key, by.ID)
		if err != nil {
			return approval.Signed{}, err
		}
		by.ID, by.OnBehalfOf = name, ""
	}
	if key == "" {
		return approval.Signed{}, fmt.Errorf("%w: an approval is signed: set ledger.signing_key, or name a key with --key", rollback.ErrRefused)
	}
	st := s.Engine.Statement(p, decision, by, reason)
	text, err := st.Text()
	if err != nil {
		return approval.Signed{}, err
	}
	blob, err := s.signText(ctx, key, text)
	if err != nil {
		return approval.Signed{}, fmt.Errorf("sign the approval: %w", err)
	}
	return approval.Signed{Statement: st, Signature: blob}, nil
}

// owner is whose key a path names: who acts, where it is theirs, else the one whom the file of signers names first.
func (s *Session) owner(ctx context.Context, path, acts string) (string, error) {
	key, err := openKey(ctx, path, s.opts.AuthSock, askWait)
	if err != nil {
		return "", err
	}
	defer func() { _ = key.Close() }()
	signers, err := s.signers()
	if err != nil || signers == nil {
		return acts, err
	}
	for _, own := range signers.Owners() {
		if own.Key == ssh.FingerprintSHA256(key.PublicKey()) && len(own.Names) > 0 && !slices.Contains(own.Names, acts) {
			return own.Names[0], nil
		}
	}
	return acts, nil
}

// waitingList is the plans that wait, as the screen shows them.
type waitingList struct {
	version uint64
	list    []rollback.Pending
	seen    string
}

// refreshWaiting reads which plans wait, and how they stand.
func (s *Session) refreshWaiting(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	all, err := s.Engine.Pendings(ctx, false)
	if err != nil {
		s.opts.Log.Warn("what waits for approval cannot be read", "error", err)
		return
	}
	var seen strings.Builder
	for i := range all {
		p := &all[i]
		fmt.Fprint(&seen, p.ID, p.Met(), len(p.Said))
		for _, a := range p.Answers {
			fmt.Fprint(&seen, a.Missing, a.By)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen.String() != s.waiting.seen {
		s.waiting = waitingList{version: s.waiting.version + 1, list: all, seen: seen.String()}
	}
}

// Seen implements tui.Approvals.
func (s *Session) Seen(ctx context.Context, p rollback.Plan) error { return s.Engine.Seen(ctx, p) }

// Approve implements tui.Approvals: who acts signs with the key that signs entries.
func (s *Session) Approve(ctx context.Context, p rollback.Pending, decision, reason string) error {
	signed, err := s.Speak(ctx, &p, decision, "", s.opts.Principal, reason)
	if err != nil {
		return err
	}
	_, err = s.Engine.Say(ctx, signed)
	return err
}
