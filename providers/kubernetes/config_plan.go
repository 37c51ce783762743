package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// What the steps of a ConfigMap do.
const (
	actionContent = "set content"
	actionRestart = "restart workload"

	argWorkload = "workload" // the unit of what is restarted
	argToken    = "token"    // what it was when the plan was made
)

// planConfig is the way back of a ConfigMap: one patch of its content, and a restart of each workload that reads it only when
// its pods begin and that does not go back itself.
func (p *Provider) planConfig(ctx context.Context, obs rollback.Observation, to rollback.Revision, with []rollback.Companion) (prop rollback.Proposal, err error) {
	c, err := p.config(ctx, obs.Unit.ID)
	if err != nil {
		return prop, err
	}
	held, err := p.holdings(ctx, c)
	if err != nil {
		return prop, err
	}
	i := slices.IndexFunc(held, func(h content) bool { return h.Digest == to.Digest })
	if i < 0 {
		prop.Missing = []string{fmt.Sprintf("what %s held as %s is not in the archive: put it back from its source, or choose another revision", c.at(), cmp.Or(to.Label, to.Digest))}
		prop.LookedAt(rollback.LostArtifact, "the content to go back to", 0)
		return prop, nil
	}
	target := held[i]
	if prop.Diff, err = contentDiff(&held[len(held)-1], &target, c.object.GetName()); err != nil {
		return prop, fmt.Errorf("%s: %w", c.id, err)
	}
	if c.immutable() {
		prop.Missing = []string{"ConfigMap " + c.object.GetName() + " is immutable: its content cannot be changed, and deleting it to make another one is left to you; let the workloads refer to one with the earlier content"}
		prop.LookedAt(rollback.LostArtifact, "whether the ConfigMap can be changed", 0)
		return prop, nil
	}
	prop.Steps = []rollback.Step{{
		N: 1, Unit: c.id, Action: actionContent, From: obs.Current.Digest, To: to.Digest, Token: obs.Token,
		Title: providers.Clean(fmt.Sprintf("set what ConfigMap %s holds to %s (%s)", c.object.GetName(), cmp.Or(to.Label, to.Digest), changedKeys(&held[len(held)-1], &target))),
	}}
	prop.Mechanism, prop.ChangeClass = rollback.MechanismOf("content of a ConfigMap", mechanismVersion, nil), "configuration"
	prop.NotRestored = []string{"everything of the ConfigMap beside its content: labels, annotations"}
	if err := p.tryContent(ctx, c, target, &prop); err != nil {
		return prop, err
	}
	prop.LookedAt(rollback.LostArtifact, "a dry run of the patch on the API server", 0)
	readers, err := p.readers(ctx, c.at())
	if err != nil {
		return prop, err
	}
	p.restarts(c, held[len(held)-1].Since, readers, to, with, &prop)
	p.toldOfReaders(c, readers, &prop)
	n := len(prop.Missing)
	if err := p.configRights(ctx, c, &prop); err != nil {
		return prop, err
	}
	prop.LookedAt(rollback.LostRight, "what the API server says that you may do", n)
	return prop, nil
}

// contentDiff is what changes in a ConfigMap, by key.
func contentDiff(from, to *content, name string) (string, error) {
	shown := func(c *content) map[string]any {
		data, binary := c.parts()
		out := maps.Clone(data)
		if out == nil {
			out = map[string]any{}
		}
		for key, v := range binary {
			text, _ := v.(string)
			out[key] = fmt.Sprintf("binary, %d bytes, %s", len(text)/4*3, digestOfText(text))
		}
		return out
	}
	return kube.Diff(name, shown(from), name, shown(to))
}

func changedKeys(from, to *content) string {
	all := func(c *content) map[string]string {
		out := map[string]string{}
		data, binary := c.parts()
		for _, part := range []map[string]any{data, binary} {
			for key, v := range part {
				out[key] = fmt.Sprint(v)
			}
		}
		return out
	}
	return providers.Few(kube.Differing(all(from), all(to)), 6)
}

// tryContent asks the API server what the patch would make of the ConfigMap.
func (p *Provider) tryContent(ctx context.Context, c *config, target content, prop *rollback.Proposal) error {
	made, err := p.cluster.Patch(ctx, configMaps, c.at().namespace, c.at().name, contentOperations(c, target, rollback.Operation{ID: "try"}, 0), kube.Write{DryRun: true})
	switch {
	case errors.Is(err, kube.ErrRefused):
		prop.Missing = append(prop.Missing, "the cluster refuses the target: "+providers.Clean(err.Error()))
	case errors.Is(err, kube.ErrConditionFailed): // an answer, which says that it has changed
		return providers.Permanent(fmt.Errorf("%s changed while it was looked at, look again: %w", c.id, err))
	case err != nil:
		return fmt.Errorf("%s: try the patch out: %w", c.id, err)
	default:
		if after := p.readConfig(made); after == nil || after.setting.Digest != target.Digest {
			prop.Missing = append(prop.Missing, "an admission webhook of the cluster changes the target into something else")
		}
	}
	return nil
}

// restarts adds a step for each workload whose pods began with what is taken back and read it at no other time. One that goes
// back itself gets new pods by that.
func (p *Provider) restarts(c *config, since time.Time, readers []reader, to rollback.Revision, with []rollback.Companion, prop *rollback.Proposal) {
	pods := 0
	for i := range readers {
		r := &readers[i]
		if slices.ContainsFunc(with, func(w rollback.Companion) bool { return w.Unit == r.id }) {
			continue
		}
		began := 0
		for _, q := range r.pods {
			// A container that began anew in an older pod is seen by when the pod became ready, or stopped being so.
			if !q.leaving && (!q.created.Before(since) || q.since.After(since)) {
				began++
			}
		}
		if !r.ref.AtStart || began == 0 {
			continue
		}
		if r.spec.Paused || r.how().Type == "OnDelete" {
			prop.Warnings = append(prop.Warnings, fmt.Sprintf("%s reads it when a pod begins, and is not restarted: it is paused or OnDelete; delete its pods when it suits", r.title()))
			continue
		}
		if why := p.frozen(r.object.GetAnnotations()); why != "" {
			prop.Missing = append(prop.Missing, providers.Clean(fmt.Sprintf("leave to restart %s: it is frozen, %s", r.title(), why)))
		}
		pods += began
		prop.Steps = append(prop.Steps, rollback.Step{
			N: len(prop.Steps) + 1, Unit: c.id, Action: actionRestart, From: to.Digest, To: to.Digest, Token: prop.Steps[0].Token,
			Title: providers.Clean(fmt.Sprintf("restart %s as kubectl rollout restart does: %d of its %d pods began with what is taken back and read it only then", r.title(), began, len(r.pods))),
			Args:  map[string]string{argWorkload: string(r.id), argToken: token(r.live)},
		})
	}
	switch {
	case pods == 1:
		prop.Blast = "1 pod"
	case pods > 0:
		prop.Blast = fmt.Sprintf("%d pods", pods)
	default:
		prop.Blast = "1 ConfigMap"
	}
}

// toldOfReaders is what a person has to know of those that read it.
func (p *Provider) toldOfReaders(c *config, readers []reader, prop *rollback.Proposal) {
	warn := func(format string, args ...any) {
		prop.Warnings = append(prop.Warnings, providers.Clean(fmt.Sprintf(format, args...)))
	}
	for i := range readers {
		r := &readers[i]
		if r.ref.Mounted {
			warn("%s has it as files: the nodes renew these within about two minutes, and whether the program reads them again only it knows; kubectl rollout restart makes it", r.title())
		}
		if r.probed() && r.count().desired > 0 {
			prop.Checks = append(prop.Checks, readyWith(r.title(), p.readinessName()))
		}
	}
	if len(readers) == 0 {
		warn("no Deployment, StatefulSet or DaemonSet that may be seen reads %s: who does is not known", c.at())
	}
	for _, owner := range kube.OwnersOf(c.object) {
		warn("%s still wants the content that is taken back: it comes back with its next sync or upgrade, unless that is suspended or changed too", owner)
	}
}

func readyWith(title, check string) string {
	return strings.ToLower(title[:1]) + title[1:] + ": " + check
}

func (p *Provider) configRights(ctx context.Context, c *config, prop *rollback.Proposal) error {
	may := func(r kube.Resource, name string) error {
		yes, why, err := p.cluster.May(ctx, "patch", r, "", c.at().namespace, name)
		if err != nil {
			return fmt.Errorf("%s: ask what you may do: %w", c.id, err)
		}
		if !yes {
			prop.Missing = append(prop.Missing, providers.Clean(strings.TrimSpace(fmt.Sprintf("the right to patch %s in namespace %s %s", r.Resource, c.at().namespace, why))))
		}
		return nil
	}
	if err := may(configMaps, c.at().name); err != nil {
		return err
	}
	for _, s := range prop.Steps[1:] {
		kind, _, name, err := p.locate(rollback.UnitID(s.Args[argWorkload]))
		if err != nil {
			return err
		}
		if err := may(kind.resource, name); err != nil {
			return err
		}
	}
	return nil
}
