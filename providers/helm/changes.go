package helm

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// Changes implements providers.ChangeSource: one change for each record of a release.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		all, err := p.look(ctx)
		if err != nil {
			yield(providers.Change{}, err)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(all)) {
			records := all[key]
			for i := range records {
				if ctx.Err() != nil {
					yield(providers.Change{}, ctx.Err())
					return
				}
				c := p.change(records, i)
				if w.Contains(c.At()) && !yield(c, nil) {
					return
				}
			}
		}
	}
}

func (p *Provider) look(ctx context.Context) (all map[string][]*record, err error) {
	bounded, done := p.bounded(ctx)
	defer func() { done(err) }()
	if all, err = p.all(bounded); err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil {
		defer p.remark(all)
	}
	return all, err
}

// remark tells of records that cannot be read: the rest goes on without them.
func (p *Provider) remark(all map[string][]*record) {
	var broken []string
	for _, records := range all {
		for _, r := range records {
			if r.broken != nil {
				broken = append(broken, r.key()+" "+r.label())
			}
		}
	}
	if len(broken) > 0 {
		slices.Sort(broken)
		p.vitals.Note(fmt.Sprintf("%d release records cannot be read: %s", len(broken), strings.Join(broken[:min(len(broken), 3)], ", ")))
	}
}

// Keys by which a chart's annotations or a release's labels say more of a change; the first that is there counts.
var (
	authorKeys    = []string{"backout.dev/author", "app.kubernetes.io/deployed-by", "deploy.author"}
	commitKeys    = []string{"backout.dev/commit", "org.opencontainers.image.revision", "app.kubernetes.io/revision"}
	changeSetKeys = []string{"backout.dev/change-set"}
	urlKeys       = []string{"backout.dev/url"}
)

func (r *record) said(keys []string) string {
	for _, k := range keys {
		if v := r.hints[k]; v != "" {
			return v
		}
	}
	return ""
}

// change describes one record; records are all of its release, the newest first.
func (p *Provider) change(records []*record, i int) providers.Change {
	r := records[i]
	c := providers.Change{
		ID: p.changeID(r), Provider: p.name, Kind: providers.KindDeploy, Service: p.service(r.coordinates),
		Environment: p.cluster.EnvironmentOf(r.namespace), Unit: string(p.id(r.coordinates)), Status: r.status, EffectiveFrom: r.at,
		To: cmp.Or(r.title, "revision "+r.label()), Author: providers.Author{Name: r.said(authorKeys)},
		Commit: r.said(commitKeys), ChangeSet: r.said(changeSetKeys), URL: r.said(urlKeys),
		Delivers: p.chart(r.coordinates),
	}
	if r.digest != "" {
		c.Artifacts = []string{r.digest}
	}
	var before *record
	if i+1 < len(records) {
		before = records[i+1]
		c.From = cmp.Or(before.title, "revision "+before.label())
	}
	if i > 0 {
		c.EffectiveTo = records[i-1].at
	} else if !r.deleted.IsZero() {
		c.EffectiveTo = r.deleted
	}
	p.describe(&c, r, before)
	providers.CleanChange(&c)
	return c
}

// describe says in a title what was done, and how it stands.
func (p *Provider) describe(c *providers.Change, r, before *record) {
	switch {
	case r.backTo > 0 || r.stamp != "":
		p.describeRollback(c, r, before)
	case r.revision == 1:
		c.Title = "helm install of " + c.To
	case r.status == statusUninstalled || r.status == statusUninstalling:
		c.Title = "helm uninstall of " + c.To
	default:
		c.Title = "helm upgrade to " + c.To
		if before != nil && before.title == r.title && r.title != "" {
			c.Title = "helm upgrade of " + c.To + ": other values or templates"
			if before.digest == r.digest {
				c.Title = "helm upgrade of " + c.To + ": same content"
			}
		}
	}
	if r.status == statusFailed || r.pending() {
		c.Title += ", " + r.status
	}
	if r.status == statusFailed && r.about != "" {
		c.Title += ": " + r.about
	}
}

func (p *Provider) describeRollback(c *providers.Change, r, before *record) {
	c.Kind, c.Title = providers.KindRollback, "helm rollback"
	if r.backTo > 0 {
		c.Title = fmt.Sprintf("helm rollback to revision v%d", r.backTo)
	}
	if r.stamp != "" {
		c.Title += " (backout operation " + r.operation() + ")"
	}
	if before != nil {
		c.Reverts = []string{p.changeID(before)}
	}
}

func (p *Provider) changeID(r *record) string {
	return fmt.Sprintf("%s@%s/%s", p.id(r.coordinates), r.label(), r.uid)
}

// Watch implements providers.Watcher by following the records. What was there before is Changes' to tell.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	var watches []func(context.Context) iter.Seq2[providers.Event, error]
	for _, namespace := range p.cluster.Namespaces() {
		watches = append(watches, func(ctx context.Context) iter.Seq2[providers.Event, error] {
			return func(yield func(providers.Event, error) bool) { p.follow(ctx, namespace, yield) }
		})
	}
	return kube.Merge(ctx, watches...)
}

// follow tells of each record that comes or changes after the first list.
func (p *Provider) follow(ctx context.Context, namespace string, yield func(providers.Event, error) bool) {
	releases := map[string]map[int]*record{}
	live := false
	for e, err := range p.cluster.Follow(ctx, p.resource(), namespace, kube.Selection{Labels: "owner=helm"}) {
		start := p.now()
		if err != nil {
			p.vitals.Done(start, err)
			if !yield(providers.Event{}, providers.Retryable(p.hint(err))) {
				return
			}
			continue
		}
		if e.Complete {
			live = true
			p.vitals.Done(start, nil)
			continue
		}
		r := p.read(e.Object)
		if r == nil {
			continue
		}
		if releases[r.key()] == nil {
			releases[r.key()] = map[int]*record{}
		}
		mine := releases[r.key()]
		if e.Deleted {
			delete(mine, r.revision)
			continue
		}
		old := mine[r.revision]
		mine[r.revision] = r
		if !live || (old != nil && old.uid == r.uid && old.version == r.version) {
			continue
		}
		p.vitals.Done(start, nil)
		records := slices.Collect(maps.Values(mine))
		newestFirst(records)
		c := p.change(records, slices.Index(records, r))
		if !yield(providers.Event{Change: &c}, nil) {
			return
		}
	}
}
