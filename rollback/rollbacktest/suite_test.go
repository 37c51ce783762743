package rollbacktest_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

const unit = rollback.UnitID("mem:local/pricing")

func suite(t *rollbacktest.Target, r rollback.Reverser) rollbacktest.Suite {
	return rollbacktest.Suite{
		Reverser: r, Unit: unit, Timeout: time.Second, State: t.State,
		Foreign: func(_ context.Context, to rollback.Revision) error { return t.Switch(to.Digest) },
		Relabel: func(context.Context) error { t.Relabel("again"); return nil },
		Hang: func() func() {
			t.Misbehave(rollbacktest.FaultLate)
			return func() { t.Misbehave(rollbacktest.FaultNone); t.Release() }
		},
		Garbage: func() func() {
			t.Misbehave(rollbacktest.FaultGarbage)
			return func() { t.Misbehave(rollbacktest.FaultNone) }
		},
		// Memory has no process to kill: the answer is lost before or after the effect, which is what a kill leaves.
		Kill: func(ctx context.Context, op rollback.Operation, step rollback.Step) error {
			fault := rollbacktest.FaultDrop
			if strings.HasSuffix(op.ID, "1") || strings.HasSuffix(op.ID, "3") {
				fault = rollbacktest.FaultLost
			}
			t.Misbehave(fault)
			defer t.Misbehave(rollbacktest.FaultNone)
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			_, err := t.Apply(ctx, op, step)
			return err
		},
	}
}

func target() *rollbacktest.Target {
	return rollbacktest.NewTarget(unit, time.Now, "r40", "r41", "r42")
}

func TestATargetThatKeepsItsPromisesPasses(t *testing.T) {
	m := target()
	rollbacktest.Run(t, suite(m, m))
}

func TestWhatCannotBeTriedIsSaid(t *testing.T) {
	m := target()
	var skipped []string
	for _, p := range rollbacktest.Check(t.Context(), rollbacktest.Suite{Reverser: m, Unit: unit, ReadOnly: true}) {
		if !p.Skipped {
			t.Errorf("%s", p)
		}
		skipped = append(skipped, p.Check)
	}
	if m.Effects() != 0 || !slices.Contains(skipped, "two at once") || !slices.Contains(skipped, "identity is the content") {
		t.Errorf("%d effects, skipped %q", m.Effects(), skipped)
	}
}

func TestAUnitWithoutAnObservationIsOneProblem(t *testing.T) {
	m := target()
	got := rollbacktest.Check(t.Context(), rollbacktest.Suite{Reverser: m, Unit: "mem:local/other"})
	if len(got) != 1 || got[0].Check != "observe" {
		t.Errorf("got %v", got)
	}
}

// mutant is a target with one promise broken.
type mutant struct {
	*rollbacktest.Target
	end     context.Context // of the test
	mu      sync.Mutex
	observe func(o *rollback.Observation)
	plan    func(p *rollback.Proposal)
	apply   func(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error)
	status  func(c *rollback.Convergence, err *error)
}

func (m *mutant) Observe(ctx context.Context, u rollback.UnitID) (rollback.Observation, error) {
	o, err := m.Target.Observe(ctx, u)
	if err == nil && m.observe != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.observe(&o)
	}
	return o, err
}

func (m *mutant) Plan(ctx context.Context, o rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	p, err := m.Target.Plan(ctx, o, to)
	if m.plan != nil {
		m.plan(&p)
	}
	return p, err
}

func (m *mutant) Apply(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
	if m.apply != nil {
		return m.apply(ctx, op, s)
	}
	return m.Target.Apply(ctx, op, s)
}

func (m *mutant) Status(ctx context.Context, u rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	c, err := m.Target.Status(ctx, u, to)
	if m.status != nil {
		m.status(&c, &err)
	}
	return c, err
}

// Every check must be able to fail: each broken promise is found by the check that is there for it.
func TestEachBrokenPromiseIsFound(t *testing.T) {
	for check, brk := range map[string]func(*mutant){
		"looking changes nothing": func(m *mutant) {
			m.observe = func(o *rollback.Observation) { _ = m.Switch(o.Current.Digest) }
		},
		"identity is the content": func(m *mutant) {
			m.observe = func(o *rollback.Observation) {
				for i := range o.History {
					o.History[i].Digest += o.History[i].Label
				}
			}
		},
		"plan": func(m *mutant) {
			m.plan = func(p *rollback.Proposal) { p.Steps[0].Title = "" }
		},
		"stale token": func(m *mutant) {
			m.apply = func(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
				s.Token = strings.TrimSuffix(s.Token, "-stale")
				return m.Target.Apply(ctx, op, s)
			}
		},
		"deadline that has passed": func(m *mutant) {
			m.apply = func(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
				res, err := m.Target.Apply(m.end, op, s) // deaf to its caller
				if ctx.Err() != nil {
					res.Outcome = rollback.Failed
				}
				return res, err
			}
		},
		"apply, then again": func(m *mutant) {
			m.apply = func(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
				o, _ := m.Target.Observe(ctx, unit)
				if o.Stamp == op.ID { // "just do it again"
					_ = m.Switch(s.To)
					return rollback.Result{Outcome: rollback.Applied}, nil
				}
				return m.Target.Apply(ctx, op, s)
			}
		},
		"second operation with an old token": func(m *mutant) { m.apply = m.blind },
		"change from outside before apply":   func(m *mutant) { m.apply = m.blind },
		"two at once":                        func(m *mutant) { m.apply = m.blind },
		"late duplicate after a change from outside": func(m *mutant) {
			m.apply = m.blind
		},
		"killed in the middle": func(m *mutant) {
			m.observe = func(o *rollback.Observation) { o.Stamp = strings.Replace(o.Stamp, "-", "+", 1) }
		},
		"hang": func(m *mutant) {
			m.apply = func(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
				res, err := m.Target.Apply(ctx, op, s)
				if res.Outcome == rollback.OutcomeUnknown && ctx.Err() != nil {
					res.Outcome = rollback.Failed
				}
				return res, err
			}
		},
		"nonsense": func(m *mutant) {
			m.status = func(c *rollback.Convergence, err *error) {
				if *err != nil {
					*c, *err = rollback.Convergence{Done: true}, nil
				}
			}
		},
	} {
		t.Run(check, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // some wait for what is late, or never comes
				m := &mutant{Target: target(), end: t.Context()}
				brk(m)
				got := rollbacktest.Check(t.Context(), suite(m.Target, m))
				for _, p := range got {
					if p.Check == check && !p.Skipped {
						return
					}
				}
				t.Errorf("not found; the problems were %v", got)
			})
		})
	}
}

// blind applies without looking at the token.
func (m *mutant) blind(ctx context.Context, op rollback.Operation, s rollback.Step) (rollback.Result, error) {
	o, err := m.Target.Observe(ctx, unit)
	if err == nil {
		s.Token = o.Token
	}
	return m.Target.Apply(ctx, op, s)
}

// faulty is a reverser that can misbehave on purpose.
type faulty struct{ *rollbacktest.Target }

func (f faulty) Inject(fault string) (func(), bool) {
	f.Misbehave(rollbacktest.Fault(fault))
	return func() { f.Misbehave(rollbacktest.FaultNone) }, true
}

func TestWhatAReverserOffersByItselfIsTried(t *testing.T) {
	m := target()
	for _, p := range rollbacktest.Check(t.Context(), rollbacktest.Suite{Reverser: faulty{m}, Unit: unit, Timeout: time.Second}) {
		if !p.Skipped || p.Check == "hang" || p.Check == "nonsense" {
			t.Errorf("%s", p)
		}
	}
}
