package store

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What can be wrong with a database, beside an error of the caller's context.
var (
	ErrNewer    = errors.New("the database was made by a newer backout: update this one, or point --store elsewhere")
	ErrForeign  = errors.New("it is a database of another program: point --store elsewhere")
	ErrCorrupt  = errors.New("the database is damaged: put its newest backup (*.bak) in its place, or move it away to begin a new record; it is left as it is")
	ErrReadOnly = errors.New("the database cannot be written: check the rights of the file and its directory, or point state_dir or --store elsewhere")
	ErrFull     = errors.New("no room left to write the database: free some space, nothing was lost")
	ErrBusy     = errors.New("another process holds the database: try again")
	ErrNotFound = errors.New("not in the database")

	// ErrFenced refuses a write of an executor whose lease another one has taken over.
	ErrFenced = errors.New("another executor took the run over")
	// ErrHeld refuses a unit or a run that somebody else holds.
	ErrHeld = errors.New("held by somebody else")

	// ErrAway is a PostgreSQL server that cannot be reached or does not answer. Nothing was written.
	ErrAway = errors.New("the database does not answer: nothing can be recorded, so nothing is begun; try again when it is back, 'backout store status' looks")
	// ErrUncertain is a commit of which nobody could tell what became of it.
	ErrUncertain = errors.New("the database was lost at the commit, and whether it was written is not known: look before you do it again")
	// ErrStandby refuses to write to a server that only follows another one.
	ErrStandby = errors.New("this PostgreSQL server is a standby, or lets nobody write: point --store at the primary")
	// ErrRole refuses what the role may not.
	ErrRole = errors.New("this role may not do that in the database: use another one, or grant it the right")
	// ErrLogin is a server that does not let the role in.
	ErrLogin = errors.New("the PostgreSQL server does not let this role in: check the user, the password and the name of the database")
	// ErrTLS is a server that cannot be talked to as safely as the URL asks for.
	ErrTLS = errors.New("no connection to the PostgreSQL server that is encrypted and trusted as asked for: check sslmode, sslrootcert and the name of the host")
	// ErrPlace is what is neither a file nor a server that is known.
	ErrPlace = errors.New("the store is neither the path of a file nor postgres://USER@HOST:PORT/DATABASE")
	// ErrQuery refuses a search that asks for nothing that could be found.
	ErrQuery = errors.New("nothing to search for")

	errNoSharedMemory = errors.New("shared memory of the write-ahead log is not there")
)

// Unwritable reports whether an error of [Open] says that the database can be looked at, maybe, and not be written.
func Unwritable(err error) bool {
	return errors.Is(err, ErrReadOnly) || errors.Is(err, ErrFull) || errors.Is(err, ErrStandby) || errors.Is(err, ErrRole)
}

// classify puts a typed error before what the driver says.
func classify(err error) error {
	if err == nil {
		return nil
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		if is := classifyShared(err); is != nil {
			return fmt.Errorf("%w (%w)", is, &brief{err})
		}
		return classifyFile(err)
	}
	var is error
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		is = ErrCorrupt
	case sqlite3.SQLITE_FULL:
		is = ErrFull
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		is = ErrBusy
	case sqlite3.SQLITE_READONLY:
		is = ErrReadOnly
		if e.Code() == sqlite3.SQLITE_READONLY_CANTINIT || e.Code() == sqlite3.SQLITE_READONLY_DIRECTORY {
			is = errNoSharedMemory
		}
	case sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR:
		switch e.Code() {
		case sqlite3.SQLITE_IOERR_SHORT_READ:
			is = ErrCorrupt
		case sqlite3.SQLITE_IOERR_SHMSIZE: // the shared memory of the log could not grow
			is = ErrFull
		}
	case sqlite3.SQLITE_CANTOPEN:
		is = errNoSharedMemory
	}
	if is == nil {
		return err
	}
	return fmt.Errorf("%w (%w)", is, err)
}

// classifyFile does the same for what the file system says of the file itself.
func classifyFile(err error) error {
	for _, no := range []struct{ is, as error }{
		{syscall.ENOSPC, ErrFull},
		{syscall.EDQUOT, ErrFull},
		{fs.ErrPermission, ErrReadOnly},
		{syscall.EROFS, ErrReadOnly},
		{syscall.ENOTDIR, ErrReadOnly},
		{syscall.EISDIR, ErrReadOnly},
	} {
		if errors.Is(err, no.is) {
			return fmt.Errorf("%w (%w)", no.as, err)
		}
	}
	return err
}
