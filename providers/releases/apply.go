package releases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

const actionSwitch = "switch"

// Apply implements rollback.Reverser: it switches the link, then reloads what serves. A reload that fails does not undo
// the switch; the result says so and Status has it until a reload succeeds.
func (p *Provider) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	u, label, err := p.target(op, step)
	if err != nil {
		return failed("nothing was done: %v", err), nil //nolint:nilerr // it is in the outcome, and it is known that nothing happened
	}
	start := time.Now()
	if res, ok := p.unchanged(ctx, u, label, step); !ok {
		return res, nil
	}
	res, err := p.host.swap(ctx, u, swap{op: op.ID, step: step.N, label: label, token: step.Token})
	if err != nil {
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Detail: err.Error()}, nil //nolint:nilerr // it is in the outcome
	}
	if res.Outcome != rollback.Applied && res.Outcome != rollback.AlreadyApplied {
		return res, nil
	}
	res = p.reload(ctx, u, label, stampName(op.ID, step.N), res)
	if res.Outcome == rollback.Applied {
		p.took(ctx, u, time.Since(start))
	}
	return res, nil
}

func (p *Provider) target(op rollback.Operation, step rollback.Step) (*unit, string, error) {
	u, err := p.unit(step.Unit)
	if err != nil {
		return nil, "", err
	}
	if !operationID.MatchString(op.ID) || step.N < 0 {
		return nil, "", fmt.Errorf("operation %q step %d: the id is letters, digits, _ and -", op.ID, step.N)
	}
	label, err := unprintable(step.Args["release"])
	if err != nil || !plain(label) || step.Action != actionSwitch {
		return nil, "", fmt.Errorf("step %q to release %q is none of this provider's", step.Action, step.Args["release"])
	}
	return u, label, nil
}

// unchanged makes sure that the release still holds what the plan promised, before anything is done.
func (p *Provider) unchanged(ctx context.Context, u *unit, label string, step rollback.Step) (rollback.Result, bool) {
	digest, err := p.digests.digest(ctx, p.host, u, label)
	switch {
	case ctx.Err() != nil:
		return unknown("no answer in time; the switch was not sent"), false
	case errors.Is(err, errNonsense):
		return unknown("the switch was not sent: %v", err), false
	case missing(err):
		return failed("nothing was done: release %s is gone; deploy it again or choose another", providers.Clean(label)), false
	case err != nil:
		return failed("nothing was done: release %s cannot be read: %v", providers.Clean(label), err), false
	case digest != step.To:
		return failed("nothing was done: release %s holds other content than the plan saw (%s)", providers.Clean(label), digest), false
	}
	return rollback.Result{}, true
}

// reload runs the unit's reload unless this step's switch was followed by one already.
func (p *Provider) reload(ctx context.Context, u *unit, label, stamp string, res rollback.Result) rollback.Result {
	if len(u.reload) == 0 {
		return res
	}
	marks, err := p.host.marks(ctx, u, label, stamp)
	if err == nil && marks[markReloaded] != "" {
		return res
	}
	out, err := p.host.run(ctx, u, u.reload)
	switch {
	case ctx.Err() != nil:
		return rollback.Result{Outcome: rollback.OutcomeUnknown, Token: res.Token, Detail: "the link was switched; the reload did not end in time"}
	case err != nil:
		res.Detail += "; the reload failed: " + providers.Clean(err.Error())
		_ = p.host.mark(ctx, u, label, stamp, markFailed, providers.Clean(err.Error()))
		return res
	}
	if err := p.host.mark(ctx, u, label, stamp, markReloaded, p.now().UTC().Format(time.RFC3339)); err != nil {
		res.Detail += "; reloaded, but that could not be noted: " + err.Error()
		return res
	}
	res.Detail += "; reloaded"
	if out != "" {
		res.Detail += ": " + out
	}
	return res
}

// Status implements rollback.Reverser: the link points to the content, and the reload that belongs to the switch ran.
func (p *Provider) Status(ctx context.Context, id rollback.UnitID, to rollback.Revision) (c rollback.Convergence, err error) {
	u, err := p.unit(id)
	if err != nil {
		return c, err
	}
	ctx, done := p.bounded(ctx)
	defer func() { done(err) }()
	l, err := p.host.glance(ctx, u)
	if err != nil {
		return c, fmt.Errorf("%s: %w", id, p.explain(u, err))
	}
	if !l.inside || l.broken {
		return rollback.Convergence{Failed: l.broken, Detail: "current points to " + providers.Clean(l.target) + ", where no release is"}, nil
	}
	digest, err := p.digests.seen(ctx, p.host, u, l.label, l.print)
	if err != nil {
		return c, fmt.Errorf("%s: identify what serves: %w", id, err)
	}
	c.Detail = fmt.Sprintf("current is %s since %s", providers.Clean(l.label), l.made.UTC().Format("15:04:05 UTC"))
	if digest != to.Digest {
		return c, nil
	}
	if len(u.reload) == 0 || l.op == "" {
		c.Done = true
		return c, nil
	}
	marks, err := p.host.marks(ctx, u, l.label, stampName(l.op, l.step))
	switch {
	case err != nil:
		return rollback.Convergence{}, fmt.Errorf("%s: was it reloaded: %w", id, err)
	case marks[markReloaded] != "":
		c.Done = true
		c.Detail += ", reloaded"
	case marks[markFailed] != "":
		c.Failed = true
		c.Detail += "; the reload failed: " + providers.Clean(marks[markFailed])
	default:
		c.Detail += "; the reload has not ended"
	}
	return c, nil
}

// took keeps how long a switch took, for the estimate of the next.
func (p *Provider) took(ctx context.Context, u *unit, d time.Duration) {
	key := fmt.Sprintf("took/%s/%020d", printable(u.name), p.now().UnixNano())
	if err := p.archive.Put(ctx, p.name, key, []byte(strconv.FormatInt(d.Nanoseconds(), 10))); err != nil {
		p.vitals.Note("how long it took is not kept: " + err.Error())
	}
}

// estimate is the median of the last five switches; 0 where there was none.
func (p *Provider) estimate(ctx context.Context, u *unit) time.Duration {
	keys, err := p.archive.Keys(ctx, p.name, "took/"+printable(u.name)+"/")
	if err != nil {
		return 0
	}
	var ds []time.Duration
	for _, key := range keys[max(len(keys)-5, 0):] {
		data, err := p.archive.Get(ctx, p.name, key)
		n, err2 := strconv.ParseInt(string(data), 10, 64)
		if errors.Join(err, err2) == nil {
			ds = append(ds, time.Duration(n))
		}
	}
	if len(ds) == 0 {
		return 0
	}
	slices.Sort(ds)
	return ds[len(ds)/2]
}
