package rollouts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

const (
	settleFor  = 5 * time.Second // how long the controller is given to take a write up, before the answer says that it has not
	settlePoll = 100 * time.Millisecond
)

var operationID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// attempt is one Apply.
type attempt struct {
	p    *Provider
	op   rollback.Operation
	step rollback.Step
}

// Apply implements rollback.Reverser. An undo is one conditional patch. An abort is announced in an annotation, then done in
// the status on the condition that the announcement still stands, because no patch reaches both. Afterwards the Rollout is
// read again: what is answered is what was seen, not what was sent.
func (p *Provider) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	if !operationID.MatchString(op.ID) {
		return failed("operation %q: the id is letters, digits, _ and -", providers.Clean(op.ID)), nil
	}
	s, err := p.look(ctx, step.Unit)
	if err != nil {
		return notSent(err), nil
	}
	a := &attempt{p: p, op: op, step: step}
	if res, over := a.before(s); over {
		return res, nil
	}
	switch step.Action {
	case actionUndo:
		return a.undo(ctx, s), nil
	case actionAbort:
		if res, over := a.gate(ctx, s); over {
			return res, nil
		}
		return a.flag(ctx, s, "/status/abort", true), nil
	case actionRetry:
		return a.flag(ctx, s, "/status/abort", false), nil
	case actionPromote:
		return a.flag(ctx, s, "/status/promoteFull", true), nil
	}
	return failed("step %q is none of this provider's", providers.Clean(step.Action)), nil
}

// before finds what was done already and what somebody else has done since.
func (a *attempt) before(s *sight) (rollback.Result, bool) {
	token, err := s.token()
	if err != nil {
		return failed("%v", err), true
	}
	if a.done(s) {
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: token, Detail: s.says()}, true
	}
	if a.step.Action == actionPromote {
		if t, ok := s.inForce(); ok && t.Op == a.op.ID && t.To == a.step.To {
			return rollback.Result{}, false // the step before it is what it goes by
		}
		return refused("the step before it is not in force: %s", s.says()), true
	}
	if t, ok := readStamp(s.raw, intentAnnotation); ok && t.Op == a.op.ID && t.Step == a.step.N && a.reached(s) {
		return rollback.Result{}, false // only the stamp is missing
	}
	if token != a.step.Token {
		return refused("somebody switched it since the plan was made: %s", s.says()), true
	}
	return rollback.Result{}, false
}

// done reports whether this step had its effect and nobody switched the Rollout since.
func (a *attempt) done(s *sight) bool {
	for _, o := range []*kube.Object{s.raw, s.workload} {
		if o == nil {
			continue
		}
		t, ok := readStamp(o, stampAnnotation)
		if ok && t.Op == a.op.ID && t.Step == a.step.N && s.still(t) && a.reached(s) {
			return true
		}
	}
	return false
}

// reached reports whether the Rollout is set to serve what the step goes to, in the way that the step goes.
func (a *attempt) reached(s *sight) bool {
	digest, _, err := s.serving()
	return err == nil && digest == a.step.To && s.aborted() == (a.step.Action == actionAbort)
}

// gate holds an abort back while the stable revision cannot take all traffic.
func (a *attempt) gate(ctx context.Context, s *sight) (rollback.Result, bool) {
	if !s.underWay() {
		if s.aborted() {
			return rollback.Result{}, false
		}
		return refused("no rollout is under way any more, and an abort would scale down what serves: %s", s.says()), true
	}
	budgets, err := a.p.budgets(ctx, s)
	if err != nil && ctx.Err() != nil {
		return notSent(err), true
	}
	if missing := s.short(s.floor(budgets)); missing != "" {
		return refused("%s", missing), true
	}
	return rollback.Result{}, false
}

// undo puts the template back in one patch.
func (a *attempt) undo(ctx context.Context, s *sight) rollback.Result {
	target := s.byDigest(a.step.To)
	if target == nil || len(target.lacking) > 0 {
		return failed("the ReplicaSet of %s is gone, and the archive does not have it whole", a.step.Args["revision"])
	}
	t := stamp{Op: a.op.ID, Step: a.step.N, To: a.step.To, Revs: s.revisions()}
	_, err := a.p.cluster.Patch(ctx, s.held, s.Meta.Namespace, s.holder().GetName(), s.undo(target, t), kube.Write{})
	if err != nil {
		return a.refusal(ctx, err)
	}
	return a.settle(ctx, "the template of "+target.label()+" is back")
}

// flag announces what is about to be done, does it in the status, and makes the announcement a stamp. Killed in between, it
// goes on where it was: each part holds only while nobody else came in.
func (a *attempt) flag(ctx context.Context, s *sight, path string, value bool) rollback.Result {
	t := stamp{Op: a.op.ID, Step: a.step.N, To: a.step.To, Abort: a.step.Action == actionAbort, Revs: s.revisions()[:1]}
	announced, ok := readStamp(s.raw, intentAnnotation)
	ours := ok && announced.text() == t.text()
	if !ours {
		raw, err := a.write(ctx, s, s.intend(t), kube.Write{})
		if err != nil {
			return a.refusal(ctx, err)
		}
		s.raw = raw
	}
	if !ours || !a.reached(s) || path == "/status/promoteFull" {
		if _, err := a.write(ctx, s, s.setStatus(t, path, value), kube.Write{Subresource: "status"}); err != nil {
			return a.refusal(ctx, err)
		}
	}
	if _, err := a.write(ctx, s, s.finish(t), kube.Write{}); err != nil && !errors.Is(err, kube.ErrConditionFailed) {
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: "it was done, but not all that says so is written: " + providers.Clean(err.Error())}
	}
	return a.settle(ctx, a.step.Title)
}

func (a *attempt) write(ctx context.Context, s *sight, ops []kube.Operation, w kube.Write) (*kube.Object, error) {
	return a.p.cluster.Patch(ctx, rolloutsKind, s.Meta.Namespace, s.Meta.Name, ops, w)
}

// refusal says what a write that was not answered with yes means. A condition that failed may have failed because this
// very step was done before, by a call whose answer was lost.
func (a *attempt) refusal(ctx context.Context, err error) rollback.Result {
	detail := providers.Clean(err.Error())
	switch {
	case errors.Is(err, kube.ErrConditionFailed):
		if s, lookErr := a.p.look(ctx, a.step.Unit); lookErr == nil && a.done(s) {
			token, _ := s.token()
			return rollback.Result{Outcome: rollback.AlreadyApplied, Token: token, Detail: s.says()}
		}
		return refused("somebody switched it in between: %s", detail)
	case errors.Is(err, kube.ErrRefused):
		return failed("%s", detail)
	}
	return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: detail}
}

// settle waits until the controller has taken up what was written, and compares what it made of it with what was asked. It
// is not the end of the way back, which Status tells.
func (a *attempt) settle(ctx context.Context, what string) rollback.Result {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	res := rollback.Result{Outcome: rollback.Applied, Detail: what}
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for {
		s, err := a.p.look(ctx, a.step.Unit)
		if err == nil {
			res.Token, _ = s.token()
			if s.tookUp() {
				res.Detail = what + "; " + s.says()
				if digest, _, err := s.serving(); err != nil || digest != a.step.To {
					res.Detail = what + ", but what the controller made of it is not what was asked for: " + s.says()
				}
				return res
			}
		}
		select {
		case <-ctx.Done():
			res.Detail = what + "; the controller has not taken it up yet: does it run?"
			return res
		case <-tick.C:
		}
	}
}

// tookUp reports whether the controller has answered to the Rollout as it is: it has seen the template, numbered its
// revision, and said when it aborted.
func (s *sight) tookUp() bool {
	asked := s.byHash(s.Status.CurrentPodHash)
	if !s.observed() || asked == nil || (s.Status.Abort && s.Status.AbortedAt == nil) {
		return false
	}
	return slices.Contains(asked.numbers, s.newest()) && asked.numbers[0] == s.newest()
}

// says is how the Rollout stands, in one line.
func (s *sight) says() string {
	_, serving, err := s.serving()
	name := "a template that the controller has not seen"
	if err == nil && serving != nil {
		name = serving.label()
	}
	out := fmt.Sprintf("it is set to %s, %s", name, cmp.Or(s.Status.Phase, "phase unknown"))
	if s.Status.Message != "" {
		out += " (" + providers.Clean(s.Status.Message) + ")"
	}
	return out
}

// notSent is the answer where nothing was sent because the Rollout could not be read.
func notSent(err error) rollback.Result {
	detail := "the switch was not sent: " + providers.Clean(err.Error())
	if errors.Is(err, providers.ErrNotFound) || errors.Is(err, rollback.ErrNotFound) || providers.ClassOf(err) == providers.ClassPermanent {
		return rollback.Result{Outcome: rollback.Failed, Detail: detail}
	}
	return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: detail}
}

func failed(format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: rollback.Failed, Detail: "nothing was done: " + fmt.Sprintf(format, args...)}
}

func refused(format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: fmt.Sprintf(format, args...)}
}
