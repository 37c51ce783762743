package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/posture"
)

// audit reads the record for the screen.
type audit struct{ s *opened }

func (r audit) Search(ctx context.Context, q ledger.Query) (ledger.Found, error) {
	return r.s.DB.Search(ctx, q)
}

// Verify looks at what 'backout ledger verify' looks at, the signatures too.
func (r audit) Verify(ctx context.Context, tell func(read int64)) (ledger.Report, error) {
	signers, err := r.s.signers("")
	if err != nil {
		return ledger.Report{}, err
	}
	report, err := r.s.DB.VerifyTelling(ctx, tell)
	if err != nil {
		return ledger.Report{}, err
	}
	_, err = r.s.DB.VerifySignatures(ctx, signers, r.s.settings.Ledger.Require, &report)
	return report, err
}

func (r audit) Signed(ctx context.Context, seq int64) ([]string, error) {
	_, shown, err := r.s.entry(ctx, seq)
	return shown.signed(), err
}

// Index makes as much of the index as fits into the time between two frames that show how far it is.
func (r audit) Index(ctx context.Context) (left int64, err error) {
	for start := time.Now(); time.Since(start) < time.Second; {
		if left, err = r.s.DB.IndexPiece(ctx); err != nil || left == 0 {
			break
		}
	}
	return left, err
}

// posture works out what 'backout posture' prints, and writes nothing.
func (r audit) posture(a *app) func(context.Context) (posture.Report, error) {
	quiet := *a
	quiet.flags.quiet = true // a warning would be written over the screen
	return func(ctx context.Context) (posture.Report, error) {
		f, _, err := quiet.postureFacts(ctx, r.s)
		if err != nil {
			return posture.Report{}, err
		}
		f.Read = quiet.window(r.s.settings.Since).Since // the console reads less than the posture asks for
		return posture.Of(&f), nil
	}
}

// export writes what a query finds as 'backout ledger search --output jsonl' prints it, into a new file in the working directory.
func (r audit) export(a *app) func(context.Context, ledger.Query) (string, error) {
	return func(ctx context.Context, q ledger.Query) (string, error) {
		path := filepath.Join(r.s.settings.dir, "backout-ledger-"+a.now().UTC().Format("20060102T150405Z")+".jsonl")
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
		if err != nil {
			return "", fmt.Errorf("export the record: %w", err)
		}
		w := bufio.NewWriter(f)
		n, err := r.writeAll(ctx, w, q)
		if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
			return "", fmt.Errorf("export the record: %w", errors.Join(err, os.Remove(path)))
		}
		return fmt.Sprintf("%d entries are in %s", n, path), nil
	}
}

func (r audit) writeAll(ctx context.Context, w *bufio.Writer, q ledger.Query) (n int, err error) {
	q.Limit = 1000
	for {
		found, err := r.s.DB.Search(ctx, q)
		if err != nil {
			return n, err
		}
		if found.Unindexed > 0 {
			return n, fmt.Errorf("the oldest %d entries are not in the index yet: try again when they are", found.Unindexed)
		}
		for i := range found.Entries {
			line, err := withSchema("backout.ledger/v1", found.Entries[i])
			if err != nil {
				return n, err
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return n, err
			}
			n++
			q.Before = found.Entries[i].Seq
		}
		if !found.More {
			return n, nil
		}
	}
}
