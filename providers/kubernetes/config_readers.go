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

// reader is a workload that reads a ConfigMap.
type reader struct {
	*look
	ref kube.Reference
}

func (r *reader) title() string { return r.kind.title + " " + r.object.GetName() }

func names(readers []reader) []string {
	out := []string{}
	for i := range readers {
		out = append(out, providers.Clean(readers[i].title()))
	}
	return out
}

// usersFor is how long a list of the workloads of a namespace is good for observations: one plan looks at every ConfigMap of it.
// What a plan says and does rests on a list of its own.
const usersFor = 2 * time.Second

// usage is one list of the workloads of a namespace.
type usage struct {
	at    time.Time
	lives []*live
}

// recent are the workloads of a namespace, as they were at most usersFor ago: who reads what, and not how it is.
func (p *Provider) recent(ctx context.Context, namespace string) ([]*live, error) {
	p.using.Lock()
	known, ok := p.used[namespace]
	p.using.Unlock()
	if ok && p.now().Sub(known.at) < usersFor {
		return known.lives, nil
	}
	return p.lives(ctx, namespace)
}

// lives are the workloads of a namespace.
func (p *Provider) lives(ctx context.Context, namespace string) ([]*live, error) {
	u := usage{at: p.now()}
	for _, kind := range workloadKinds() {
		for o, err := range p.cluster.List(ctx, kind.resource, namespace, kube.Selection{}) {
			if err != nil && providers.ClassOf(err) == providers.ClassPermanent {
				break // who may not see them is told that nobody is known to read it
			}
			if err != nil {
				return nil, fmt.Errorf("who reads the configuration of %s: %w", namespace, err)
			}
			if w, err := p.read(kind, o); err == nil {
				u.lives = append(u.lives, w)
			}
		}
	}
	p.using.Lock()
	defer p.using.Unlock()
	if p.used == nil {
		p.used = map[string]usage{}
	}
	p.used[namespace] = u
	return u.lives, nil
}

// readers are the workloads whose pods read a ConfigMap, as they are now.
func (p *Provider) readers(ctx context.Context, at place) ([]reader, error) {
	lives, err := p.lives(ctx, at.namespace)
	if err != nil {
		return nil, err
	}
	return p.reading(ctx, at, lives)
}

// reading are those of some workloads whose pods read a ConfigMap.
func (p *Provider) reading(ctx context.Context, at place, lives []*live) ([]reader, error) {
	var out []reader
	for _, w := range lives {
		for _, ref := range kube.References(w.template) {
			if ref.Secret || ref.Name != at.name {
				continue
			}
			now, err := p.workload(ctx, w.id)
			if errors.Is(err, rollback.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			l, err := p.surround(ctx, now)
			if err != nil {
				return nil, err
			}
			out = append(out, reader{l, ref})
		}
	}
	return out, nil
}

// well is since when all pods of a reader have been ready with a content that was written then; false: they are not, or some
// began before it and read it only when they begin.
func (r *reader) well(written time.Time) (since time.Time, well bool) {
	c := r.count()
	since = written
	var ready int32
	for _, q := range r.pods {
		if q.leaving {
			continue
		}
		if !q.ready || r.ref.AtStart && q.created.Before(written) {
			return since, false
		}
		ready++
		since = newerOf(since, q.since)
	}
	return since, ready > 0 && ready >= c.desired && !r.rolling()
}

// attest writes down for how long what a ConfigMap holds was seen to serve with all its workloads well.
func (p *Provider) attest(ctx context.Context, c *config, held []content, readers []reader) []content {
	now := &held[len(held)-1]
	since, serving := now.Since, false
	for i := range readers {
		if readers[i].count().desired == 0 {
			continue
		}
		at, well := readers[i].well(now.Since)
		if !well {
			return held
		}
		since, serving = newerOf(since, at), true
	}
	served := p.now().Sub(since)
	fresh := now.Served >= p.set.MinSoak && p.now().Sub(now.WellAt) < time.Minute
	if !serving || served < p.set.MinSoak || fresh {
		return held
	}
	note := func(k *content) {
		k.Served, k.WellAt, k.Users = max(k.Served, served), p.now().UTC(), names(readers)
	}
	note(now)
	err := p.chronicle.changeContents(ctx, c.at(), func(kept []content) []content {
		i := slices.IndexFunc(kept, func(k content) bool { return k.Digest == c.setting.Digest })
		if i < 0 {
			return nil
		}
		note(&kept[i])
		return kept
	})
	if err != nil && ctx.Err() == nil {
		p.Note("how well a ConfigMap served is not kept: " + err.Error())
	}
	return held
}

// contentEvidence says in plain words what shows that a content served well: that all that read it were seen to be well with
// it, pods that began with it and are ready still, or what the controller of a Deployment says of the time.
func (p *Provider) contentEvidence(c *content, until time.Time, readers []reader) []string {
	soak := p.set.MinSoak
	var out []string
	if c.Served >= soak && len(c.Users) > 0 {
		out = append(out, fmt.Sprintf("seen serving for %s with %s well, last at %s", providers.Span(c.Served), strings.Join(c.Users, ", "), c.WellAt.Format("2006-01-02 15:04:05 UTC")))
	}
	if until.IsZero() {
		return out
	}
	for i := range readers {
		r := &readers[i]
		var n int
		var first time.Time
		for _, q := range r.pods {
			if r.ref.AtStart && !r.ref.Mounted && q.ready && !q.created.Before(c.Since) && q.created.Before(until) && p.now().Sub(q.since) >= soak {
				n++
				first = newerOf(first, q.since)
			}
		}
		if n > 0 {
			out = append(out, fmt.Sprintf("%d pods of %s that began with it are ready now, for %s", n, r.title(), providers.Span(p.now().Sub(first))))
		}
		if s := r.servedWith(c.Since, until, soak); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// servedWith infers from a Deployment's conditions that its pods served with what a ConfigMap held in a span of time: the last
// revision that began in it rolled out, within its deadline, and minimum availability was not lost since.
func (l *look) servedWith(since, until time.Time, soak time.Duration) string {
	progressing, available := l.condition("Progressing"), l.condition("Available")
	if l.kind.name != "deployment" || l.spec.ProgressDeadline == nil || progressing.Status != "True" || available.Status != "True" {
		return ""
	}
	i := slices.IndexFunc(l.revs, func(h held) bool { return !h.unclear() && h.object.GetCreationTimestamp().Time.Before(until) })
	if i < 0 {
		return ""
	}
	began := l.revs[i].object.GetCreationTimestamp().Time
	rolled := began.Add(time.Duration(*l.spec.ProgressDeadline) * time.Second)
	from := newerOf(newerOf(rolled, since), available.LastTransitionTime.Time)
	if began.Before(since) || progressing.LastTransitionTime.Sub(began) > slack || until.Sub(from) < soak {
		return ""
	}
	return fmt.Sprintf("%s %s served with it for %s: its controller says that enough pods were available", l.kind.title, providers.Clean(l.object.GetName()), providers.Span(until.Sub(from)))
}

// configUnit is the unit of a reference of a workload.
func (p *Provider) configUnit(namespace, name string) rollback.UnitID {
	return p.unitID(configKind, namespace, name)
}
