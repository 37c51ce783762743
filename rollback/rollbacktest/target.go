package rollbacktest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// Fault is a way in which a Target misbehaves.
type Fault string

// The faults. FaultLost has the effect and loses the answer; FaultLate holds a call back until Release, long after the
// caller gave up, and then lets it arrive; FaultDrop never has the effect and never answers; FaultGarbage answers nonsense.
const (
	FaultNone    Fault = ""
	FaultLost    Fault = "lost answer"
	FaultLate    Fault = "late"
	FaultDrop    Fault = "dropped"
	FaultGarbage Fault = "garbage"
)

// Target is a unit in memory with a compare-and-set of its own. It implements rollback.Reverser and keeps every promise
// unless it was told to misbehave. It is safe for use by several goroutines.
type Target struct {
	mu      sync.Mutex
	unit    rollback.Unit
	revs    []rollback.Revision
	current int
	stamp   string
	step    int
	version int
	applied int
	fault   Fault
	now     func() time.Time
	late    sync.WaitGroup
	free    chan struct{}
}

// NewTarget makes a target with the named revisions; the last one is current, the others are its history.
func NewTarget(unit rollback.UnitID, now func() time.Time, labels ...string) *Target {
	t := &Target{unit: rollback.Unit{ID: unit, Kind: "memory", CAS: rollback.CASAtomic}, now: now, free: make(chan struct{})}
	for _, l := range labels {
		t.add(l, l)
	}
	t.current = len(t.revs) - 1
	return t
}

func (t *Target) add(label, content string) {
	sum := sha256.Sum256([]byte(content))
	t.revs = append(t.revs, rollback.Revision{Digest: "sha256:" + hex.EncodeToString(sum[:]), Label: label, Good: []string{"served well"}})
}

// Relabel puts the current content under one more label.
func (t *Target) Relabel(label string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	again := t.revs[t.current]
	again.Label = label
	t.revs = append(t.revs, again)
}

// Switch is a change by somebody else, without any condition.
func (t *Target) Switch(digest string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, r := range t.revs {
		if r.Digest == digest {
			t.current, t.stamp, t.version = i, "", t.version+1
			return nil
		}
	}
	return fmt.Errorf("no revision %s", digest)
}

// Digest is the content of the revision with that label, "" none.
func (t *Target) Digest(label string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.revs {
		if r.Label == label {
			return r.Digest
		}
	}
	return ""
}

// Misbehave turns a fault on, or off with FaultNone.
func (t *Target) Misbehave(f Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = f
}

// Release lets the calls arrive that FaultLate held back, and returns when they have.
func (t *Target) Release() {
	t.mu.Lock()
	free := t.free
	t.free = make(chan struct{})
	t.mu.Unlock()
	close(free)
	t.late.Wait()
}

// Effects is how many applies had an effect.
func (t *Target) Effects() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.applied
}

// State is the whole state as text.
func (t *Target) State(context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("v%d %d of %d by %s.%d", t.version, t.current, len(t.revs), t.stamp, t.step), nil
}

// Units implements rollback.Reverser.
func (t *Target) Units(context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) { yield(t.unit, nil) }
}

var errNonsense = errors.New("the answer makes no sense")

// Observe implements rollback.Reverser.
func (t *Target) Observe(ctx context.Context, unit rollback.UnitID) (rollback.Observation, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return rollback.Observation{}, fmt.Errorf("observe: %w", ctx.Err())
	case unit != t.unit.ID:
		return rollback.Observation{}, fmt.Errorf("observe %s: %w", unit, rollback.ErrNotFound)
	case t.fault == FaultGarbage:
		return rollback.Observation{}, errNonsense
	}
	obs := rollback.Observation{Unit: t.unit, At: t.now(), Current: t.revs[t.current], Token: t.token(), Stamp: t.stamp}
	for i := len(t.revs) - 1; i >= 0; i-- {
		if i != t.current {
			obs.History = append(obs.History, t.revs[i])
		}
	}
	return obs, nil
}

func (t *Target) token() string { return fmt.Sprintf("v%d", t.version) }
