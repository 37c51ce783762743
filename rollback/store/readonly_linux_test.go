package store

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A directory that this user may not write: reading still works, and acting says why it does not. As root the thread
// gives up its rights to the file system first.
func TestADirectoryThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "b.db")
	db := opened(t, path, Options{})
	if err := errors.Join(note(t.Context(), db, "one"), db.Close()); err != nil {
		t.Fatal(err)
	}
	for p := dir; len(p) > len(os.TempDir()); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o555); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Chmod(p, 0o755) }()
	}
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := unix.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Setfsuid(0) }()
	}
	if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("opened to write: %v", err)
	}
	ro, err := Open(t.Context(), path, Options{ReadOnly: true})
	if err != nil {
		t.Fatalf("opened to read: %v", err)
	}
	defer ro.Close()
	if got, err := ro.Entries(t.Context(), 0, 0); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}
