package releases

import (
	"context"
	"errors"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// host is where units live: this machine, or another one over ssh. Only swap, lock, unlock and run have effects.
type host interface {
	// glance reads the current link alone.
	glance(ctx context.Context, u *unit) (link, error)
	// look reads everything that a unit says of itself.
	look(ctx context.Context, u *unit) (sight, error)
	// fingerprint changes whenever a file of the release may have changed; "" is not known.
	fingerprint(ctx context.Context, u *unit, label string) (string, error)
	// manifest lists the content of a release, sorted by path.
	manifest(ctx context.Context, u *unit, label string) ([]entry, error)
	// read gives at most limit bytes of a file of a release.
	read(ctx context.Context, u *unit, label, path string, limit int64) ([]byte, error)
	// swap switches the link under the unit's condition.
	swap(ctx context.Context, u *unit, s swap) (rollback.Result, error)
	// settle finishes what killed switches left half done; only the one who holds the unit's lock calls it.
	settle(ctx context.Context, u *unit) error
	// run runs a program in the unit's directory.
	run(ctx context.Context, u *unit, argv []string) (string, error)
	// mark notes beside a stamp how far its operation is; marks reads the notes.
	mark(ctx context.Context, u *unit, label, stamp, name, text string) error
	marks(ctx context.Context, u *unit, label, stamp string) (map[string]string, error)
	lock(ctx context.Context, u *unit, want holder, now time.Time) error
	unlock(ctx context.Context, u *unit, held holder) error
	cas(u *unit) rollback.CAS
}

// sight is a unit at one moment.
type sight struct {
	link     link
	left     []leftover
	releases []release // by label
	log      string    // the end of revisions.log
	held     holder    // zero: nobody holds the lock
	problems []string  // why backout could not act on the unit
}

// release is one directory of releases.
type release struct {
	label    string
	made     time.Time // the directory's own time
	revision string    // the file REVISION
	about    []byte    // the file release.json
	stamps   []stampNote
	writable bool
	print    string // the fingerprint, where looking at the host gave it at once
}

// stampNote is what one switch by backout noted inside the release that it switched to.
type stampNote struct {
	name  string // "<operation>.<step>"
	marks map[string]string
}

// leftover is a link beside current that a killed switch left behind.
type leftover struct {
	name string
	op   string
	step int
	link link
}

// swap is one conditional switch.
type swap struct {
	op    string
	step  int
	label string // the release to switch to
	token string // what current must still be
}

func (s swap) stamp() string { return stampName(s.op, s.step) }

// holder is who holds the lock on a unit.
type holder struct {
	Operation string    `json:"operation"`
	Fence     int64     `json:"fence"`
	By        string    `json:"by"` // host:pid
	Until     time.Time `json:"until"`
}

// The notes beside a stamp. Intent holds the token that the switch compares with, done the time of the new link.
const (
	markIntent   = "intent"
	markDone     = "done"
	markReloaded = "reloaded"
	markFailed   = "reload-failed"
)

var (
	errGone    = errors.New("it is not there")
	errNotLink = errors.New("it is a directory or a file, not a link")
)
