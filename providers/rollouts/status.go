package rollouts

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// Status implements rollback.Reverser.
func (p *Provider) Status(ctx context.Context, id rollback.UnitID, to rollback.Revision) (c rollback.Convergence, err error) {
	start := p.now()
	defer func() { p.Done(start, err) }()
	s, err := p.look(ctx, id)
	if err != nil {
		return c, err
	}
	return s.convergence(to)
}

func (s *sight) convergence(to rollback.Revision) (c rollback.Convergence, err error) {
	digest, serving, err := s.serving()
	switch {
	case err != nil:
		return c, err
	case digest != to.Digest:
		c.Detail = fmt.Sprintf("%s, not to %s", s.says(), cmp.Or(to.Label, to.Digest))
		return c, nil
	case serving == nil || !s.observed():
		c.Detail = "the controller has not seen the template yet"
		return c, nil
	case s.replicas() == 0:
		return rollback.Convergence{Done: true, Vacuous: true, Detail: "scaled to zero: nothing serves, so nothing was verified"}, nil
	}
	c.Detail = fmt.Sprintf("%d of %d pods of %s available", serving.available, s.replicas(), serving.label())
	left := s.left(serving)
	switch reason, _ := s.degraded(); {
	case reason != "" && !s.aborted():
		c.Failed = true
		c.Detail += "; " + reason + ": " + providers.Clean(s.Status.Message)
	case serving.available < s.replicas():
	case s.aborted():
		c.Done = left == ""
	default:
		c.Done = left == "" && serving == s.stable()
		if !c.Done && left == "" {
			c.Detail += "; it is not the stable revision yet" + s.waiting()
		}
	}
	if left != "" && !c.Failed {
		c.Detail += "; " + left
	}
	return c, nil
}

// left is what still serves beside the revision that is to serve.
func (s *sight) left(serving *set) string {
	switch {
	case s.Spec.Strategy.BlueGreen != nil:
		if s.Status.BlueGreen.ActiveSelector != serving.hash {
			return "the active service still points to another revision" + s.waiting()
		}
		return ""
	case s.routed():
		w := s.Status.Canary.Weights
		if w == nil {
			return ""
		}
		if asked := s.asked(); asked != serving && w.Canary.Weight > 0 {
			return fmt.Sprintf("%d%% of the traffic still goes to the aborted revision", w.Canary.Weight)
		}
		return ""
	}
	for _, x := range s.sets {
		if x != serving && x.ready > 0 {
			return fmt.Sprintf("%d pods of %s still serve%s", x.ready, x.label(), s.waiting())
		}
	}
	return ""
}

// waiting says for what the rollout waits, where it does.
func (s *sight) waiting() string {
	if len(s.Status.PauseConditions) == 0 {
		return ""
	}
	var at string
	if c := s.Spec.Strategy.Canary; c != nil && s.Status.CurrentStepIndex != nil {
		at = fmt.Sprintf(" at step %d of %d", *s.Status.CurrentStepIndex+1, len(c.Steps))
	}
	return fmt.Sprintf(" (it waits%s: %s; kubectl argo rollouts promote --full skips the rest)", at, providers.Clean(s.Status.PauseConditions[0].Reason))
}

// Verify implements rollback.Reverser. The controller's word on the content is a look from inside; that the pods of the
// revision are available is one from outside the process that serves.
func (p *Provider) Verify(ctx context.Context, id rollback.UnitID, to rollback.Revision) (checks []rollback.Check, err error) {
	start := p.now()
	defer func() { p.Done(start, err) }()
	s, err := p.look(ctx, id)
	if err != nil {
		return nil, err
	}
	digest, serving, err := s.serving()
	if err != nil {
		return nil, err
	}
	content := rollback.Check{Name: "content", State: rollback.CheckFail, Observed: digest, Goal: to.Digest, Inside: true}
	if digest == to.Digest {
		content.State = rollback.CheckPass
	}
	return []rollback.Check{content, s.readiness(serving, to)}, nil
}

func (s *sight) readiness(serving *set, to rollback.Revision) rollback.Check {
	c := rollback.Check{Name: checkReady, State: rollback.CheckUnknown, Goal: fmt.Sprintf("%d available", s.replicas()), Observed: "the revision has no pods yet"}
	switch {
	case s.replicas() == 0:
		c.Observed = "scaled to zero: nothing to look at"
		return c
	case serving == nil || serving.digest != to.Digest:
		return c
	}
	have := float64(serving.available)
	c.State, c.Observed, c.Value = rollback.CheckFail, fmt.Sprintf("%d available", serving.available), &have // the goal is a least number, Limit is a largest
	if reason, _ := s.degraded(); reason != "" && !s.aborted() {
		c.Observed += ", " + strings.TrimSpace(reason)
		return c
	}
	if serving.available >= s.replicas() {
		c.State = rollback.CheckPass
	}
	return c
}

const checkReady = "pods available"
