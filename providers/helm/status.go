package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

const (
	checkRevision = "release"
	checkObjects  = "objects"
	checkContent  = "content of the objects"
	checkReady    = "pods ready"
)

// standing is how a release stands against the revision that it is to be at.
type standing struct {
	newest  *record
	at      bool     // the newest record has that content
	missing []string // objects of it that are not there, or with other images
	waiting []string // workloads that are not through
	failed  []string // workloads that will not get through
	pods    int64    // that are wanted
	objects []*object
	lives   map[string]*object
	count   int // workloads
}

// stand looks at the record and at every object of it.
func (p *Provider) stand(ctx context.Context, id rollback.UnitID, to rollback.Revision) (s standing, err error) {
	c, err := p.locate(id)
	if err != nil {
		return s, err
	}
	ctx, done := p.bounded(ctx)
	defer func() { done(err) }()
	records, err := p.history(ctx, c)
	if err != nil {
		return s, err
	}
	s.newest = records[0]
	if s.at = s.newest.digest == to.Digest; !s.at {
		return s, nil
	}
	full, err := p.content(ctx, s.newest)
	if err != nil {
		return s, err
	}
	objects, gone, err := p.objects(ctx, full, c)
	if err != nil {
		return s, err
	}
	s.missing, s.objects, s.lives = gone, objects, map[string]*object{}
	for _, o := range objects {
		live, err := p.live(ctx, o)
		if err != nil {
			return s, err
		}
		s.add(o, live)
	}
	return s, nil
}

func (s *standing) add(o, live *object) {
	name := providers.Clean(o.String())
	if live != nil {
		s.lives[o.key()] = live
	}
	switch {
	case live == nil:
		s.missing = append(s.missing, name)
		return
	case !o.workload():
		return
	case images(&live.Object) != images(&o.Object):
		s.missing = append(s.missing, name+" with these images")
	}
	s.count++
	want, detail, failed := progress(live)
	s.pods += want
	switch {
	case failed:
		s.failed = append(s.failed, name+": "+detail)
	case detail != "":
		s.waiting = append(s.waiting, name+": "+detail)
	}
}

// progress says what a workload still waits for, "" nothing. The rules are those of kubectl rollout status.
func progress(o *object) (want int64, detail string, failed bool) {
	at := func(path ...string) int64 { return number(&o.Object, append([]string{"status"}, path...)...) }
	want, updated, ready := number(&o.Object, "spec", "replicas"), at("updatedReplicas"), at("readyReplicas")
	if o.GetKind() == "DaemonSet" {
		want, updated, ready = at("desiredNumberScheduled"), at("updatedNumberScheduled"), at("numberAvailable")
	}
	stuck := condition(o, "Progressing", "ProgressDeadlineExceeded")
	switch {
	case at("observedGeneration") < o.GetGeneration():
		return want, "not yet seen by its controller", false
	case updated < want:
		return want, cmp.Or(stuck, fmt.Sprintf("%d of %d pods are of this revision", updated, want)), stuck != ""
	case o.GetKind() == "Deployment" && at("replicas") > updated:
		return want, cmp.Or(stuck, fmt.Sprintf("%d old pods have to go", at("replicas")-updated)), stuck != ""
	case ready < want || (o.GetKind() == "Deployment" && at("availableReplicas") < want):
		return want, cmp.Or(stuck, fmt.Sprintf("%d of %d pods are ready", ready, want)), stuck != ""
	}
	return want, "", false
}

// condition is the message of a condition with that reason, "" where it has another.
func condition(o *object, kind, reason string) string {
	conditions, _, _ := unstructured.NestedSlice(o.Object.Object, "status", "conditions") // none: there is no such one
	for _, c := range conditions {
		m, ok := c.(map[string]any)
		if ok && m["type"] == kind && m["reason"] == reason {
			message, _ := m["message"].(string)
			return providers.Clean(cmp.Or(message, reason))
		}
	}
	return ""
}

// Status implements rollback.Reverser: the release is at the revision, Helm is through with it, and its workloads are.
func (p *Provider) Status(ctx context.Context, id rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	s, err := p.stand(ctx, id, to)
	if err != nil {
		return rollback.Convergence{}, err
	}
	c := rollback.Convergence{Detail: s.words()}
	switch {
	case !s.at || s.newest.pending():
	case s.newest.status != statusDeployed:
		c.Failed = true
	case len(s.missing) > 0 || len(s.waiting) > 0 || len(s.failed) > 0:
		c.Failed = len(s.failed) > 0
	default:
		c.Done, c.Vacuous = true, s.count > 0 && s.pods == 0
	}
	return c, nil
}

func (s *standing) words() string {
	is := fmt.Sprintf("revision %s is %s", s.newest.label(), s.newest.status)
	switch {
	case !s.at:
		return is + ", with other content"
	case s.newest.pending():
		return is
	case s.newest.status != statusDeployed:
		return is + ": " + s.newest.about
	case len(s.failed) > 0:
		return strings.Join(s.failed, "; ")
	case len(s.missing) > 0:
		return "not there: " + strings.Join(s.missing, ", ")
	case len(s.waiting) > 0:
		return strings.Join(s.waiting, "; ")
	case s.count == 0:
		return is + "; it has no workload to wait for"
	case s.pods == 0:
		return is + "; its workloads are scaled to zero: nothing serves"
	}
	return fmt.Sprintf("%s; %d pods of %d workloads are ready", is, s.pods, s.count)
}

// Verify implements rollback.Reverser: Helm's own word, the objects behind it, and whether the pods are ready.
func (p *Provider) Verify(ctx context.Context, id rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	s, err := p.stand(ctx, id, to)
	if errors.Is(err, rollback.ErrNotFound) {
		return nil, err
	}
	if err != nil {
		return []rollback.Check{{Name: checkRevision, State: rollback.CheckUnknown, Observed: err.Error(), Inside: true}}, nil //nolint:nilerr // not seen is a state of a check
	}
	state := func(good bool) rollback.CheckState {
		if good {
			return rollback.CheckPass
		}
		return rollback.CheckFail
	}
	checks := []rollback.Check{{
		Name: checkRevision, State: state(s.at && s.newest.status == statusDeployed), Inside: true,
		Observed: fmt.Sprintf("revision %s is %s", s.newest.label(), s.newest.status), Goal: "deployed, with this content",
	}}
	if !s.at {
		return checks, nil
	}
	checks = append(checks, rollback.Check{
		Name: checkObjects, State: state(len(s.missing) == 0), Inside: true, Observed: cmp.Or(strings.Join(s.missing, ", "), "all there"), Goal: "all there",
	}, p.contents(ctx, &s))
	if s.count == 0 {
		return checks, nil
	}
	ready := rollback.Check{Name: checkReady, State: state(len(s.waiting)+len(s.failed) == 0), Observed: s.words(), Goal: "all ready"}
	if s.pods == 0 {
		ready.State = rollback.CheckUnknown
	}
	return append(checks, ready), nil
}

// contents compares the digest of all objects as they are with that of what the revision says of them.
func (p *Provider) contents(ctx context.Context, s *standing) rollback.Check {
	check := rollback.Check{Name: checkContent, State: rollback.CheckUnknown, Inside: true}
	ctx, done := p.bounded(ctx)
	w, err := p.whole(ctx, s.objects, s.lives, s.newest.coordinates)
	done(err)
	if err != nil {
		check.Observed = err.Error()
		return check
	}
	check.Goal, check.Observed = fmt.Sprintf("%d objects, %s", w.count, w.want), w.live
	switch {
	case len(w.differs) > 0:
		check.State, check.Observed = rollback.CheckFail, w.live+": "+listed(w.differs)
	case len(w.unknown) > 0:
		check.Observed = "not compared: " + listed(w.unknown)
	case w.live == w.want:
		check.State = rollback.CheckPass
	}
	return check
}
