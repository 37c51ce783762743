package session

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
	"github.com/backout-dev/backout/timeline"
)

// How soon an open console begins to look at plans, and how long it waits where there is nothing to look at, or something more important.
const (
	probesFirst = 10 * time.Second
	probesIdle  = 30 * time.Second
)

// Pace lets at most so many a minute begin. It may be used from several goroutines.
type Pace struct {
	mu    sync.Mutex
	most  int
	began []time.Time
}

// NewPace lets perMinute begin in any minute, one where that is less.
func NewPace(perMinute int) *Pace { return &Pace{most: max(perMinute, 1)} }

// Wait returns when one more may begin, or with why ctx is done.
func (p *Pace) Wait(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.began) == p.most {
		if err := pause(ctx, time.Until(p.began[0].Add(time.Minute))); err != nil {
			return err
		}
		p.began = p.began[1:]
	}
	p.began = append(p.began, time.Now())
	return ctx.Err()
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// probed reports whether the configuration wants a unit's plan to be looked at all the time.
func (s *Session) probed(u rollback.Unit) bool {
	return s.opts.Config.Proofs.Probe.Matches(string(u.ID))
}

// ToProbe are the units whose ids match one of the patterns, those first that were not looked at for the longest time. Those that could
// be listed are given also where err is not nil.
func (s *Session) ToProbe(ctx context.Context, patterns []string) ([]rollback.UnitID, error) {
	ids, _, err := s.toProbe(ctx, patterns)
	return ids, err
}

func (s *Session) toProbe(ctx context.Context, patterns []string) ([]rollback.UnitID, map[rollback.UnitID]proof.Probe, error) {
	probes, err := s.Engine.Probes(ctx)
	if err != nil {
		return nil, nil, err
	}
	units, err := s.Engine.Units(ctx)
	var ids []rollback.UnitID
	for _, u := range units {
		if (config.Probe{Units: patterns}).Matches(string(u.ID)) {
			ids = append(ids, u.ID)
		}
	}
	slices.SortFunc(ids, func(a, b rollback.UnitID) int {
		return cmp.Or(probes[a].Tried.Compare(probes[b].Tried), cmp.Compare(a, b))
	})
	return ids, probes, err
}

// Probe looks whether the plan of a unit is valid now, and keeps what it saw.
func (s *Session) Probe(ctx context.Context, id rollback.UnitID) (proof.Probe, error) {
	req := rollback.Request{Unit: id}
	if err := s.Prepare(ctx, &req); err != nil {
		return proof.Probe{}, err
	}
	return s.Engine.ProbePlan(ctx, req)
}

// KeepProbing looks at the plans of the units that the configuration names until ctx is done, which has to be before Close: one after
// the other, in a goroutine of its own. While a run is under way or an incident is open it looks at none: what people work on then is
// to be left to them.
func (s *Session) KeepProbing(ctx context.Context) {
	set := s.opts.Config.Proofs.Probe
	if len(set.Units) == 0 || s.opts.File != "" || s.NoRecord != nil || s.Lost != nil {
		return // there is nothing to look at, or nowhere to keep it
	}
	s.done.Go(func() {
		pace, wait := NewPace(set.Rate), probesFirst
		for pause(ctx, wait) == nil {
			wait = probesIdle
			if s.occupied(ctx) {
				continue
			}
			ids, probes, err := s.toProbe(ctx, set.Units)
			if err != nil && ctx.Err() == nil {
				s.opts.Log.Warn("not every plan can be looked at", "error", err)
			}
			for _, id := range ids {
				if s.opts.Now().Sub(probes[id].Tried) < set.Every || s.occupied(ctx) || pace.Wait(ctx) != nil {
					continue
				}
				if _, err := s.Probe(ctx, id); err != nil && ctx.Err() == nil {
					s.opts.Log.Warn("a plan cannot be looked at", "unit", id, "error", err)
				}
			}
		}
	})
}

// occupied reports whether something is under way that looking at plans would be in the way of.
func (s *Session) occupied(ctx context.Context) bool {
	if slices.ContainsFunc(s.Incidents(), func(i timeline.Incident) bool { return i.Open() }) {
		return true
	}
	runs, err := s.Engine.Runs(ctx)
	return err != nil || slices.ContainsFunc(runs, func(r rollback.Run) bool { return !r.State.Final() })
}
