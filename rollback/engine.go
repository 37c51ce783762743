package rollback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
	"github.com/backout-dev/backout/rollback/store"
)

// callTimeout is the deadline of one look at a target that names none of its own. A look that takes longer counts as not seen.
const callTimeout = 15 * time.Second

// Config is what an Engine is made of. Only Store is required. Zero durations take the defaults that are named here.
type Config struct {
	Store     *store.DB
	Reversers map[string]Reverser // by provider name: the part of a UnitID before ':'
	Symptoms  Symptoms            // nil: nobody can tell how alerts stand, so a plan with alerts never verifies
	// Contents are whom the rules ask what lies between two commits, by provider name; without any, they go by what files are called.
	Contents map[string]providers.Contents
	Now      func() time.Time
	NewID    func() string // ids of operations, unique everywhere; nil makes ULIDs

	ReadOnly bool
	Tier     func(environment string) string // prod, staging, dev; nil goes by the environment's name
	// Criticality is how much depends on a unit, 1 the most to 3; 0, or a nil function, is not known, and its proofs count no longer than any.
	Criticality func(Unit) int
	OwnersOf    func(Unit) []string // the people who own a unit; nil, or nil from it: nobody said

	Hold         time.Duration // how long all has to be well, where nothing was declared for a unit; 30 s
	Deadline     time.Duration // for convergence and verification together; 10 min
	Poll         time.Duration // between two looks; 1 s
	LeaseTTL     time.Duration // 30 s
	ApplyTimeout time.Duration // after which an Apply counts as unknown; 30 s, more for a [Patient] target

	Executor   string                     // this process, "host:pid"; "" finds out
	HolderDead func(executor string) bool // whether that process is surely gone; nil: nobody can tell, leases must expire
	Log        *slog.Logger
	Fail       func(point string) error // failpoints in tests; nil in production
	Checks     func(ctx context.Context, services []string) ([]Check, error)
	CheckNames func(services []string) []string // what Checks would look at, without looking; nil: nobody can tell beforehand
	Verifier   Verifier                         // the checks that were declared for single units; nil: none were
	Cap        int                              // how many units may hang together in one plan; 3
	Proofs     proof.Rules                      // how long a proof counts
	Probed     func(Unit) bool                  // whether somebody wants its plan to be looked at all the time; nil: none
	MeasureTTL time.Duration                    // how long a temporary measure may stand where its provider does not say; 24 h
	DrillGuard DrillGuard                       // what speaks against a drill, and stops one; nil: nobody can tell, so none is begun
	DrillMax   time.Duration                    // how long a unit may be back in a drill; 10 min
	DrillGrace time.Duration                    // how long a check may fail without a break before that ends a drill; 20 s
	SliceOf    func(Unit) proof.Slice           // what part of a whole a unit is; nil, or "": it is a whole
	// Belongs says which groups a principal is in and which roles it holds now, for the rules; nil: nobody said.
	Belongs func(id string) (groups, roles []string)
	// Needs are the approvals that a plan waits for, beside those of the policy; nil: none.
	Needs func(policy.Facts) []policy.Need
	// People says whose keys are whose, as it is now; nil: nobody is known, so that nothing that has to be approved can be.
	People func() (*approval.People, error)
	// Prove signs a text for [approval.Namespace] with the key of who acts here; nil: there is none.
	Prove func(ctx context.Context, text []byte) ([]byte, error)
	// Mentions gives those of some names that the files of a service have at a commit; an error that matches [providers.ErrNotFound]:
	// nobody has the commit. Nil: nobody can read files.
	Mentions func(ctx context.Context, service, commit string, names []string) ([]string, error)

	Rules Rules // of the policy file, over the ground rules; nil: there are none
}

// Engine is the only door to the Reversers: read-only mode, policy, confirmation, locks and the journal are enforced
// here. It may be used from several goroutines, and several processes may share its store.
type Engine struct {
	cfg      Config
	passages *passages
}

// New checks the configuration and fills in the defaults. It does no I/O beyond asking for the host's name.
func New(cfg Config) (*Engine, error) {
	if cfg.Store == nil {
		return nil, errors.New("rollback engine: no store")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = func() string { return ulid.Make().String() }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Tier == nil {
		cfg.Tier = func(environment string) string { return strings.ToLower(environment) }
	}
	if cfg.Executor == "" {
		host, err := os.Hostname()
		if err != nil {
			return nil, fmt.Errorf("rollback engine: name of this host: %w", err)
		}
		cfg.Executor = fmt.Sprintf("%s:%d", host, os.Getpid())
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&cfg.Hold, 30 * time.Second},
		{&cfg.Deadline, 10 * time.Minute},
		{&cfg.Poll, time.Second},
		{&cfg.LeaseTTL, 30 * time.Second},
		{&cfg.ApplyTimeout, 30 * time.Second},
		{&cfg.MeasureTTL, 24 * time.Hour},
		{&cfg.DrillMax, 10 * time.Minute},
		{&cfg.DrillGrace, 20 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
	if cfg.Cap <= 0 {
		cfg.Cap = 3
	}
	return &Engine{cfg: cfg, passages: newPassages(cfg.Contents)}, nil
}

// Writable is [ErrReadOnly] where this engine may not act: neither itself nor by starting another process that would.
func (e *Engine) Writable() error {
	if e.cfg.ReadOnly {
		return ErrReadOnly
	}
	return nil
}

// Units lists the units of all Reversers, sorted by id. Those that could be listed are returned also when err is not nil.
func (e *Engine) Units(ctx context.Context) ([]Unit, error) {
	var units []Unit
	var errs []error
	names := make([]string, 0, len(e.cfg.Reversers))
	for name := range e.cfg.Reversers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		mine, err := listUnits(ctx, e.cfg.Reversers[name])
		units = append(units, mine...)
		if err != nil {
			errs = append(errs, fmt.Errorf("list the units of %s: %w", name, err))
		}
	}
	sort.Slice(units, func(i, j int) bool { return units[i].ID < units[j].ID })
	return units, errors.Join(errs...)
}

func listUnits(ctx context.Context, r Reverser) (units []Unit, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout(r))
	defer cancel()
	for u, err := range r.Units(ctx) {
		if err != nil {
			return units, err
		}
		units = append(units, u)
	}
	return units, nil
}

func (e *Engine) reverser(unit UnitID) (Reverser, error) {
	r, err := e.named(providerOf(unit))
	if err != nil {
		return nil, fmt.Errorf("unit %s: %w", unit, err)
	}
	return r, nil
}

func (e *Engine) named(provider string) (Reverser, error) {
	r, ok := e.cfg.Reversers[provider]
	if !ok {
		return nil, fmt.Errorf("no provider %q takes units back: %w", provider, ErrNotFound)
	}
	return r, nil
}

func providerOf(unit UnitID) string {
	name, _, _ := strings.Cut(string(unit), ":")
	return name
}

// applier is who applies a step: the unit's own provider, unless the step names another one.
func (e *Engine) applier(s *Step) (Reverser, error) {
	if s.Provider != "" {
		return e.named(s.Provider)
	}
	return e.reverser(s.Unit)
}

// applyTimeout is how long an Apply of a step may take before nobody can say what became of it.
func (e *Engine) applyTimeout(s *Step) time.Duration {
	if r, err := e.applier(s); err == nil {
		return e.patience(r)
	}
	return e.cfg.ApplyTimeout
}

func (e *Engine) patience(r Reverser) time.Duration {
	if p, ok := r.(Patient); ok {
		return max(e.cfg.ApplyTimeout, p.ApplyTimeout())
	}
	return e.cfg.ApplyTimeout
}

// lookTimeout is how long one look at a target may take before it counts as not seen.
func lookTimeout(r Reverser) time.Duration {
	if w, ok := r.(Watchful); ok {
		return max(callTimeout, w.LookTimeout())
	}
	return callTimeout
}

// Observe looks at what a unit is now. It changes nothing.
func (e *Engine) Observe(ctx context.Context, unit UnitID) (Observation, error) {
	return e.observe(ctx, unit)
}

// observe looks at a unit once, under a deadline of its own.
func (e *Engine) observe(ctx context.Context, unit UnitID) (Observation, error) {
	r, err := e.reverser(unit)
	if err != nil {
		return Observation{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout(r))
	defer cancel()
	obs, err := r.Observe(ctx, unit)
	if err != nil {
		return Observation{}, fmt.Errorf("observe %s: %w", unit, err)
	}
	if obs.Current.Digest == "" {
		return Observation{}, fmt.Errorf("observe %s: the target does not say what content it serves", unit)
	}
	return obs, nil
}

// fail is a failpoint: a place where tests make the engine stop, hang or err.
func (e *Engine) fail(point string) error {
	if e.cfg.Fail == nil {
		return nil
	}
	if err := e.cfg.Fail(point); err != nil {
		return fmt.Errorf("%s: %w", point, err)
	}
	return nil
}

// journal writes one transaction between two failpoints.
func (e *Engine) journal(ctx context.Context, point string, fn func(*store.Tx) error) error {
	if err := e.fail(point + ".before"); err != nil {
		return err
	}
	if err := e.cfg.Store.Update(ctx, fn); err != nil {
		return fmt.Errorf("journal %s: %w", point, err)
	}
	return e.fail(point + ".after")
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
