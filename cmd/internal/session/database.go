package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// openRecord opens the database, as well as it can be opened. Looking must still work where nothing can be written, and
// also where nothing can be read; acting must not, because it could not be recorded.
func (s *Session) openRecord(ctx context.Context) error {
	path, opts := s.opts.Database, store.Options{Now: s.opts.Now, Password: s.opts.Password, Appended: s.written}
	switch {
	case path == "":
		path = filepath.Join(s.opts.StateDir, "backout.db")
	case store.Shared(path) && !s.opts.Executes:
		opts.Copy = copyOf(s.opts.StateDir, path)
	}
	db, err := store.Open(ctx, path, opts)
	if err == nil {
		s.DB = db
		if err = s.replay(ctx); err == nil {
			return nil
		}
		err = fmt.Errorf("open %s: %w", place(path), err)
	} else if store.Unwritable(err) {
		s.NoRecord, opts.ReadOnly = err, true
		if db, err = store.Open(ctx, path, opts); err == nil {
			s.DB = db
			if err = s.replay(ctx); err == nil {
				return nil
			}
		}
		err = s.NoRecord // what keeps it from being written most likely keeps it from being read
	}
	if ctx.Err() != nil || errors.Is(err, store.ErrBusy) {
		return errors.Join(err, s.closeRecord())
	}
	s.NoRecord, s.Lost = err, err
	if err := s.closeRecord(); err != nil {
		s.opts.Log.Warn("database cannot be closed", "error", err)
	}
	s.people = people{version: s.people.version + 1, dismissed: map[string]map[string]string{}, confirmed: map[string]judgement{}}
	s.DB, err = store.Empty(ctx)
	return err
}

// copyOf is where the copy of a shared store lies, one for each.
func copyOf(stateDir, place string) string {
	sum := sha256.Sum256([]byte(place))
	return filepath.Join(stateDir, "copy-"+hex.EncodeToString(sum[:8])+".db")
}

// place is a path or a URL as it may be shown.
func place(path string) string {
	if store.Shared(path) {
		return "the shared store"
	}
	return path
}

func (s *Session) closeRecord() error {
	if s.DB == nil {
		return nil
	}
	return s.DB.Close()
}

// Readable is why the record cannot be read, nil where it can: then an empty list of runs is one that is known.
func (s *Session) Readable() error {
	if s.Lost == nil {
		return nil
	}
	return fmt.Errorf("the record cannot be read: %w", s.Lost)
}

// reader is the record for the timeline; one that is lost says so there as well.
func (s *Session) reader() interface {
	Entries(ctx context.Context, afterSeq int64, limit int) ([]ledger.Entry, error)
} {
	if s.Lost != nil {
		return lost{}
	}
	return s.DB
}

// lost is a record that cannot be read. Why, is told where it was opened.
type lost struct{}

var errLost = errors.New("it cannot be read: 'backout doctor' says why")

// Entries implements the reader of the ledger provider.
func (lost) Entries(context.Context, int64, int) ([]ledger.Entry, error) {
	return nil, providers.Permanent(errLost)
}
