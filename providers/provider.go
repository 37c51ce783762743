// Package providers is the contract between backout and the systems it reads: changes, alerts, topology and signals,
// the abilities of a provider, its health and its errors. It knows no particular system and no screen.
package providers

import (
	"context"
	"iter"
	"time"
)

// Provider is one configured source. What it can do beyond this is found by type assertion on the abilities below.
// All methods of a provider and of its abilities may be called from several goroutines at once.
type Provider interface {
	// Name is the name from the configuration, unique in a process.
	Name() string
	// Health is what the provider knows of itself now. It does no I/O and never blocks.
	Health() Health
}

// ChangeSource gives the changes of a window. The sequence yields in no promised order, honours w on Change.At, keeps
// memory bounded, and ends within 100 ms after ctx is done. After a non-nil error the sequence ends.
type ChangeSource interface {
	Changes(ctx context.Context, w Window) iter.Seq2[Change, error]
}

// AlertSource gives the alerts that were open at some time in the window, under the same promises.
type AlertSource interface {
	Alerts(ctx context.Context, w Window) iter.Seq2[Alert, error]
}

// Watcher reports what happens from now on, until ctx is done. It waits and retries by itself; an error it yields is for
// the health line, and the sequence goes on unless the error is permanent (see [Permanent]).
type Watcher interface {
	Watch(ctx context.Context) iter.Seq2[Event, error]
}

// Topology gives services and the edges between services or units, with evidence.
type Topology interface {
	Topology(ctx context.Context) ([]Service, []Edge, error)
}

// SignalSource gives the series that belong to the named services in a window. No services means all.
type SignalSource interface {
	Signals(ctx context.Context, w Window, services []string) ([]Signal, error)
}

// Linker gives the address of a page about a change or alert, or "" where there is none.
type Linker interface {
	Link(id string) string
}

// Placed names the place that a provider reads and acts on where people confuse places, such as the context of a
// kubeconfig. It is shown before anything else on every screen. It does no I/O.
type Placed interface {
	Place() string
}

// Event is one thing that happened: exactly one of the pointers is set.
type Event struct {
	Change *Change
	Alert  *Alert
}

// HealthState is one word for a provider's health.
type HealthState string

// The states of a health line. Unknown: not asked yet.
const (
	HealthUnknown HealthState = "unknown"
	HealthOK      HealthState = "ok"
	HealthSlow    HealthState = "slow"
	HealthStale   HealthState = "stale"
	HealthFailing HealthState = "failing"
)

// Health is one provider's health line. LastOK is when it last gave a complete answer (zero: never), Skew its clock
// against ours (zero: none seen).
type Health struct {
	Provider string        `json:"provider"`
	State    HealthState   `json:"state"`
	LastOK   time.Time     `json:"last_ok,omitzero"`
	Latency  time.Duration `json:"latency_ns,omitempty"`
	Skew     time.Duration `json:"skew_ns,omitempty"`
	Detail   string        `json:"detail,omitempty"` // why, and what the user can do
}

// maxSkew is how far two clocks may be apart before the times of one mislead: they are compared in whole seconds.
const maxSkew = 2 * time.Second

// ClockOff reports whether the source's clock is so far off that its times mislead.
func (h Health) ClockOff() bool { return h.Skew.Abs() > maxSkew }

// Archive keeps what a system may forget. It is given to a provider by the command that starts it.
type Archive interface {
	// Put keeps data under key. Putting the same key again replaces it.
	Put(ctx context.Context, provider, key string, data []byte) error
	// Get returns what was put, or an error that matches [ErrNotFound].
	Get(ctx context.Context, provider, key string) ([]byte, error)
	// Keys lists keys by prefix, sorted.
	Keys(ctx context.Context, provider, prefix string) ([]string, error)
}

// NameFinder is the extra ability to tell which of some names the files of a service mention at a commit, each as a word of its own. A
// commit that it does not have is an error that matches [ErrNotFound].
type NameFinder interface {
	NamesIn(ctx context.Context, service, commit string, names []string) ([]string, error)
}
