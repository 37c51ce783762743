package unleash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
	"github.com/backout-dev/backout/rollback"
)

// maxStamp is how long the value of a tag may be in Unleash.
const maxStamp = 50

func result(outcome rollback.Outcome, format string, args ...any) (rollback.Result, error) {
	return rollback.Result{Outcome: outcome, Detail: providers.Clean(fmt.Sprintf(format, args...))}, nil
}

// Apply implements rollback.Reverser. Unleash takes no condition, so it looks right before, tags the flag with the operation, looks
// once more, changes what differs, looks again, and takes the tag off. Done again after it was interrupted, it goes on where it
// was, if nobody else has been there since.
func (p *Provider) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	if ctx.Err() != nil {
		return result(rollback.Failed, "nothing was done: there was no time left")
	}
	target, err := goal(step)
	switch {
	case err != nil:
		return result(rollback.Failed, "nothing was done: %v", err)
	case len(stampPrefix+op.ID) > maxStamp:
		return result(rollback.Failed, "nothing was done: the operation's name is too long for a tag of Unleash")
	}
	select {
	case p.acting <- struct{}{}:
		defer func() { <-p.acting }()
	case <-ctx.Done():
		return result(rollback.Failed, "nothing was done: another change was under way for too long")
	}
	s, err := p.look(ctx, step.Unit)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return result(rollback.PreconditionFailed, "nothing was done: %v", err)
	case err != nil:
		return result(rollback.OutcomeUnknown, "%v", err)
	case s.stamp() == op.ID && s.now.digest() == step.To:
		p.untag(ctx, s, op.ID)
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: s.token(), Detail: s.flag + " is " + s.now.words() + " already, by this operation"}, nil
	}
	if other := s.since(step.Token, op.ID); other != "" {
		return result(rollback.PreconditionFailed, "nothing was done: %s", other)
	}
	return p.carry(ctx, op, step, s, target)
}

// goal is the configuration that a step goes to, as the plan holds it.
func goal(step rollback.Step) (configuration, error) {
	var target configuration
	if step.Action != actionKill && step.Action != actionRestore {
		return target, fmt.Errorf("%q is no step of this provider", step.Action)
	}
	if err := json.Unmarshal([]byte(step.Args["configuration"]), &target); err != nil || target.digest() != step.To {
		return target, errors.New("the step does not hold the configuration that it names: plan again")
	}
	return target, nil
}

// since says who was at the unit since the plan saw it, beside the operation itself; "" nobody.
func (s *state) since(token, op string) string {
	if token == s.token() {
		return ""
	}
	saw, ok := seen(token)
	if !ok {
		return "the plan's token is none of this provider"
	}
	by := stamps(s.log)
	ours := false
	for _, e := range s.log {
		if e.ID <= saw {
			break
		}
		if !e.touches(s.env) {
			continue
		}
		if by[e.ID] != op {
			text, _ := told(e)
			return fmt.Sprintf("since the plan, %s changed it: %s, at %s (event %d)", e.By, text, e.At.UTC().Format(time.DateTime), e.ID)
		}
		ours = true
	}
	if !ours {
		return "it is not what the plan saw, and Unleash's log does not say who changed it"
	}
	return ""
}

// carry does what a step asks for, after the first look.
func (p *Provider) carry(ctx context.Context, op rollback.Operation, step rollback.Step, s *state, target configuration) (rollback.Result, error) {
	if err := p.tag(ctx, s, op.ID); err != nil {
		if httpapi.Refused(err) {
			return result(rollback.Failed, "nothing was done: Unleash refused to tag %s: %v", s.flag, err)
		}
		return result(rollback.OutcomeUnknown, "%s may carry a tag of this operation, and is otherwise as before: %v", s.flag, err)
	}
	s, err := p.look(ctx, step.Unit)
	if err != nil {
		return result(rollback.OutcomeUnknown, "%v", err)
	}
	if other := s.since(step.Token, op.ID); other != "" {
		p.untag(ctx, s, op.ID)
		return result(rollback.PreconditionFailed, "nothing was done: %s", other)
	}
	if done, err := p.write(ctx, s, target); err != nil {
		if done == 0 && httpapi.Refused(err) {
			p.untag(ctx, s, op.ID)
			return result(rollback.Failed, "nothing was done: Unleash refused: %v", err)
		}
		return result(rollback.OutcomeUnknown, "after %d %s: %v", done, plural(done, "change", "changes"), err)
	}
	if s, err = p.look(ctx, step.Unit); err != nil {
		return result(rollback.OutcomeUnknown, "changed, and not seen since: %v", err)
	}
	switch e, _ := s.newest(); {
	case s.now.digest() != step.To:
		return result(rollback.OutcomeUnknown, "%s was changed, and is %s now: somebody else was at it at the same time (the last was %s)", s.flag, s.now.words(), e.By)
	case s.stamp() != op.ID:
		return result(rollback.OutcomeUnknown, "%s is %s, and the last to change it was %s, not this operation", s.flag, s.now.words(), e.By)
	}
	p.untag(ctx, s, op.ID)
	return rollback.Result{Outcome: rollback.Applied, Token: s.token(), Detail: s.flag + " is " + s.now.words() + " in " + s.env}, nil
}
