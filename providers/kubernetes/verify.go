package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// Verify implements rollback.Reverser: what the pods run, which is the cluster's own word, and how long all have been ready.
// Where a container has a readiness probe that is a look from outside, made by the node; without one, ready says no more than
// that the process runs.
func (p *Provider) Verify(ctx context.Context, id rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	if _, _, ok := p.isConfig(id); ok {
		return p.verifyConfig(ctx, id, to)
	}
	w, err := p.workload(ctx, id)
	if err != nil {
		return nil, err
	}
	l, err := p.surround(ctx, w)
	if err != nil {
		return nil, err
	}
	return []rollback.Check{l.content(to), p.readiness(l)}, nil
}

// content checks what the pods run, container by container: what admission added to the pods alone is named and is no fault.
func (l *look) content(to rollback.Revision) rollback.Check {
	c := rollback.Check{Name: "what the pods run", Inside: true, State: rollback.CheckPass, Goal: cmp.Or(to.Label, to.Digest)}
	want := imagesBy(l.template)
	added := map[string]bool{}
	var wrong []string
	n := 0
	for _, q := range l.pods {
		if q.leaving {
			continue
		}
		n++
		if l.contentOf(q) != to.Digest {
			wrong = append(wrong, q.name)
			continue
		}
		for container, image := range q.images {
			switch expected, ok := want[container]; {
			case !ok:
				added[container+"="+image] = true
			case image != expected:
				wrong = append(wrong, fmt.Sprintf("%s runs %s", q.name, image))
			}
		}
	}
	c.Observed = fmt.Sprintf("%d pods run it", n-len(wrong))
	switch {
	case l.digest != to.Digest:
		c.State, c.Observed = rollback.CheckFail, "its pod template is "+l.digest
	case n == 0:
		c.State, c.Observed = rollback.CheckUnknown, "there are no pods"
	case len(wrong) > 0:
		c.State = rollback.CheckFail
		c.Observed += ", not: " + strings.Join(wrong[:min(len(wrong), 5)], ", ")
	}
	if len(added) > 0 {
		c.Observed += "; beside it, added at admission: " + strings.Join(slices.Sorted(maps.Keys(added)), ", ")
	}
	c.Observed = providers.Clean(c.Observed)
	return c
}

func (p *Provider) readinessName() string {
	if p.set.Hold == 0 {
		return "all pods ready"
	}
	return "all pods ready for " + p.set.Hold.String()
}

// probed reports whether readiness of the pods says more than that a process runs.
func (l *look) probed() bool {
	return slices.ContainsFunc(containersOf(l.template), func(c map[string]any) bool { return object(c, "readinessProbe") != nil })
}

// readiness checks that all pods are ready, and since when: a pod that was not ready between two looks breaks the run's hold.
// Where the settings have a hold of their own, pods that became ready lately are not well yet, and not bad.
func (p *Provider) readiness(l *look) rollback.Check {
	want := l.count().desired
	c := rollback.Check{Name: p.readinessName(), Inside: !l.probed(), State: rollback.CheckUnknown, Goal: fmt.Sprintf("%d of %d", want, want)}
	if p.set.Hold > 0 {
		c.Goal += " for " + p.set.Hold.String()
	}
	var ready int32
	var last time.Time
	for _, q := range l.pods {
		if q.ready {
			ready++
			last = newerOf(last, q.since)
		}
	}
	c.Observed = fmt.Sprintf("%d of %d ready", ready, want)
	switch {
	case want == 0:
		c.Observed = "scaled to zero: nothing serves"
	case ready < want:
		c.State = rollback.CheckFail
	default:
		c.Since = last
		held := p.now().Sub(last)
		c.Observed += " for " + held.Round(time.Second).String()
		if held >= p.set.Hold || p.set.Hold == 0 {
			c.State = rollback.CheckPass
		}
	}
	return c
}
