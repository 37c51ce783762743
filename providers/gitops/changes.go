package gitops

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// Changes implements providers.ChangeSource: what each reconciler deployed, as far as it remembers. A kind that may not be read
// is told after what could be.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		start := p.now()
		found, enough := 0, false
		var broken error
		for _, k := range kinds {
			if k.word == ownerSet {
				continue
			}
			err := p.each(ctx, k, kube.Selection{Slim: true}, func(n *node) bool {
				found++
				for _, c := range p.changesOf(n) {
					if w.Contains(c.At()) && !yield(c, nil) {
						enough = true
						return false
					}
				}
				return true
			})
			if enough || ctx.Err() != nil {
				return
			}
			if err != nil {
				broken = errors.Join(broken, err)
			}
		}
		p.Done(start, broken)
		switch {
		case broken != nil:
			yield(providers.Change{}, broken)
		case found == 0:
			p.Note("neither an application of Argo CD nor anything of Flux is in context " + p.cluster.Context())
		}
	}
}

func (p *Provider) changesOf(n *node) (out []providers.Change) {
	switch n.word {
	case kube.OwnerApplication:
		out = p.syncs(n)
	case kube.OwnerKustomization:
		out = p.applies(n)
	case kube.OwnerHelmRelease:
		out = p.releases(n)
	}
	for i := range out {
		providers.CleanChange(&out[i])
	}
	return out
}

// change is what is the same for all that a reconciler deployed.
func (p *Provider) change(n *node, id string) providers.Change {
	namespace := n.text("spec", "destination", "namespace")
	namespace = cmp.Or(namespace, n.text("spec", "targetNamespace"), n.object.GetNamespace())
	by := kube.Owner{Kind: n.word, Namespace: n.object.GetNamespace(), Name: n.object.GetName()}
	if n.word == kube.OwnerApplication {
		by.Namespace = "" // what an application deploys does not name the namespace of its Argo CD
	}
	return providers.Change{
		Delivers: by.String(),
		ID:       n.object.GetNamespace() + "/" + n.object.GetName() + "@" + id, Provider: p.name, Kind: providers.KindDeploy,
		Service: kube.DefaultServiceLabel().Of(n.object.GetLabels(), n.object.GetName()), Environment: p.cluster.EnvironmentOf(namespace),
	}
}

// syncs are an application's: those that ended well from its history, and the last one from its state where it did not.
func (p *Provider) syncs(n *node) (out []providers.Change) {
	history, _ := n.at("status", "history").([]any)
	var before []string
	for _, e := range history {
		h, _ := e.(map[string]any)
		revision := revisionsOf(h)
		id, _ := h["id"].(int64)
		c := p.change(n, strconv.FormatInt(id, 10))
		c.EffectiveFrom, c.EffectiveTo = cmp.Or(when(h, "deployStartedAt"), when(h, "deployedAt")), when(h, "deployedAt")
		c.Author, c.To, c.Status = initiator(h), short(revision), "Succeeded"
		c.Commit = commitForm(revision)
		c.Title = fmt.Sprintf("%s synced to %s", n, short(revision))
		if len(before) > 0 {
			c.From = short(before[len(before)-1])
			if back := slices.Index(before, revision); back >= 0 && before[len(before)-1] != revision {
				c.Kind, c.Title = providers.KindRollback, fmt.Sprintf("%s went back to %s", n, short(revision))
			}
		}
		before = append(before, revision)
		c.URL = p.page(n)
		out = append(out, c)
	}
	state, _ := n.at("status", "operationState").(map[string]any)
	phase := text(state, "phase")
	if phase == "" || phase == "Succeeded" {
		return out
	}
	result, _ := state["syncResult"].(map[string]any)
	operation, _ := state["operation"].(map[string]any)
	started := when(state, "startedAt")
	c := p.change(n, started.Format(time.RFC3339))
	c.EffectiveFrom, c.EffectiveTo, c.Author = started, when(state, "finishedAt"), initiator(operation)
	c.To, c.Commit, c.Status, c.URL = short(revisionsOf(result)), commitForm(revisionsOf(result)), phase, p.page(n)
	if len(before) > 0 {
		c.From = short(before[len(before)-1])
	}
	c.Title = fmt.Sprintf("%s sync to %s: %s: %s", n, c.To, phase, text(state, "message"))
	return append(out, c)
}

// initiator is who asked for a sync, as far as Argo CD knows.
func initiator(m map[string]any) providers.Author {
	by, _ := m["initiatedBy"].(map[string]any)
	switch name := text(by, "username"); {
	case name != "":
		return providers.Author{Name: name}
	case by["automated"] == true:
		return providers.Author{Name: "Argo CD", Kind: "automation"}
	default:
		return providers.Author{}
	}
}

// page is an application's page, where the address of its Argo CD is known.
func (p *Provider) page(n *node) string {
	if p.set.ArgoCD == nil {
		return ""
	}
	return p.set.ArgoCD.URL + "/applications/" + n.object.GetNamespace() + "/" + n.object.GetName()
}

// condition finds one of the conditions in the status; empty where it has none of that kind.
func (n *node) condition(kind string) map[string]any {
	list, _ := n.at("status", "conditions").([]any)
	for _, e := range list {
		if c, ok := e.(map[string]any); ok && text(c, "type") == kind {
			return c
		}
	}
	return nil
}

func when(m map[string]any, key string) time.Time {
	t, err := time.Parse(time.RFC3339, text(m, key))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
