package git

import (
	"context"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// Status implements [rollback.Reverser]: it has arrived when the files on the remote branch are the target's. A proposal
// on a review branch has not.
func (v *Reverter) Status(ctx context.Context, id rollback.UnitID, to rollback.Revision) (c rollback.Convergence, err error) {
	err = v.looked(ctx, func(ctx context.Context, s *sight) error {
		service, err := v.service(s, id)
		if err != nil {
			return err
		}
		now := s.now(service)
		if now.digest == to.Digest {
			c = rollback.Convergence{Done: true, Detail: v.set.Revert.shown() + " holds it as " + now.label()}
			return nil
		}
		c.Detail = v.set.Revert.shown() + " holds " + now.label() + ": " + now.subject
		if !v.set.Revert.reviews() {
			return nil
		}
		w, ok, err := v.wayTo(ctx, s, service, to.Digest)
		if err != nil || !ok {
			return err
		}
		ref := "refs/heads/" + v.set.Revert.review(service, w.hashes())
		at, err := s.repo.heads(ctx, s.pushTo, ref)
		switch {
		case err != nil:
			return v.unreached(ctx, err)
		case at[ref] != "":
			c.Detail = v.next(short(ref))
		default:
			c.Detail += "; there is no " + short(ref)
		}
		return nil
	})
	return c, err
}

// Verify implements [rollback.Reverser]: whether the files on the branch are the target's. That is a look inside, and says
// nothing of what is deployed.
func (v *Reverter) Verify(ctx context.Context, id rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	check := rollback.Check{Name: "files on " + v.set.Revert.shown(), State: rollback.CheckUnknown, Goal: providers.Clean(to.Label), Inside: true}
	err := v.looked(ctx, func(_ context.Context, s *sight) error {
		service, err := v.service(s, id)
		if err != nil {
			return err
		}
		now := s.now(service)
		check.Observed, check.State = now.label(), rollback.CheckFail
		if now.digest == to.Digest {
			check.State = rollback.CheckPass
		}
		return nil
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		check.Observed = providers.Clean(err.Error())
	}
	return []rollback.Check{check}, nil
}
