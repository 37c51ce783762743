package rollback_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// t0 is when the fake world begins; synctest bubbles begin there too.
var t0 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

var ana = policy.Principal{ID: "ana", Kind: policy.Human}

func digest(label string) string { return "sha256:" + ledger.Hash([]byte(label)) }

// rev is a known good revision that began to serve at a minute before t0.
func rev(label, commit string, minutesAgo int) rollback.Revision {
	r := rollback.Revision{
		Digest: digest(label), Label: label, Since: t0.Add(-time.Duration(minutesAgo) * time.Minute), Good: []string{"served 20m"},
	}
	if commit != "" {
		r.Commit = digest(commit)[7:47]
	}
	return r
}

// staged is a revision that lies on the target, says nothing of itself and never served.
func staged(label string) rollback.Revision {
	return rollback.Revision{Digest: digest(label), Label: label, Staged: true}
}

// fake is a target in memory that says it is one: a compare-and-set on a counter, a stamp, and faults on demand.
type fake struct {
	mu      sync.Mutex
	units   map[rollback.UnitID]*fakeUnit
	order   []rollback.UnitID
	applied []string // "op/step" of every real effect
	listErr error
	locked  error // what Lock gives

	released int

	onApply   func(ctx context.Context, u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error)
	onObserve func(u *fakeUnit) error
	onStatus  func(u *fakeUnit) (rollback.Convergence, error)
	onVerify  func(u *fakeUnit) ([]rollback.Check, error)
	proposal  func(p *rollback.Proposal)
}

type fakeUnit struct {
	unit     rollback.Unit
	current  rollback.Revision
	history  []rollback.Revision
	token    int
	stamp    string
	inFlight string
	owners   []string
	delivers string
	raw      json.RawMessage
	done     map[string]bool
}

func newFake() *fake { return &fake{units: map[rollback.UnitID]*fakeUnit{}} }

// add makes a unit "fake:prod/NAME" that serves the first of its revisions.
func (f *fake) add(name string, revs ...rollback.Revision) *fakeUnit {
	id := rollback.UnitID("fake:prod/" + name)
	u := &fakeUnit{
		unit:    rollback.Unit{ID: id, Kind: "fake", Service: name, Environment: "prod", CAS: rollback.CASAtomic},
		current: revs[0], history: revs[1:], token: 1, done: map[string]bool{},
	}
	f.units[id] = u
	f.order = append(f.order, id)
	return u
}

func (f *fake) Units(context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		for _, id := range f.order {
			if !yield(f.units[id].unit, nil) {
				return
			}
		}
		if f.listErr != nil {
			yield(rollback.Unit{}, f.listErr)
		}
	}
}

func (f *fake) Observe(_ context.Context, id rollback.UnitID) (rollback.Observation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, ok := f.units[id]
	if !ok {
		return rollback.Observation{}, rollback.ErrNotFound
	}
	if f.onObserve != nil {
		if err := f.onObserve(u); err != nil {
			return rollback.Observation{}, err
		}
	}
	return rollback.Observation{
		Unit: u.unit, At: time.Now(), Current: u.current, Token: fmt.Sprint(u.token), Stamp: u.stamp, InFlight: u.inFlight,
		Owners: u.owners, Delivers: u.delivers, History: slices.Clone(u.history), Raw: u.raw,
	}, nil
}

func (f *fake) Plan(_ context.Context, o rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	p := rollback.Proposal{
		Steps: []rollback.Step{{N: 1, Action: "switch", Title: "switch to " + to.Label, To: to.Digest, Token: o.Token}},
		Diff:  "-" + o.Current.Label + "\n+" + to.Label + "\n", Checks: []string{"answers"},
	}
	if f.proposal != nil {
		f.proposal(&p)
	}
	return p, nil
}

func (f *fake) Apply(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
	f.mu.Lock()
	u := f.units[s.Unit]
	f.mu.Unlock()
	if f.onApply != nil {
		return f.onApply(ctx, u, op, s)
	}
	return f.swap(u, op, s)
}

// swap is the compare-and-set itself.
func (f *fake) swap(u *fakeUnit, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := fmt.Sprintf("%s/%d", op.ID, s.N)
	if u.done[key] {
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: fmt.Sprint(u.token)}, nil
	}
	if s.Token != fmt.Sprint(u.token) {
		return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: "it was switched by " + u.stamp}, nil
	}
	i := slices.IndexFunc(u.history, func(r rollback.Revision) bool { return r.Digest == s.To })
	if i < 0 {
		return rollback.Result{Outcome: rollback.Failed, Detail: "the release directory is gone"}, nil
	}
	u.done[key] = true
	f.applied = append(f.applied, key)
	u.become(u.history[i], op.ID)
	return rollback.Result{Outcome: rollback.Applied, Token: fmt.Sprint(u.token)}, nil
}

// become switches the unit, whoever did it.
func (u *fakeUnit) become(r rollback.Revision, stamp string) {
	u.history = append([]rollback.Revision{u.current}, u.history...)
	r.Since = time.Now().UTC()
	u.current, u.stamp = r, stamp
	u.token++
}

// foreign is a switch by somebody else.
func (f *fake) foreign(u *fakeUnit, r rollback.Revision) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u.become(r, "somebody")
}

func (f *fake) Status(_ context.Context, id rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onStatus != nil {
		return f.onStatus(f.units[id])
	}
	done := f.units[id].current.Digest == to.Digest
	return rollback.Convergence{Done: done, Detail: "on " + f.units[id].current.Label}, nil
}

func (f *fake) Verify(_ context.Context, id rollback.UnitID, _ rollback.Revision) ([]rollback.Check, error) {
	if f.onVerify != nil {
		return f.onVerify(f.units[id])
	}
	return []rollback.Check{{Name: "answers", State: rollback.CheckPass}}, nil
}

func (f *fake) effects() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.applied)
}

// lockingFake is a fake whose target holds a lock of its own.
type lockingFake struct{ *fake }

func (f lockingFake) Lock(context.Context, rollback.UnitID, rollback.Operation, time.Duration) (func(context.Context) error, error) {
	return func(context.Context) error { f.released++; return nil }, f.locked
}

// alerts is a source of symptoms that a test sets.
type alerts struct {
	mu    sync.Mutex
	state map[string]providers.AlertState
	seen  func() time.Time
	err   error
}

func (a *alerts) States(_ context.Context, refs []rollback.AlertRef) ([]rollback.Symptom, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []rollback.Symptom
	for _, r := range refs {
		if s, ok := a.state[r.ID]; ok {
			out = append(out, rollback.Symptom{AlertRef: r, State: s, SeenAt: a.seen()})
		}
	}
	return out, a.err
}

func (a *alerts) set(id string, s providers.AlertState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state[id] = s
}

// bench is one engine on a fake target and a real store.
type bench struct {
	*rollback.Engine
	cfg    rollback.Config
	db     *store.DB
	target *fake
	alerts *alerts
}

func newBench(t *testing.T, change ...func(*rollback.Config)) *bench {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &bench{db: db, target: newFake(), alerts: &alerts{state: map[string]providers.AlertState{}, seen: time.Now}}
	b.cfg = rollback.Config{
		Store: db, Reversers: map[string]rollback.Reverser{"fake": b.target}, Symptoms: b.alerts,
		Hold: 5 * time.Second, Deadline: time.Minute, Poll: 100 * time.Millisecond, Executor: "here:1",
	}
	for _, c := range change {
		c(&b.cfg)
	}
	b.Engine = b.another(t)
	return b
}

// another is an engine of another process on the same store and target.
func (b *bench) another(t *testing.T, change ...func(*rollback.Config)) *rollback.Engine {
	t.Helper()
	cfg := b.cfg
	for _, c := range change {
		c(&cfg)
	}
	e, err := rollback.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// pricing adds the unit that most tests roll back: r42 is bad, r41 was good.
func (b *bench) pricing() *fakeUnit {
	return b.target.add("pricing", rev("r42", "bad", 10), rev("r41", "good", 100), rev("r40", "older", 1000))
}

func (b *bench) plan(t *testing.T, req rollback.Request) rollback.Plan {
	t.Helper()
	if req.Unit == "" && req.Change == nil {
		req.Unit = "fake:prod/pricing"
	}
	p, err := b.Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func yes(p rollback.Plan) rollback.Confirmation {
	return rollback.Confirmation{PlanHash: p.Hash, By: ana, Typed: p.Decision.Name, Reason: "errors", Via: "command line"}
}

// confirmed plans and confirms.
func (b *bench) confirmed(t *testing.T, req rollback.Request) rollback.Run {
	t.Helper()
	p := b.plan(t, req)
	run, err := b.Confirm(t.Context(), p, yes(p))
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func (b *bench) entries(t *testing.T, kind ledger.Kind) []ledger.Entry {
	t.Helper()
	all, err := b.db.Entries(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(e ledger.Entry) bool { return e.Kind != kind })
}

// sound checks what must hold after every run: the chain, and that no step had two effects.
func (b *bench) sound(t *testing.T) {
	t.Helper()
	r, err := b.db.Verify(t.Context())
	if err != nil || !r.OK {
		t.Errorf("the ledger does not verify: %+v %v", r, err)
	}
	seen := map[string]bool{}
	for _, k := range b.target.effects() {
		if seen[k] {
			t.Errorf("%s was applied twice", k)
		}
		seen[k] = true
	}
}

var errAway = errors.New("the host does not answer")
