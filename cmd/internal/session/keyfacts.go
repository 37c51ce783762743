package session

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/backout-dev/backout/config"
)

// KeyFacts is what can be told of the key that signs, without a signature by it.
type KeyFacts struct {
	Fingerprint string        `json:"fingerprint"`
	Type        string        `json:"type"`
	Agent       bool          `json:"agent"`    // the SSH agent holds it, and not a file that can be read
	Hardware    bool          `json:"hardware"` // a security key holds it: it can be used nowhere else
	Public      ssh.PublicKey `json:"-"`
}

// SigningKey looks at the key that is configured; nil where none is. Nobody is asked to touch or to confirm anything.
func SigningKey(ctx context.Context, cfg *config.Config, authSock string) (facts *KeyFacts, err error) {
	if cfg.Ledger.SigningKey == "" {
		return nil, nil //nolint:nilnil // no key is no error
	}
	key, err := openKey(ctx, cfg.Ledger.SigningKey, authSock, agentWait)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, key.Close()) }()
	public := key.PublicKey()
	return &KeyFacts{
		Fingerprint: ssh.FingerprintSHA256(public), Type: public.Type(), Agent: key.conn != nil,
		Hardware: strings.HasPrefix(public.Type(), "sk-"), Public: public,
	}, nil
}
