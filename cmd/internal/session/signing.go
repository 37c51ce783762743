package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

const (
	// agentWait is how long an agent may take for one signature while nobody waits for it. One that asks a person first, or wants a
	// key touched, is not waited for longer: what it did not sign stays unsigned.
	agentWait = 5 * time.Second
	// askWait is the same where a person asked for signatures.
	askWait = 30 * time.Second
	// roundWait is how long signing what is there may take altogether, and so what the end of a session may wait for it.
	roundWait = 8 * time.Second
	maxKey    = 64 << 10
)

// signing signs what this process writes, after it was written and beside it: nothing that is done waits for a key.
type signing struct {
	path, sock string
	log        *slog.Logger
	wake       chan struct{}

	mu      sync.Mutex
	pending []store.Written
	err     error // of the last attempt
}

func newSigning(o *Options) *signing {
	if o.Config.Ledger.SigningKey == "" {
		return nil
	}
	return &signing{
		path: o.Config.Ledger.SigningKey, sock: o.AuthSock, wake: make(chan struct{}, 1),
		log: o.Log,
	}
}

// startSigning begins to sign; Close ends it.
func (s *Session) startSigning(ctx context.Context) {
	if s.signing == nil || s.NoRecord != nil {
		return
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.signing.run(ctx, s.DB)
	}()
	s.unsign = func() {
		stop()
		<-done
	}
}

// written is told of all that this process writes into the record.
func (s *Session) written(all []store.Written) {
	if s.signing != nil {
		s.signing.add(all)
	}
}

// add takes what was written, to be signed.
func (s *signing) add(written []store.Written) {
	s.mu.Lock()
	s.pending = append(s.pending, written...)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run signs until ctx is done, and then once more what is left, unless the last attempt failed.
func (s *signing) run(ctx context.Context, db *store.DB) {
	for {
		select {
		case <-ctx.Done():
			if _, err := s.left(); err == nil {
				s.sign(ctx, db)
			}
			return
		case <-s.wake:
			s.sign(ctx, db)
		}
	}
}

// left is how many entries are not signed yet, and why the last attempt failed.
func (s *signing) left() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending), s.err
}

func (s *signing) sign(ctx context.Context, db *store.DB) {
	s.mu.Lock()
	todo := s.pending
	s.mu.Unlock()
	if len(todo) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), roundWait)
	defer cancel()
	n, err := signAll(ctx, db, s.path, s.sock, agentWait, todo)
	if err != nil {
		s.log.Warn("entries of the record stay unsigned", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending, s.err = s.pending[n:], err
}

// signAll signs entries in their order, as far as it gets, and says how many are signed.
func signAll(ctx context.Context, db *store.DB, path, sock string, wait time.Duration, todo []store.Written) (n int, err error) {
	key, err := openKey(ctx, path, sock, wait)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, key.Close()) }()
	origin, err := db.Origin(ctx)
	if err != nil {
		return 0, err
	}
	name := ssh.FingerprintSHA256(key.PublicKey())
	var done []ledger.Signature
	var failed error
	for _, w := range todo {
		if failed = ctx.Err(); failed != nil {
			break
		}
		key.renew(wait)
		blob, err := ledger.Sign(key, ledger.EntryNamespace, ledger.Signable(origin, w.Entry.Seq, w.Digest))
		if err != nil {
			failed = err
			break
		}
		done = append(done, ledger.Signature{Seq: w.Entry.Seq, Key: name, Blob: blob})
	}
	if len(done) > 0 {
		if err := db.Sign(context.WithoutCancel(ctx), done); err != nil {
			return 0, err
		}
	}
	return len(done), failed
}

// signingKey is a key to sign with, of a file or of the agent.
type signingKey struct {
	ssh.Signer
	conn net.Conn // to the agent; nil: of a file
}

// SignWithAlgorithm implements ssh.AlgorithmSigner.
func (k *signingKey) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	able, ok := k.Signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("the key cannot sign by %s", algorithm)
	}
	return able.SignWithAlgorithm(rand, data, algorithm)
}

func (k *signingKey) renew(wait time.Duration) {
	if k.conn != nil {
		_ = k.conn.SetDeadline(time.Now().Add(wait)) // one that cannot be set fails the call that follows
	}
}

// Close lets the agent go.
func (k *signingKey) Close() error {
	if k.conn == nil {
		return nil
	}
	return k.conn.Close()
}

// readKey reads the key that a path names: whole where the file holds it and it can be used, else nil and only its public half.
func readKey(path string) (whole ssh.Signer, public ssh.PublicKey, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("signing key: %w", err)
	}
	if info.Size() > maxKey {
		return nil, nil, fmt.Errorf("signing key %s: it is too large to be one", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("signing key: %w", err)
	}
	if public, _, _, _, err = ssh.ParseAuthorizedKey(data); err == nil {
		return nil, public, nil
	}
	var locked *ssh.PassphraseMissingError
	key, err := ssh.ParsePrivateKey(data)
	switch {
	case errors.As(err, &locked) && locked.PublicKey != nil:
		return nil, locked.PublicKey, nil
	case err != nil:
		return nil, nil, fmt.Errorf("signing key %s: it holds no SSH key that can be used: %w", path, err)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, nil, fmt.Errorf("signing key %s: others may read it: chmod 600 %s", path, path)
	default:
		return key, key.PublicKey(), nil
	}
}

// PublicKey is the public half of the key that a path names. Nobody is asked for anything.
func PublicKey(path string) (ssh.PublicKey, error) {
	_, public, err := readKey(path)
	return public, err
}

// openKey finds the key that a path names: in the file itself, or where that holds a public half, or one behind a passphrase, in the
// agent. Nobody is asked for a passphrase.
func openKey(ctx context.Context, path, sock string, wait time.Duration) (*signingKey, error) {
	whole, public, err := readKey(path)
	if err != nil {
		return nil, err
	}
	if whole != nil {
		return &signingKey{Signer: whole}, nil
	}
	key, err := fromAgent(ctx, public, sock, wait)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", path, err)
	}
	return key, nil
}

func fromAgent(ctx context.Context, public ssh.PublicKey, sock string, wait time.Duration) (*signingKey, error) {
	if sock == "" {
		return nil, errors.New("it is for the SSH agent, and there is none (SSH_AUTH_SOCK is not set)")
	}
	dialer := net.Dialer{Timeout: wait}
	conn, err := dialer.DialContext(ctx, "unix", sock)
	if err != nil {
		return nil, fmt.Errorf("reach the SSH agent: %w", err)
	}
	k := &signingKey{conn: conn}
	k.renew(wait)
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask the SSH agent: %w", err), conn.Close())
	}
	for _, s := range signers {
		if string(s.PublicKey().Marshal()) == string(public.Marshal()) {
			k.Signer = s
			return k, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("the SSH agent does not hold it: ssh-add it (%s)", ssh.FingerprintSHA256(public)), conn.Close())
}

// Signing says of the entries that this process wrote how many are not signed, and why. Nothing is signed where no key is configured.
func (s *Session) Signing() (unsigned int, why error) {
	if s.signing == nil {
		return 0, nil
	}
	return s.signing.left()
}

// signingHealth is the line about a key that does not sign; none while all goes well.
func (s *Session) signingHealth() []providers.Health {
	n, err := s.Signing()
	if err == nil {
		return nil
	}
	return []providers.Health{{
		Provider: "signing", State: providers.HealthFailing,
		Detail: providers.Clean(fmt.Sprintf("%d entries of the record are unsigned: %v", n, err)),
	}}
}

// SignMine signs the entries of who acts that nobody signed, and returns how many; a person waits for it.
func (s *Session) SignMine(ctx context.Context) (n int, err error) {
	if s.signing == nil {
		return 0, errors.New("no key is configured: set ledger.signing_key in backout.yaml (docs/ledger.md)")
	}
	for {
		todo, err := s.DB.Unsigned(ctx, s.opts.Principal.ID, unsignedPage)
		if err != nil || len(todo) == 0 {
			return n, err
		}
		done, err := signAll(ctx, s.DB, s.signing.path, s.signing.sock, askWait, todo)
		if n += done; err != nil {
			return n, err
		}
	}
}

const unsignedPage = 500
