package gitops

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// content is one state of all objects that a Kustomization deployed. Flux keeps an entry for each content and outcome, moves it to
// the front whenever it deploys that content again, and then writes the newest revision into it.
type content struct {
	digest, revision, status string
	began, first, last       time.Time // first: when it had been deployed, and waited for, the first time
	once                     bool
}

// contents are what a Kustomization remembers to have deployed, each once, in the order in which it first did.
func (n *node) contents() (out []content) {
	history, _ := n.at("status", "history").([]any)
	for _, e := range history {
		h, _ := e.(map[string]any)
		metadata, _ := h["metadata"].(map[string]any)
		c := content{digest: text(h, "digest"), revision: text(metadata, "revision"), status: text(h, "lastReconciledStatus"), first: when(h, "firstReconciled"), last: when(h, "lastReconciled")}
		c.once = h["totalReconciliations"] == int64(1)
		c.began = c.first
		// What waits for health in vain takes minutes, each time; without these the deployment would stand behind the alerts that it set off.
		if took, err := time.ParseDuration(text(h, "lastReconciledDuration")); err == nil && took > 0 {
			c.began = c.first.Add(-took).Truncate(time.Second)
		}
		i := slices.IndexFunc(out, func(o content) bool { return o.digest == c.digest })
		if i < 0 {
			out = append(out, c)
			continue
		}
		o := &out[i]
		o.once = false
		if c.began.Before(o.began) {
			o.began, o.first = c.began, c.first
		}
		if c.last.After(o.last) {
			o.last, o.status, o.revision = c.last, c.status, c.revision
		}
	}
	slices.SortStableFunc(out, func(a, b content) int { return a.began.Compare(b.began) })
	return out
}

// again is when another content had been deployed last before this one came back, the last time that it did; zero where it
// never went away.
func (c content) again(all []content) (after time.Time) {
	for _, o := range all {
		if o.began.After(c.began) && o.last.Before(c.last) && o.last.After(after) {
			after = o.last
		}
	}
	return after
}

// applies are what a Kustomization deployed, in order. An older Flux keeps no history: then it is the last one alone. What Flux
// still waits for the health of comes when that has ended, because nothing names it as it will be named then.
func (p *Provider) applies(n *node) (out []providers.Change) {
	all := n.contents()
	var back []providers.Change
	for _, e := range all {
		c, revision := p.change(n, e.digest), e.revision
		c.EffectiveFrom, c.Status = e.began, e.status
		if e.once {
			c.EffectiveTo = e.first
		}
		if after := e.again(all); !after.IsZero() {
			r := p.applied(n, p.change(n, e.digest+"@"+after.Format(time.RFC3339)), revision)
			r.Kind, r.EffectiveFrom, r.Status = providers.KindRollback, after, e.status
			r.Title = fmt.Sprintf("%s went back to what it had deployed before, with %s", n, r.To)
			back = append(back, r)
			// By which revision it came first is forgotten: the entry has that by which it came back.
			_, hash, _ := strings.Cut(e.digest, ":")
			revision = hash[:min(7, len(hash))]
		}
		out = append(out, p.applied(n, c, revision))
	}
	if last := n.text("status", "lastAppliedRevision"); len(all) == 0 && last != "" {
		c, ready := p.change(n, last), n.condition("Ready")
		c.EffectiveFrom, c.Status = when(ready, "lastTransitionTime"), text(ready, "reason")
		out = append(out, p.applied(n, c, last))
	}
	out = append(out, back...) // behind what came at the same second
	slices.SortStableFunc(out, func(a, b providers.Change) int { return a.EffectiveFrom.Compare(b.EffectiveFrom) })
	for i := 1; i < len(out); i++ {
		out[i].From = out[i-1].To
	}
	return out
}

func (p *Provider) applied(n *node, c providers.Change, revision string) providers.Change {
	c.To, c.Commit, c.Author = short(revision), commitForm(revision), providers.Author{Name: "Flux", Kind: "automation"}
	if c.Commit != "" {
		c.To = c.Commit[:7]
	}
	c.Title = fmt.Sprintf("%s applied %s", n, c.To)
	return c
}

// releases are what a HelmRelease deployed.
func (p *Provider) releases(n *node) (out []providers.Change) {
	history, _ := n.at("status", "history").([]any)
	for _, e := range history {
		h, _ := e.(map[string]any)
		version, _ := h["version"].(int64)
		c := p.change(n, strconv.FormatInt(version, 10))
		c.EffectiveFrom, c.Status, c.Author = when(h, "lastDeployed"), text(h, "status"), providers.Author{Name: "Flux", Kind: "automation"}
		c.To = text(h, "chartName") + " " + text(h, "chartVersion")
		c.Title = fmt.Sprintf("%s released %s (revision %d)", n, c.To, version)
		out = append(out, c)
	}
	slices.SortStableFunc(out, func(a, b providers.Change) int { return a.EffectiveFrom.Compare(b.EffectiveFrom) })
	for i := 1; i < len(out); i++ {
		out[i].From = out[i-1].To
	}
	return out
}
