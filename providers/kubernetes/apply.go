package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// tries is how often a patch is sent again because something else of the object changed between the look and the patch, as
// its status does during a rollout. What the plan is bound to is compared again each time.
const tries = 20

const versionPath = "/metadata/resourceVersion"

// Apply implements rollback.Reverser: a JSON patch that holds only while the object is what was just looked at, and that look
// what the step's token says.
func (p *Provider) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	if strings.ContainsAny(op.ID, " \t\n") || op.ID == "" {
		return result(rollback.Failed, "nothing was done: %q cannot be the id of an operation", op.ID), nil
	}
	switch step.Action {
	case actionTemplate:
		return p.applyTemplate(ctx, op, step), nil
	case actionDelete:
		return p.applyDelete(ctx, step), nil
	case actionContent:
		return p.applyContent(ctx, op, step), nil
	case actionRestart:
		return p.applyRestart(ctx, op, step), nil
	}
	return result(rollback.Failed, "nothing was done: step %q is none of this provider's", step.Action), nil
}

func result(o rollback.Outcome, format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: o, Detail: providers.Clean(fmt.Sprintf(format, args...))}
}

// before is what a look that did not work says of an effect: nothing was sent.
func before(ctx context.Context, err error) rollback.Result {
	if errors.Is(err, rollback.ErrNotFound) && ctx.Err() == nil {
		return result(rollback.Failed, "nothing was done: %v", err)
	}
	return result(rollback.OutcomeUnknown, "the patch was not sent: %v", err)
}

// writeFailed is what an error of a write says of its effect: only what the cluster refused is known to have had none.
func writeFailed(nothing string, err error) rollback.Result {
	if errors.Is(err, kube.ErrRefused) {
		return result(rollback.Failed, "%s: %v", nothing, err)
	}
	return result(rollback.OutcomeUnknown, "%v", err)
}

func (p *Provider) applyTemplate(ctx context.Context, op rollback.Operation, step rollback.Step) rollback.Result {
	var pinned pins
	if raw := step.Args[argPin]; raw != "" && json.Unmarshal([]byte(raw), &pinned) != nil {
		return result(rollback.Failed, "nothing was done: what to pin cannot be read")
	}
	var target *held
	for range tries {
		w, err := p.workload(ctx, step.Unit)
		if err != nil {
			return before(ctx, err)
		}
		if res, ok := ready(w, op, step); !ok {
			return res
		}
		if why := p.frozen(w.object.GetAnnotations()); why != "" {
			return result(rollback.Failed, "nothing was done: it is frozen: %s", why)
		}
		if target == nil {
			if target, err = p.target(ctx, w, step); err != nil {
				return before(ctx, err)
			}
			if target.digest != step.To {
				return result(rollback.Failed, "nothing was done: %s holds other content than the plan saw", target.source)
			}
		}
		made, err := p.cluster.Patch(ctx, w.kind.resource, w.namespace(), w.object.GetName(), operations(w, *target, pinned, op, step.N), kube.Write{})
		switch {
		case errors.Is(err, kube.ErrConditionFailed):
			continue // look what it was
		case err != nil:
			return writeFailed("nothing was done", err)
		}
		after, err := p.read(w.kind, made)
		if err != nil {
			return result(rollback.OutcomeUnknown, "the answer to the patch makes no sense: %v", err)
		}
		if after.digest != step.To {
			return result(rollback.Applied, "patched, but the cluster made other content of it (%s): an admission webhook changes it", after.digest)
		}
		return rollback.Result{Outcome: rollback.Applied, Token: token(after), Detail: providers.Clean(fmt.Sprintf("pod template set from %s, generation %d", target.source, made.GetGeneration()))}
	}
	return result(rollback.PreconditionFailed, "nothing was done: it changed %d times between the look and the patch", tries)
}

// ready reports whether the step is still to be done, and on what the plan saw.
func ready(w *live, op rollback.Operation, step rollback.Step) (rollback.Result, bool) {
	by, n, _ := stampOf(w.object.GetAnnotations())
	switch {
	case by == op.ID && n == step.N && w.digest == step.To && stamp(w) == op.ID:
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: token(w), Detail: "the pod template is there, set by this operation"}, false
	case token(w) != step.Token || w.digest != step.From:
		return result(rollback.PreconditionFailed, "nothing was done: somebody changed it since it was looked at (it is at %s)", w.digest), false
	case w.spec.Paused:
		return result(rollback.Failed, "nothing was done: its rollouts are paused, so that a new template would have no effect; kubectl rollout resume lets them go on"), false
	}
	return rollback.Result{}, true
}

// target reads the template to go back to from where the plan found it.
func (p *Provider) target(ctx context.Context, w *live, step rollback.Step) (*held, error) {
	source := step.Args[argSource]
	if source == sourceArchive {
		return p.fromArchive(ctx, w, step.To)
	}
	kind, name, _ := strings.Cut(source, "/")
	if kind+"s" != w.kind.revisions.Resource || name == "" {
		return nil, fmt.Errorf("%s: source %q is none: %w", w.id, source, rollback.ErrNotFound)
	}
	o, err := p.cluster.Get(ctx, w.kind.revisions, w.namespace(), name)
	if errors.Is(err, providers.ErrNotFound) {
		return nil, fmt.Errorf("%s: %s is gone: %w", w.id, source, rollback.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	h, ok := revisionOf(w.kind, o)
	if !ok {
		return nil, fmt.Errorf("%s: %s is no revision any more: %w", w.id, source, rollback.ErrNotFound)
	}
	return &h, nil
}

// operations are the patch: conditions, the template, and single annotations. None that is there is dropped but what says that
// images are pinned, where none is.
func operations(w *live, target held, pinned pins, op rollback.Operation, step int) []kube.Operation {
	out := append(asSeen(w.object),
		kube.Operation{Op: "test", Path: "/spec/template", Value: kube.Value(w.template)},
		kube.Operation{Op: "replace", Path: "/spec/template", Value: kube.Value(patched(target, pinned))})
	out = append(withStamp(out, w.object, op, step, target.digest), annotated(causeAnnotation, cause(op, target)))
	if note := pinnedNote(pinned); note != nil {
		out = append(out, annotated(pinAnnotation, note[pinAnnotation]))
	} else if _, ok := w.object.GetAnnotations()[pinAnnotation]; ok {
		out = append(out, kube.Operation{Op: "remove", Path: annotationPath(pinAnnotation)})
	}
	return out
}

// cause is what people who look at the workload with kubectl read.
func cause(op rollback.Operation, target held) string {
	text := fmt.Sprintf("backout %s: back to %s", op.ID, target.label())
	if op.By != "" {
		text += " by " + op.By
	}
	if op.Reason != "" {
		text += ": " + op.Reason
	}
	text = providers.Clean(text)
	return strings.ToValidUTF8(text[:min(len(text), 250)], "")
}

// asSeen are the conditions of every patch: the object is the one that was looked at, and nobody has written it since.
func asSeen(o *kube.Object) []kube.Operation {
	return []kube.Operation{
		{Op: "test", Path: "/metadata/uid", Value: kube.Value(o.GetUID())},
		{Op: "test", Path: versionPath, Value: kube.Value(o.GetResourceVersion())},
	}
}

// withStamp adds to a patch who puts which content there, as stampOf reads it.
func withStamp(out []kube.Operation, o *kube.Object, op rollback.Operation, step int, digest string) []kube.Operation {
	if o.GetAnnotations() == nil {
		out = append(out, kube.Operation{Op: "add", Path: "/metadata/annotations", Value: kube.Value(map[string]string{})})
	}
	return append(out, annotated(opAnnotation, fmt.Sprintf("%s %d %s", op.ID, step, digest)))
}

// annotated sets one annotation beside others.
func annotated(key, v string) kube.Operation {
	return kube.Operation{Op: "add", Path: annotationPath(key), Value: kube.Value(v)}
}

func annotationPath(key string) string { return kube.Pointer("metadata", "annotations", key) }

// applyDelete deletes one pod, the very one that the plan named, if it still is in the way.
func (p *Provider) applyDelete(ctx context.Context, step rollback.Step) rollback.Result {
	w, err := p.workload(ctx, step.Unit)
	if err != nil {
		return before(ctx, err)
	}
	if w.digest != step.To {
		return result(rollback.PreconditionFailed, "nothing was deleted: it is at %s", w.digest)
	}
	o, err := p.cluster.Get(ctx, core("pods"), w.namespace(), step.Args[argPod])
	gone := errors.Is(err, providers.ErrNotFound)
	switch {
	case gone || err == nil && string(o.GetUID()) != step.Args[argUID]:
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: token(w), Detail: "pod " + step.Args[argPod] + " is gone"}
	case err != nil:
		return before(ctx, err)
	}
	if q := podOf(o, ""); q.ready {
		return rollback.Result{Outcome: rollback.AlreadyApplied, Token: token(w), Detail: "pod " + q.name + " is ready and in nobody's way: it was left alone"}
	}
	err = p.cluster.Delete(ctx, core("pods"), w.namespace(), step.Args[argPod], types.UID(step.Args[argUID]), kube.Write{})
	if err == nil || errors.Is(err, providers.ErrNotFound) || errors.Is(err, kube.ErrConditionFailed) {
		return rollback.Result{Outcome: rollback.Applied, Token: token(w), Detail: "pod " + step.Args[argPod] + " is deleted"}
	}
	return writeFailed("nothing was deleted", err)
}
