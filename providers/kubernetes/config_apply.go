package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

const restartedAt = "kubectl.kubernetes.io/restartedAt"

// applyContent puts an archived content back, on the condition that the ConfigMap is the one and holds what the plan saw.
func (p *Provider) applyContent(ctx context.Context, op rollback.Operation, step rollback.Step) rollback.Result {
	for range tries {
		c, err := p.config(ctx, step.Unit)
		if err != nil {
			return before(ctx, err)
		}
		if res, ok := c.ready(op, step); !ok {
			return res
		}
		if why := p.frozen(c.object.GetAnnotations()); why != "" {
			return result(rollback.Failed, "nothing was done: it is frozen, %s", why)
		}
		held, err := p.chronicle.contents(ctx, c.at())
		if err != nil {
			return before(ctx, err)
		}
		i := slices.IndexFunc(held, func(h content) bool { return h.Digest == step.To })
		if i < 0 {
			return result(rollback.Failed, "nothing was done: %s is not in the archive any more", step.To)
		}
		made, err := p.cluster.Patch(ctx, configMaps, c.at().namespace, c.at().name, contentOperations(c, held[i], op, step.N), kube.Write{})
		switch {
		case errors.Is(err, kube.ErrConditionFailed):
			continue // look what it was
		case err != nil:
			return writeFailed("nothing was done", err)
		}
		after := p.readConfig(made)
		if after == nil || after.setting.Digest != step.To {
			return result(rollback.Applied, "patched, but the cluster made other content of it: an admission webhook changes it")
		}
		return rollback.Result{Outcome: rollback.Applied, Token: configToken(after), Detail: "content set from the archive, " + after.setting.Summary}
	}
	return result(rollback.PreconditionFailed, "nothing was done: it changed %d times between the look and the patch", tries)
}

// ready reports whether the step is still to be done, and on what the plan saw.
func (c *config) ready(op rollback.Operation, step rollback.Step) (rollback.Result, bool) {
	by, n, _ := stampOf(c.object.GetAnnotations())
	switch {
	case by == op.ID && n == step.N && c.setting.Digest == step.To && c.stamp() == op.ID:
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: configToken(c), Detail: "the content is there, set by this operation"}, false
	case configToken(c) != step.Token || c.setting.Digest != step.From:
		return result(rollback.PreconditionFailed, "nothing was done: somebody changed it since it was looked at (it holds %s)", c.setting.Summary), false
	case c.immutable():
		return result(rollback.Failed, "nothing was done: it is immutable"), false
	}
	return rollback.Result{}, true
}

// contentOperations are the patch: conditions, the content as a whole, and one annotation. None that is there is dropped.
func contentOperations(c *config, target content, op rollback.Operation, step int) []kube.Operation {
	out := asSeen(c.object)
	data, binary := target.parts()
	for _, part := range []struct {
		field string
		to    map[string]any
	}{{"data", data}, {"binaryData", binary}} {
		path := "/" + part.field
		there := object(c.object.Object, part.field)
		if there != nil {
			out = append(out, kube.Operation{Op: "test", Path: path, Value: kube.Value(there)})
		}
		switch {
		case len(part.to) > 0:
			out = append(out, kube.Operation{Op: "add", Path: path, Value: kube.Value(part.to)})
		case there != nil:
			out = append(out, kube.Operation{Op: "remove", Path: path})
		}
	}
	return withStamp(out, c.object, op, step, target.Digest)
}

// applyRestart makes new pods of one workload, once per operation, if the ConfigMap holds the target and the workload is what
// the plan saw.
func (p *Provider) applyRestart(ctx context.Context, op rollback.Operation, step rollback.Step) rollback.Result {
	for range tries {
		c, err := p.config(ctx, step.Unit)
		if err != nil {
			return before(ctx, err)
		}
		w, err := p.workload(ctx, rollback.UnitID(step.Args[argWorkload]))
		if err != nil {
			return before(ctx, err)
		}
		by, n, _ := stampOf(w.object.GetAnnotations())
		switch {
		case by == op.ID && n == step.N && stamp(w) == op.ID:
			return rollback.Result{Outcome: rollback.AlreadyApplied, Token: configToken(c), Detail: "it was restarted by this operation"}
		case c.setting.Digest != step.To:
			return result(rollback.PreconditionFailed, "nothing was restarted: the ConfigMap holds %s", c.setting.Summary)
		case token(w) != step.Args[argToken]:
			return result(rollback.PreconditionFailed, "nothing was restarted: somebody changed %s since it was looked at", w.id)
		case w.spec.Paused || p.frozen(w.object.GetAnnotations()) != "":
			return result(rollback.Failed, "nothing was restarted: its rollouts are paused, or it is frozen")
		}
		_, err = p.cluster.Patch(ctx, w.kind.resource, w.namespace(), w.object.GetName(), restartOperations(w, op, step.N, p.now()), kube.Write{})
		switch {
		case err == nil:
			return rollback.Result{Outcome: rollback.Applied, Token: configToken(c), Detail: providers.Clean(string(w.id) + " is restarted")}
		case errors.Is(err, kube.ErrConditionFailed):
			continue
		}
		return writeFailed("nothing was restarted", err)
	}
	return result(rollback.PreconditionFailed, "nothing was restarted: the workload changed %d times between the look and the patch", tries)
}

// restartOperations are what kubectl rollout restart does, with conditions and a stamp.
func restartOperations(w *live, op rollback.Operation, step int, now time.Time) []kube.Operation {
	after := cleanTemplate(w.template)
	meta, _ := after["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		after["metadata"] = meta
	}
	notes, _ := meta["annotations"].(map[string]any)
	if notes == nil {
		notes = map[string]any{}
		meta["annotations"] = notes
	}
	notes[restartedAt] = now.UTC().Format(time.RFC3339)
	out := append(asSeen(w.object),
		kube.Operation{Op: "test", Path: "/spec/template", Value: kube.Value(w.template)},
		kube.Operation{Op: "add", Path: "/spec/template/metadata/annotations", Value: kube.Value(notes)})
	return withStamp(out, w.object, op, step, servedDigest(after, w.object.GetAnnotations()))
}

// statusConfig: the content is there, and what the operation that set it restarted is there again. Who else reads it need not be
// well: its own way back may wait for this.
func (p *Provider) statusConfig(ctx context.Context, id rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	c, err := p.config(ctx, id)
	if err != nil {
		return rollback.Convergence{}, err
	}
	if c.setting.Digest != to.Digest {
		return rollback.Convergence{Detail: "it holds " + c.setting.Summary}, nil
	}
	readers, err := p.readers(ctx, c.at())
	if err != nil {
		return rollback.Convergence{}, err
	}
	out := rollback.Convergence{Done: true, Detail: "it holds " + c.setting.Summary}
	for i := range readers {
		r := &readers[i]
		n := r.count()
		if op := stamp(r.live); op != "" && op == c.stamp() && r.how().Type != "OnDelete" && (r.status.ObservedGeneration < r.object.GetGeneration() || n.updated < r.updatable() || n.available < n.updated) {
			out.Done = false
			out.Detail += fmt.Sprintf("; %s: %d of %d pods updated, %d available", r.title(), n.updated, n.desired, n.available)
		}
	}
	out.Detail = providers.Clean(out.Detail)
	return out, nil
}

// verifyConfig checks what it holds, and that those that read it are well.
func (p *Provider) verifyConfig(ctx context.Context, id rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	c, err := p.config(ctx, id)
	if err != nil {
		return nil, err
	}
	holds := rollback.Check{Name: "what it holds", Inside: true, State: rollback.CheckPass, Observed: c.setting.Summary, Goal: to.Label}
	if c.setting.Digest != to.Digest {
		holds.State = rollback.CheckFail
	}
	readers, err := p.readers(ctx, c.at())
	if err != nil {
		return nil, err
	}
	out := []rollback.Check{holds}
	for i := range readers {
		if readers[i].count().desired > 0 {
			check := p.readiness(readers[i].look)
			check.Name = providers.Clean(readyWith(readers[i].title(), check.Name))
			out = append(out, check)
		}
	}
	return out, nil
}

// summaryOf says of keys which they are, for a sentence.
func summaryOf(keys []string) string { return providers.Clean(strings.Join(keys, ", ")) }
