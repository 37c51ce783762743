package gitops

import (
	"context"
	"encoding/json"
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
	attempts   = 3 // an application's status lies beside its spec, so what is tested may move without anybody having touched it
	settleFor  = 5 * time.Second
	settlePoll = 100 * time.Millisecond
)

var operationID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// attempt is one step that holds a reconciler back.
type attempt struct {
	p    *Provider
	op   rollback.Operation
	n    int
	args map[string]string
}

// Apply implements rollback.Reverser: it holds one reconciler back, in one patch on the condition that it is as the plan saw
// it. One that backout holds back for another unit already gets one holder more.
func (p *Provider) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	a := &attempt{p: p, op: op, n: step.N, args: step.Args}
	k := kindOf(step.Args[argKind])
	if step.Action != actionHold || k == nil || !operationID.MatchString(op.ID) {
		return failed("step %q of operation %q is none of this provider's", providers.Clean(step.Action), providers.Clean(op.ID)), nil
	}
	start := p.now()
	res, err := p.write(ctx, k, step.Args, a.prepare)
	if res.Outcome == rollback.Applied || res.Outcome == rollback.AlreadyApplied {
		res.Token, res.Detail = holder{Op: op.ID, Step: step.N}.token(), p.heeded(ctx, k, step.Args)
	}
	p.Done(start, err)
	return res, nil
}

// write reads a reconciler, has a patch prepared for it and sends that, until nothing moved in between.
func (p *Provider) write(ctx context.Context, k *kind, args map[string]string, prepare func(*node) ([]kube.Operation, *rollback.Result)) (rollback.Result, error) {
	for try := 1; ; try++ {
		n, err := p.get(ctx, k, args[argNamespace], args[argName])
		if err != nil {
			return notSent(err), err
		}
		ops, res := prepare(n)
		if res != nil {
			return *res, nil
		}
		_, err = p.cluster.Patch(ctx, k.resource, args[argNamespace], args[argName], ops, kube.Write{})
		switch {
		case err == nil:
			return rollback.Result{Outcome: rollback.Applied}, nil
		case errors.Is(err, kube.ErrConditionFailed) && try < attempts:
		case errors.Is(err, kube.ErrConditionFailed):
			return refused("%s moves all the time: %s", n, providers.Clean(err.Error())), nil
		case errors.Is(err, kube.ErrRefused):
			return failed("%s", providers.Clean(err.Error())), nil
		default:
			return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: providers.Clean(err.Error())}, err
		}
	}
}

// prepare makes the patch, or says why there is none to make.
func (a *attempt) prepare(n *node) ([]kube.Operation, *rollback.Result) {
	was, application := json.RawMessage(a.args[argWas]), a.args[argFor]
	if string(n.object.GetUID()) != a.args[argUID] {
		return nil, answer(refused("%s was made anew since the plan was made", n))
	}
	mine := holder{Op: a.op.ID, Step: a.n, For: application, By: providers.Clean(a.op.By), Reason: providers.Clean(a.op.Reason), At: a.p.now().UTC()}
	mark, off := n.stamp(), n.off(application)
	p := n.begin()
	switch {
	case off && mark != nil && slices.ContainsFunc(mark.Holders, func(h holder) bool { return h.token() == mine.token() }):
		return nil, answer(rollback.Result{Outcome: rollback.AlreadyApplied, Token: mine.token()})
	case off && mark != nil && same(mark.Was, was):
		p.unchanged(n.field...)
	case off:
		return nil, answer(refused("somebody else held %s back since the plan was made", n))
	case n.word == ownerSet && mark != nil && same(mark.Was, was):
		p.stop(application)
	case !same(raw(n.at(n.field...)), was):
		return nil, answer(refused("somebody changed %s of %s since the plan was made", kube.Pointer(n.field...), n))
	default:
		mark = &stamp{Was: was}
		p.stop(application)
	}
	mark.Holders = append(mark.Holders, mine)
	p.mark(mark)
	p.ask(a.p.now())
	return p.ops, nil
}

// settle waits until something holds, for a bounded time.
func (p *Provider) settle(ctx context.Context, within time.Duration, holds func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(settlePoll)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

func notSent(err error) rollback.Result {
	detail := "it was not sent: " + providers.Clean(err.Error())
	if providers.ClassOf(err) == providers.ClassPermanent {
		return rollback.Result{Outcome: rollback.Failed, Detail: detail}
	}
	return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: detail}
}

func answer(r rollback.Result) *rollback.Result { return &r }

func failed(format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: rollback.Failed, Detail: "nothing was done: " + fmt.Sprintf(format, args...)}
}

func refused(format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: rollback.PreconditionFailed, Detail: fmt.Sprintf(format, args...)}
}
