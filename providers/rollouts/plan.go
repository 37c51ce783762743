package rollouts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// What a step does.
const (
	actionAbort   = "abort"
	actionUndo    = "undo"
	actionRetry   = "retry"
	actionPromote = "promote --full"
)

// Plan implements rollback.Reverser: an abort where a rollout is under way and the stable revision is wanted, else the
// earlier template.
func (p *Provider) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (prop rollback.Proposal, err error) {
	start := p.now()
	defer func() { p.Done(start, err) }()
	s, err := p.look(ctx, obs.Unit.ID)
	if err != nil {
		return prop, err
	}
	target := s.byDigest(to.Digest)
	if target == nil {
		prop.Missing = []string{fmt.Sprintf("the ReplicaSet of %s (%s) is gone (revisionHistoryLimit): choose another revision, or deploy it again", cmp.Or(to.Label, "that revision"), to.Digest)}
		prop.LookedAt(rollback.LostArtifact, "the template to go back to", 0)
		return prop, nil
	}
	if len(target.lacking) > 0 {
		prop.Missing = []string{fmt.Sprintf("the cluster has dropped %s, and the value of %s looks like a secret, so it was not archived: deploy that revision again from its source, or choose another one", target.label(), strings.Join(target.lacking, ", "))}
		prop.LookedAt(rollback.LostArtifact, "the template to go back to", 0)
		return prop, nil
	}
	if target.archived {
		prop.Warnings = append(prop.Warnings, "the cluster has dropped "+target.label()+"; its template comes from backout's archive")
	}
	prop.Warnings = append(prop.Warnings, p.moved(ctx, s, target)...)
	step := rollback.Step{N: 1, Unit: obs.Unit.ID, From: obs.Current.Digest, To: to.Digest, Token: obs.Token, Args: map[string]string{"revision": target.label()}}
	prop.Blast, prop.Checks = fmt.Sprintf("%d pods", s.replicas()), []string{checkReady}
	prop.NotRestored = notRestored(s, obs.Current.Label)
	switch {
	case s.aborted() && s.asked() == target:
		step.Action, step.Title = actionRetry, "leave the aborted state, which starts the rollout of "+target.label()+" again"
		prop.Warnings = append(prop.Warnings, "the retry scales the revisions anew: a delay before the old one goes is lost (argo-rollouts#3774)")
		p.announce(s, target, &prop)
	case s.underWay() && target == s.stable():
		step.Action, step.Title = actionAbort, fmt.Sprintf("abort the rollout: traffic goes back to %s, the stable revision", target.label())
		p.planAbort(ctx, s, &prop)
	default:
		step.Action, step.Title = actionUndo, "put the template of "+target.label()+" back"
		if s.workload != nil {
			step.Title += fmt.Sprintf(" into %s %s, which the Rollout refers to", s.workload.GetKind(), s.workload.GetName())
		}
		err = p.planUndo(ctx, s, target, &prop)
	}
	if err != nil {
		return prop, fmt.Errorf("%s: %w", obs.Unit.ID, err)
	}
	prop.Mechanism = s.mechanism(step.Action)
	prop.Steps = append([]rollback.Step{step}, prop.Steps...)
	if len(prop.Steps) > 1 {
		prop.Steps[1] = promoteStep(step)
	}
	from := templateOf(s.holder())
	if x := s.byDigest(obs.Current.Digest); x != nil {
		from = x.template
	}
	prop.Diff, err = kube.Diff(cmp.Or(obs.Current.Label, "now"), from, target.label(), target.template)
	prop.ChangeClass = kube.ChangedFields(from, target.template)
	what := "a dry run of the patch on the API server"
	if step.Action != actionUndo {
		what = "whether enough stable pods are there"
	}
	prop.LookedAt(rollback.LostArtifact, what, 0)
	p.rights(ctx, s, &prop)
	return prop, err
}

func notRestored(s *sight, from string) []string {
	out := []string{
		"replicas, strategy, analysis and everything else of the Rollout beside its pod template",
		"ConfigMaps, Secrets and the data that was written since " + cmp.Or(from, "the current revision") + " began",
	}
	if s.Spec.Strategy.Canary != nil && len(s.Spec.Strategy.Canary.TrafficRouting) > 0 {
		out = append(out, "what the traffic router keeps of its own (header and mirror routes are the controller's)")
	}
	return out
}

// planAbort says what an abort does and what has to be there before.
func (p *Provider) planAbort(ctx context.Context, s *sight, prop *rollback.Proposal) {
	asked := "the new template"
	if x := s.asked(); x != nil {
		asked = x.label()
	}
	if share, known := s.share(); known {
		prop.Blast += fmt.Sprintf(", %.0f%% req", share*100)
	}
	prop.NotRestored = append(prop.NotRestored,
		"the Rollout's template: it still asks for "+asked+", so leaving the aborted state (retry, or the next change of the template) rolls it out again; change its source")
	prop.Warnings = append(prop.Warnings, "the Rollout stays Degraded (RolloutAborted) until its template is changed; what a reconciler compares stays as it is, so none puts it back")
	budgets, err := p.budgets(ctx, s)
	if err != nil {
		prop.Warnings = append(prop.Warnings, "disruption budgets could not be read, so only maxUnavailable counts: "+providers.Clean(err.Error()))
	}
	floor, why := s.floor(budgets)
	if missing := s.short(floor, why); missing != "" {
		prop.Missing = append(prop.Missing, missing)
	}
	if c := s.Spec.Strategy.Canary; c != nil && c.DynamicStableScale && s.routed() {
		prop.Warnings = append(prop.Warnings, fmt.Sprintf("dynamicStableScale: %s has %d of %d pods now; the controller moves traffic back as they become available",
			s.stable().label(), s.stable().available, s.replicas()))
	}
	if s.Spec.Paused {
		prop.Warnings = append(prop.Warnings, "the Rollout is paused (spec.paused): the controller still takes an abort")
	}
}

// planUndo tries the write on the server without keeping it, and says what the way takes.
func (p *Provider) planUndo(ctx context.Context, s *sight, target *set, prop *rollback.Proposal) error {
	if s.Spec.Paused {
		prop.Missing = append(prop.Missing, "the Rollout is paused (spec.paused), so nothing would roll: resume it first")
	}
	if s.underWay() {
		if o := kube.OwnerWords(kube.OwnersOf(s.raw)); len(o) > 0 {
			prop.Warnings = append(prop.Warnings, strings.Join(o, ", ")+" will put its own template back: change its source too")
		}
	}
	stored, err := p.cluster.Patch(ctx, s.held, s.Meta.Namespace, s.holder().GetName(), s.undo(target, stamp{Op: "plan"}), kube.Write{DryRun: true})
	switch {
	case errors.Is(err, kube.ErrRefused):
		prop.Missing = append(prop.Missing, "the cluster would refuse it: "+providers.Clean(err.Error()))
	case errors.Is(err, kube.ErrConditionFailed):
		prop.Warnings = append(prop.Warnings, "it changed while the plan was made: look again")
	case err != nil:
		return fmt.Errorf("try the write without keeping it: %w", err)
	case !reflect.DeepEqual(tidy(templateOf(stored)), target.template):
		lost, err := kube.Diff("as asked", target.template, "as the cluster would keep it", tidy(templateOf(stored)))
		if err != nil {
			return err
		}
		prop.Warnings = append(prop.Warnings, "the cluster would keep another template than "+target.label()+"'s: "+providers.Clean(lost))
	}
	p.announce(s, target, prop)
	return nil
}

// announce says what the way to the target takes, and adds the promotion where the settings want it.
func (p *Provider) announce(s *sight, target *set, prop *rollback.Proposal) {
	pace := s.paceOf(target, p.now())
	prop.Estimate = pace.estimate()
	if words := pace.words(); words != "" {
		prop.Warnings = append(prop.Warnings, words)
	}
	if pace.fast != "" || !pace.slow() {
		return
	}
	if p.set.PromoteFull {
		prop.Estimate = 0
		prop.Steps = append(prop.Steps, rollback.Step{}) // filled in once the first is known
		return
	}
	prop.Warnings = append(prop.Warnings, fmt.Sprintf("to skip the rest once it runs: kubectl argo rollouts promote --full %s -n %s (or set promote_full)", s.Meta.Name, s.Meta.Namespace))
}

// promoteStep skips what is left of the steps. It is bound to the first step by that one's stamp.
func promoteStep(first rollback.Step) rollback.Step {
	return rollback.Step{
		N: first.N + 1, Unit: first.Unit, Action: actionPromote, Title: "promote it in full: no canary step, pause or analysis is waited for",
		From: first.To, To: first.To, Token: first.Token, Args: map[string]string{"revision": first.Args["revision"], "after": strconv.Itoa(first.N)},
	}
}

// rights asks the API server whether the user may do what the steps need.
func (p *Provider) rights(ctx context.Context, s *sight, prop *rollback.Proposal) {
	type need struct {
		kind        kube.Resource
		subresource string
		name        string
	}
	var needs []need
	for i := range prop.Steps {
		switch prop.Steps[i].Action {
		case actionUndo:
			needs = append(needs, need{s.held, "", s.holder().GetName()})
		default:
			needs = append(needs, need{rolloutsKind, "", s.Meta.Name}, need{rolloutsKind, "status", s.Meta.Name})
		}
	}
	before, asked := len(prop.Missing), true
	for _, n := range needs {
		may, why, err := p.cluster.May(ctx, "patch", n.kind, n.subresource, s.Meta.Namespace, n.name)
		what := strings.TrimSuffix(n.kind.Resource+"/"+n.subresource, "/")
		switch {
		case err != nil:
			asked = false
			prop.Looked = append(prop.Looked, rollback.NotSeen(rollback.LostRight, "whether you may patch "+what, providers.Clean(err.Error())))
			prop.Warnings = append(prop.Warnings, "whether you may patch "+what+" could not be asked: "+providers.Clean(err.Error()))
		case !may:
			prop.Missing = append(prop.Missing, strings.TrimSpace(fmt.Sprintf("no right to patch %s in namespace %s %s", what, s.Meta.Namespace, providers.Clean(why))))
		}
	}
	if asked || len(prop.Missing) > before {
		prop.LookedAt(rollback.LostRight, "what the API server says that you may do", before)
	}
}
