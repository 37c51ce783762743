package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/cmd/internal/session"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback/ledger"
)

const (
	// signWait is long enough to touch a hardware key.
	signWait = 30 * time.Second
)

// signature is what is known of who signed a checkpoint.
type signature struct {
	Checkpoint string `json:"checkpoint"`
	State      string `json:"state"` // holds, does not hold, not looked at, unsigned
	By         string `json:"by,omitempty"`
}

func signatureState(c ledger.Checkpoint) string {
	if c.Signature == "" {
		return "unsigned"
	}
	return "not looked at"
}

func (s signature) text() string {
	switch s.State {
	case "holds":
		return fmt.Sprintf("checkpoint %s: signed by %s", s.Checkpoint, s.By)
	case "not looked at":
		return fmt.Sprintf("checkpoint %s: it is signed; by whom, --allowed-signers FILE would say", s.Checkpoint)
	default:
		return fmt.Sprintf("checkpoint %s: its signature: %s", s.Checkpoint, s.State)
	}
}

// keygen runs the program of OpenSSH, so that agents, hardware keys and files of allowed signers are as its user knows
// them. It never asks for a passphrase: the terminal is somebody else's while a command runs.
func (a *app) keygen(ctx context.Context, in string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, signWait)
	defer cancel()
	env := []string{"SSH_ASKPASS_REQUIRE=force", "SSH_ASKPASS=false", "LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "SSH_AUTH_SOCK", "SSH_SK_PROVIDER"} {
		if v, ok := a.lookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	out, err := process.Program{Argv: append([]string{"ssh-keygen"}, args...), Env: env, Stdin: strings.NewReader(in), MaxOutput: ledger.MaxCheckpoint}.Run(ctx)
	if err != nil {
		return "", fmt.Errorf("ssh-keygen: %w", err)
	}
	return string(out), nil
}

// sign signs a text with an SSH key: of a file without a passphrase, or of the agent.
func (a *app) sign(ctx context.Context, key, text string) (string, error) {
	return a.keygen(ctx, text, "-q", "-Y", "sign", "-n", session.CheckpointNamespace, "-f", key)
}

// signer is who signed a checkpoint, as the file of allowed signers has it for the time that the checkpoint says.
func signer(signers *ledger.Signers, c ledger.Checkpoint) (string, error) {
	if c.Signature == "" {
		return "", errors.New("it is not signed")
	}
	blob, err := ledger.Unarmored(c.Signature)
	if err != nil {
		return "", fmt.Errorf("its signature does not hold: %w", err)
	}
	sig, err := ledger.ReadSSHSig(blob)
	if err == nil {
		err = sig.Verify(session.CheckpointNamespace, []byte(c.Body()))
	}
	if err != nil {
		return "", fmt.Errorf("its signature does not hold: %w", err)
	}
	who := signers.Who(sig.Key, session.CheckpointNamespace, c.At)
	if len(who) == 0 {
		return "", errors.New("its key is not one of the allowed signers, for checkpoints and at that time")
	}
	return providers.Clean(strings.Join(who, ", ")), nil
}
