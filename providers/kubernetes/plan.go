package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// What a step does.
const (
	actionTemplate = "set pod template"
	actionDelete   = "delete stuck pod"

	// The arguments of a step.
	argSource = "source" // where the target's template is: an object of the cluster, or the archive
	argPin    = "pin"
	argPod    = "pod"
	argUID    = "uid"

	sourceArchive = "archive"
)

// Plan implements rollback.Reverser: one patch of the pod template, tried on the API server without being kept, so that its
// admission and its defaults are in the difference. A pod of a StatefulSet that would block the way is a step of its own.
func (p *Provider) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	return p.PlanWith(ctx, obs, to, nil)
}

// PlanWith implements rollback.Accompanied: a workload's configuration may go back in the same plan, and its pods begin anew by
// its own way back.
func (p *Provider) PlanWith(ctx context.Context, obs rollback.Observation, to rollback.Revision, with []rollback.Companion) (rollback.Proposal, error) {
	if _, _, ok := p.isConfig(obs.Unit.ID); ok {
		return p.planConfig(ctx, obs, to, with)
	}
	var prop rollback.Proposal
	l, err := p.look(ctx, obs.Unit.ID)
	if err != nil {
		return prop, err
	}
	i := slices.IndexFunc(l.revs, func(h held) bool { return h.digest == to.Digest })
	if i < 0 {
		prop.Missing = []string{fmt.Sprintf("%s (%s) is neither in the cluster nor in the archive: deploy it again, or choose another revision", cmp.Or(to.Label, "the target"), to.Digest)}
		prop.LookedAt(rollback.LostArtifact, "the pod template to go back to", 0)
		return prop, nil
	}
	target := l.revs[i]
	if len(target.lacking) > 0 {
		prop.Missing = []string{lacks(target.lacking)}
		prop.LookedAt(rollback.LostArtifact, "the pod template to go back to", 0)
		prop.Diff, err = kube.Diff(l.object.GetName(), l.template, l.object.GetName(), target.template)
		return prop, err
	}
	pinned := l.pin(target, &prop)
	first := rollback.Step{
		N: 1, Unit: l.id, Action: actionTemplate, Title: l.title(target), From: obs.Current.Digest, To: to.Digest, Token: obs.Token,
		Args: map[string]string{argSource: target.source},
	}
	if len(pinned) > 0 {
		raw, err := json.Marshal(pinned)
		if err != nil {
			return prop, fmt.Errorf("%s: %w", l.id, err)
		}
		first.Args[argPin] = string(raw)
	}
	prop.Steps = append(prop.Steps, first)
	prop.Mechanism, prop.ChangeClass = l.mechanism(), kube.ChangedFields(l.template, target.template)
	l.stuckSteps(&prop, to)
	n := len(prop.Missing)
	if err := p.tryOut(ctx, l, target, pinned, &prop); err != nil {
		return prop, err
	}
	prop.LookedAt(rollback.LostArtifact, "a dry run of the patch on the API server", n)
	n = len(prop.Missing)
	if err := p.rights(ctx, l.live, prop.Steps, &prop); err != nil {
		return prop, err
	}
	prop.LookedAt(rollback.LostRight, "what the API server says that you may do", n)
	n = len(prop.Missing)
	if err := p.require(ctx, l.live, target, to, with, &prop); err != nil {
		return prop, err
	}
	prop.LookedAt(rollback.LostArtifact, "what the target refers to", n)
	p.available(ctx, l, target, &prop)
	l.exposes(target, &prop)
	l.told(&prop)
	l.stranded(target, &prop)
	prop.Blast, prop.Estimate = l.blast(), l.estimate(to)
	if l.probed() {
		prop.Checks = []string{p.readinessName()}
	}
	return prop, nil
}

func (l *look) title(target held) string {
	t := fmt.Sprintf("set the pod template of %s %s to %s", l.kind.title, l.object.GetName(), target.label())
	if target.object == nil {
		t += " from the archive"
	}
	if c := l.count(); l.rolling() {
		t += fmt.Sprintf(", which stops the rollout under way (%d of %d pods updated)", c.updated, c.desired)
	}
	return providers.Clean(t)
}

// rolling reports that a rollout is under way, or stuck.
func (w *live) rolling() bool {
	c := w.count()
	return w.status.ObservedGeneration < w.object.GetGeneration() || c.updated < c.desired || c.existing > c.updated || c.available < c.updated
}

// blast is how many pods are replaced.
func (l *look) blast() string {
	n := l.count().desired
	if s := l.how(); s.Type == "OnDelete" {
		return fmt.Sprintf("0 of %d pods until each is deleted", n)
	} else if s.RollingUpdate != nil && s.RollingUpdate.Partition != nil && *s.RollingUpdate.Partition > 0 {
		return fmt.Sprintf("%d of %d pods", max(n-*s.RollingUpdate.Partition, 0), n)
	}
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}

// told is what a person has to know of the way back that no number says.
func (l *look) told(prop *rollback.Proposal) {
	prop.NotRestored = append(prop.NotRestored, "data written since, and everything outside the pod template: replicas, strategy, selector, minReadySeconds, deadlines, labels of the "+l.kind.title)
	warn := func(format string, args ...any) { prop.Warnings = append(prop.Warnings, fmt.Sprintf(format, args...)) }
	if l.kind.name == "statefulset" {
		prop.NotRestored = append(prop.NotRestored, "volumes, their size and content, and volumeClaimTemplates")
	}
	if l.count().desired == 0 {
		warn("it is scaled to zero: nothing will serve, so nothing can be verified")
	}
	if l.spec.RevisionHistoryLimit != nil && *l.spec.RevisionHistoryLimit == 0 {
		warn("revisionHistoryLimit is 0: the cluster keeps nothing to come back to")
	}
	s := l.how()
	switch {
	case s.Type == "OnDelete":
		warn("OnDelete: 0 of %d pods will change until each is deleted", l.count().desired)
	case s.RollingUpdate != nil && s.RollingUpdate.Partition != nil && *s.RollingUpdate.Partition > 0:
		warn("partition %d: pods with a lower ordinal keep what they have", *s.RollingUpdate.Partition)
	}
	if _, ok := l.object.GetAnnotations()["kubectl.kubernetes.io/last-applied-configuration"]; ok {
		warn("the next kubectl apply compares with what was applied last, not with what is there now: fields that the bad version removed or added may then stay or go; look at kubectl diff first")
	}
	if managers := l.templateManagers(); len(managers) > 0 {
		warn("backout becomes a manager of the fields that it sets beside %s: a server-side apply of theirs may report a conflict on these fields", strings.Join(managers, ", "))
	}
	for _, owner := range kube.OwnersOf(l.object) {
		warn("%s still wants the version that is taken back: it comes back with its next sync or upgrade, unless that is suspended or changed too", owner)
	}
}

// templateManagers are those that apply the template by server-side apply.
func (l *look) templateManagers() []string {
	var out []string
	for _, m := range kube.Managers(l.object) {
		if m.Applies && m.Owns("spec", "template") && m.Name != kube.FieldManager {
			out = append(out, providers.Clean(m.Name))
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(out)))
}

// tryOut asks the API server what the patch would make of the workload.
func (p *Provider) tryOut(ctx context.Context, l *look, target held, pinned pins, prop *rollback.Proposal) error {
	ops := slices.DeleteFunc(operations(l.live, target, pinned, rollback.Operation{ID: "try"}, 0), func(o kube.Operation) bool { return o.Path == versionPath })
	made, err := p.cluster.Patch(ctx, l.kind.resource, l.namespace(), l.object.GetName(), ops, kube.Write{DryRun: true})
	switch {
	case errors.Is(err, kube.ErrRefused):
		prop.Missing = append(prop.Missing, "the cluster refuses the target: "+providers.Clean(err.Error()))
		made = nil
	case errors.Is(err, kube.ErrConditionFailed): // an answer, which says that it has changed
		return providers.Permanent(fmt.Errorf("%s changed while it was looked at, look again: %w", l.id, err))
	case err != nil:
		return fmt.Errorf("%s: try the patch out: %w", l.id, err)
	}
	after := patched(target, pinned)
	if made != nil {
		after = object(made.Object, "spec", "template")
	}
	if prop.Diff, err = kube.Diff(l.object.GetName(), l.template, l.object.GetName(), after); err != nil {
		return fmt.Errorf("%s: %w", l.id, err)
	}
	if got := servedDigest(after, pinnedNote(pinned)); made != nil && got != target.digest {
		prop.Missing = append(prop.Missing, "an admission webhook of the cluster changes the target into something else: the difference shows what")
	}
	return nil
}
