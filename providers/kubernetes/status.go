package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// stuckAfter is how long a pod of a StatefulSet that has to go may stand in the way before it is named.
const stuckAfter = 30 * time.Second

// Status implements rollback.Reverser. Done needs what the controller says and what the pods are: all pods are made from the
// target and available, and no other pod is ready.
func (p *Provider) Status(ctx context.Context, id rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	if _, _, ok := p.isConfig(id); ok {
		return p.statusConfig(ctx, id, to)
	}
	w, err := p.workload(ctx, id)
	if err != nil {
		return rollback.Convergence{}, err
	}
	c := w.count()
	out := rollback.Convergence{Detail: fmt.Sprintf("%d of %d pods updated, %d available", c.updated, c.desired, c.available)}
	switch {
	case w.digest != to.Digest:
		return rollback.Convergence{Detail: "its pod template is " + w.digest}, nil
	case w.status.ObservedGeneration < w.object.GetGeneration():
		return rollback.Convergence{Detail: "its controller has not looked at the new template yet"}, nil
	case w.how().Type == "OnDelete":
		return p.statusOnDelete(ctx, w, out)
	case c.desired == 0 && c.existing == 0:
		return rollback.Convergence{Done: true, Vacuous: true, Detail: "scaled to zero, nothing verified"}, nil
	}
	if why := w.failing(); why != "" {
		return rollback.Convergence{Failed: true, Detail: out.Detail + "; " + why}, nil
	}
	l, err := p.surround(ctx, w)
	if err != nil {
		return rollback.Convergence{}, err
	}
	if stuck := l.trap(); stuck != nil {
		text := fmt.Sprintf("pod %s of the version that is taken back is not ready and holds everything up", stuck.name)
		if p.now().Sub(newerOf(stuck.created, stuck.since)) > stuckAfter || stuck.why != "" {
			return rollback.Convergence{Failed: true, Detail: fmt.Sprintf("%s (%s): delete it (kubectl delete pod -n %s %s) and the rollout goes on", text, cmp.Or(stuck.why, "it does not become ready"), w.namespace(), stuck.name)}, nil
		}
		out.Detail += "; " + text
		return out, nil
	}
	return l.arrived(to, out), nil
}

func newerOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// updatable is how many pods the strategy lets the new template reach.
func (w *live) updatable() int32 {
	n := w.count().desired
	if r := w.how().RollingUpdate; r != nil && r.Partition != nil {
		return max(n-*r.Partition, 0)
	}
	return n
}

// arrived compares what the controller counts and what the pods themselves are with the target.
func (l *look) arrived(to rollback.Revision, out rollback.Convergence) rollback.Convergence {
	c, want := l.count(), l.updatable()
	var ours, others int32
	for _, q := range l.pods {
		if !q.ready {
			continue
		}
		if l.contentOf(q) == to.Digest {
			ours++
		} else {
			others++
		}
	}
	if others > 0 {
		out.Detail += fmt.Sprintf("; %d of another version still serve", others)
	}
	// A partition leaves pods of the other version where they are.
	out.Done = c.updated >= want && c.existing == c.desired && c.available >= c.desired && ours >= want && ours+others >= c.desired && others <= c.desired-want
	return out
}

// contentOf is the digest of the revision that a pod was made from; "" where that is not known.
func (l *look) contentOf(q pod) string {
	for _, h := range l.revs {
		if madeFrom(q, h) {
			return h.digest
		}
	}
	return ""
}

// failing says why a Deployment will not get there, in its controller's words.
func (w *live) failing() string {
	var out []string
	for _, c := range w.status.Conditions {
		if c.Type == "ReplicaFailure" && c.Status == "True" {
			out = append(out, "pods cannot be made: "+providers.Clean(c.Message))
		}
		if c.Type == "Progressing" && c.Reason == "ProgressDeadlineExceeded" {
			out = append(out, "the rollout missed its progress deadline: "+providers.Clean(c.Message))
		}
	}
	return strings.Join(out, "; ")
}

// statusOnDelete: the template is set, and pods change only when somebody deletes them.
func (p *Provider) statusOnDelete(ctx context.Context, w *live, out rollback.Convergence) (rollback.Convergence, error) {
	c := w.count()
	if c.updated >= c.desired && c.available >= c.desired {
		out.Done = c.desired > 0
		return out, nil
	}
	l, err := p.surround(ctx, w)
	if err != nil {
		return rollback.Convergence{}, err
	}
	var old []string
	for _, q := range l.pods {
		if l.contentOf(q) != w.digest && len(old) < 5 {
			old = append(old, q.name)
		}
	}
	out.Detail += "; OnDelete: a pod changes when it is deleted"
	if len(old) > 0 {
		out.Detail += ", such as " + strings.Join(old, ", ")
	}
	return out, nil
}

// trap is the pod of a StatefulSet that blocks its own replacement: in OrderedReady the controller waits for each pod to be
// ready before it goes on, also for one that cannot become ready and is to be replaced (kubernetes#67250). Nil: there is none.
func (l *look) trap() *pod {
	if l.kind.name != "statefulset" || l.spec.PodManagementPolicy == "Parallel" || l.how().Type == "OnDelete" {
		return nil
	}
	partition := int32(0)
	if r := l.how().RollingUpdate; r != nil && r.Partition != nil {
		partition = *r.Partition
	}
	for i := range l.pods {
		q := &l.pods[i]
		n, err := strconv.ParseInt(q.name[strings.LastIndexByte(q.name, '-')+1:], 10, 32)
		if err == nil && int32(n) >= partition && !q.ready && !q.leaving && q.written != "" && q.written != l.status.UpdateRevision {
			return q
		}
	}
	return nil
}

// stuckSteps adds a step of its own for each pod that stands in the way already: it cannot become ready, and its StatefulSet
// will not replace it.
func (l *look) stuckSteps(prop *rollback.Proposal, to rollback.Revision) {
	if l.kind.name != "statefulset" || l.spec.PodManagementPolicy == "Parallel" || l.how().Type == "OnDelete" {
		return
	}
	target := map[string]bool{}
	for _, h := range l.revs {
		if h.digest == to.Digest && h.object != nil {
			target[h.object.GetName()] = true
		}
	}
	for _, q := range l.pods {
		if q.ready || q.leaving || q.why == "" || target[q.written] {
			continue
		}
		prop.Steps = append(prop.Steps, rollback.Step{
			N: len(prop.Steps) + 1, Unit: l.id, Action: actionDelete, From: to.Digest, To: to.Digest,
			Title: fmt.Sprintf("delete pod %s, which is stuck (%s) and which the StatefulSet waits for", q.name, q.why),
			Args:  map[string]string{argPod: q.name, argUID: q.uid},
		})
		prop.Destroys = append(prop.Destroys, fmt.Sprintf("pod %s, which is stuck (%s); its volumes stay", q.name, q.why))
	}
}
