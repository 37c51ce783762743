package session

import (
	"context"
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
	path := s.opts.Database
	if path == "" {
		path = filepath.Join(s.opts.StateDir, "backout.db")
	}
	db, err := store.Open(ctx, path, store.Options{Now: s.opts.Now, Appended: s.written})
	if err == nil {
		s.DB = db
		if err = s.replay(ctx); err == nil {
			return nil
		}
		err = fmt.Errorf("open %s: %w", path, err)
	} else if errors.Is(err, store.ErrReadOnly) || errors.Is(err, store.ErrFull) {
		s.NoRecord = err
		if db, err = store.Open(ctx, path, store.Options{Now: s.opts.Now, ReadOnly: true}); err == nil {
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
