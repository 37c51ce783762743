//go:build unix

package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

// phase is where a run stands when the control plane goes away: at the nth question of a stage, or at a point of its engine.
type phase struct {
	name  string
	stage string // "observing", "planning", "confirming", "running"; "arriving" from its effect on, or the state that its journal has
	at    func(*http.Request) bool
	nth   int // of such questions in that stage; the first is 1
	point string
	// The question, or what was answered to it, is lost; or the question waits and arrives when the control plane is back.
	lost, unheard, late bool
	set                 bool // a StatefulSet with a stuck pod, which takes two steps
	ends                []rollback.RunState
}

func looks(q *http.Request) bool { return q.Method == http.MethodGet }
func looksAtIt(q *http.Request) bool {
	return looks(q) && strings.HasSuffix(q.URL.Path, "/deployments/shop")
}
func triesOut(q *http.Request) bool { return q.Method == http.MethodPatch && !writes(q) }
func deletes(q *http.Request) bool  { return q.Method == http.MethodDelete }

func phases() []phase {
	done := []rollback.RunState{rollback.RunSucceeded}
	return []phase{
		{name: "observing", stage: "observing", at: looks, nth: 2, ends: done},
		{name: "planning", stage: "planning", at: looksAtIt, nth: 1, ends: done},
		{name: "planning, while the patch is tried out", stage: "planning", at: triesOut, nth: 1, ends: done},
		{name: "confirming", stage: "confirming", at: looks, nth: 3, ends: done},
		{name: "confirming, while the patch is tried out", stage: "confirming", at: triesOut, nth: 1, ends: done},
		{name: "before anything is tried", point: "lease.after", nth: 1, ends: []rollback.RunState{rollback.RunAborted, rollback.RunSucceeded}},
		{name: "before the patch", point: "apply.before", nth: 1, ends: done},
		{name: "the patch is lost", stage: "running", at: writes, nth: 1, lost: true, ends: done},
		{name: "the patch is there, and its answer is lost", stage: "running", at: writes, nth: 1, unheard: true, ends: done},
		{name: "the patch arrives when the control plane is back", stage: "running", at: writes, nth: 1, late: true, ends: done},
		{name: "the patch is there and journaled", point: "result.after", nth: 1, ends: done},
		{name: "converging", stage: "arriving", at: looks, nth: 2, ends: done},
		{name: "verifying", stage: string(rollback.RunVerifying), at: looks, nth: 3, ends: done},
		{name: "settling", point: "outcome.before", nth: 1, ends: done},
		{name: "between two steps", set: true, point: "result.after", nth: 1, ends: done},
		{name: "before the second step", set: true, point: "apply.before", nth: 2, ends: done},
		{name: "the second step is lost", set: true, stage: "running", at: deletes, nth: 1, lost: true, ends: done},
		{name: "the second step is there, and its answer is lost", set: true, stage: "running", at: deletes, nth: 1, unheard: true, ends: done},
	}
}

// outage is one time without a control plane, which all runs of the test live through, each in a phase of its own.
type outage struct {
	ready       sync.WaitGroup // each has its workload, and begins
	dark, light chan struct{}
}

// scene is one run in one phase.
type scene struct {
	*desk
	phase
	*outage
	wire    *wire
	kind    dynamic.ResourceInterface
	object  string
	begun   func()
	there   chan struct{} // closed when it stands at its phase
	reach   sync.Once
	over    atomic.Bool
	running atomic.Value // the id of its run
	doing   atomic.Value // what it does
	passed  atomic.Int32 // points or questions of the kind that it stands at
}

// goesAway: the API server is killed while each of many runs is at another point of its way, and comes back. Each says in the
// end what is true, and has had at most one effect.
func goesAway(t *testing.T, c *servers.Cluster) {
	pipeline := client(t, c)
	out := &outage{dark: make(chan struct{}), light: make(chan struct{})}
	all := phases()
	out.ready.Add(len(all) + len(killings()))
	var manifest strings.Builder
	for i, p := range all {
		fmt.Fprintf(&manifest, "---\n{apiVersion: v1, kind: Namespace, metadata: {name: away-%d}}\n---%s", i, p.manifest(fmt.Sprint("away-", i)))
	}
	for i := range killings() {
		fmt.Fprintf(&manifest, "---\n{apiVersion: v1, kind: Namespace, metadata: {name: killed-%d}}\n---%s", i, phase{}.manifest(fmt.Sprint("killed-", i)))
	}
	c.Do(t, manifest.String(), "apply", "-f", "-")
	scenes := make(chan waiting, len(all)+len(killings()))
	var runs sync.WaitGroup
	for i, p := range all {
		runs.Go(func() {
			begun := sync.OnceFunc(out.ready.Done)
			defer begun() // also where it failed, or was left out
			t.Run(p.name, func(t *testing.T) {
				s := newScene(t, c, pipeline, out, p, fmt.Sprint("away-", i))
				s.begun = begun
				scenes <- waiting{p.name, s.there, func() bool { return s.over.Load() || s.wire.refused.Load() > 0 }}
				defer s.reach.Do(func() { close(s.there) }) // also where it failed
				s.play()
			})
		})
	}
	for i, k := range killings() {
		runs.Go(func() {
			begun := sync.OnceFunc(out.ready.Done)
			defer begun()
			t.Run(k.name, func(t *testing.T) {
				s := newKilling(t, c, pipeline, out, k, fmt.Sprint("killed-", i))
				s.begun = begun
				scenes <- waiting{k.name, s.there, s.over.Load}
				defer s.reach.Do(func() { close(s.there) })
				s.play()
			})
		})
	}
	out.ready.Wait()
	out.happens(t, c, scenes)
	runs.Wait()
}

// waiting is a run that the outage waits for: until it stands at its phase, and then until it has noticed.
type waiting struct {
	name    string
	there   <-chan struct{}
	noticed func() bool
}

// happens kills the API server when every run stands at its phase, and starts it again when each has noticed.
func (o *outage) happens(t *testing.T, c *servers.Cluster, scenes <-chan waiting) {
	t.Helper()
	limit := time.After(2 * time.Minute)
	var all []waiting
	for range len(scenes) { // each that has begun is there
		all = append(all, <-scenes)
	}
	for _, s := range all {
		select {
		case <-s.there:
		case <-limit:
			t.Errorf("never reached: %s", s.name)
		}
	}
	resume := c.Pause()
	close(o.dark)
	for end := time.Now().Add(30 * time.Second); !slices.ContainsFunc(all, func(s waiting) bool { return !s.noticed() }) && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if err := resume(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	close(o.light)
}

func (p phase) manifest(ns string) string {
	text := shop
	if p.set {
		text = db
	}
	return strings.NewReplacer("name: shop}", "name: shop, namespace: "+ns+"}", "name: db}", "name: db, namespace: "+ns+"}", "replicas: 3", "replicas: 2").Replace(text)
}

func newScene(t *testing.T, c *servers.Cluster, pipeline dynamic.Interface, o *outage, p phase, ns string) *scene {
	t.Helper()
	s := &scene{phase: p, outage: o, wire: newWire(t, c), there: make(chan struct{}), object: "shop"}
	resource := "deployments"
	if p.set {
		resource, s.object = "statefulsets", "db"
	}
	s.kind = pipeline.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: resource}).Namespace(ns)
	s.doing.Store("")
	s.desk = newDesk(t, c, ns, ways{kubeconfig: s.wire.kubeconfig, fail: func(point string) error {
		if s.point == point && int(s.passed.Add(1)) == s.nth {
			s.stand()
		}
		return nil
	}})
	asked := func(q *http.Request) bool {
		if s.unheard || !s.standsAt(q) {
			return true
		}
		s.stand()
		if s.late {
			<-s.light
		}
		return !s.lost
	}
	answered := func(q *http.Request) bool {
		if s.standsAt(q) {
			s.stand()
			return false
		}
		return true
	}
	s.wire.asked.Store(&asked)
	if s.unheard {
		s.wire.answered.Store(&answered)
	}
	return s
}

// standsAt reports that a question is the one at which the run stands.
func (s *scene) standsAt(q *http.Request) bool {
	if s.at == nil || !s.at(q) {
		return false
	}
	stage := s.doing.Load()
	if id, _ := s.running.Load().(string); id != "" && s.stage != "running" {
		run, err := s.Engine.Run(context.WithoutCancel(s.Context()), id)
		if err != nil {
			return false
		}
		if stage = string(run.State); !run.AppliedAt.IsZero() && run.State != rollback.RunVerifying {
			stage = "arriving"
		}
	}
	return stage == s.stage && int(s.passed.Add(1)) == s.nth
}

// stand tells that the phase is reached, and goes on when the control plane is gone.
func (s *scene) stand() {
	s.reach.Do(func() { close(s.there) })
	<-s.dark
}

func (s *scene) unit() rollback.UnitID {
	if s.set {
		return s.desk.unit("statefulset.db")
	}
	return s.desk.unit("shop")
}

// until does something that changes nothing, and again when the control plane is back.
func until[T any](s *scene, stage string, do func() (T, error)) T {
	s.Helper()
	s.doing.Store(stage)
	got, err := do()
	if s.stage == stage && err != nil { // a look that is tried again may also have waited until the control plane was back
		if errors.Is(err, rollback.ErrPlanChanged) && !strings.Contains(err.Error(), "not all units could be listed") || errors.Is(err, rollback.ErrRefused) {
			s.Errorf("%s: nothing has changed and nobody refused: %v", stage, err)
		}
		<-s.light
		s.Logf("%s: %v", stage, err)
		got, err = do()
	}
	if err != nil {
		s.Fatalf("%s: %v", stage, err)
	}
	return got
}

// ruined has the workload serve well, and then something else deployed.
func (s *scene) ruined() (good rollback.Revision, generation int64) {
	s.Helper()
	defer s.ready.Wait()
	defer s.begun()
	good = s.good(s.unit())
	generation = deploy(s.desk, s.kind, s.object, "v2-broken").GetGeneration()
	if s.set {
		s.stuck("v2-broken")
	}
	return good, generation
}

func (s *scene) play() {
	defer s.over.Store(true)
	s.Helper()
	good, before := s.ruined()
	until(s, "observing", func() (rollback.Observation, error) { return s.provider.Observe(s.Context(), s.unit()) })
	p := until(s, "planning", func() (rollback.Plan, error) {
		return s.Plan(s.Context(), rollback.Request{Unit: s.unit(), Reason: "errors"})
	})
	run := until(s, "confirming", func() (rollback.Run, error) {
		return s.Confirm(s.Context(), p, oncall.Yes(p))
	})
	s.running.Store(run.ID)
	s.doing.Store("running")
	run, err := s.Execute(context.WithoutCancel(s.Context()), run.ID)
	s.over.Store(true)
	if err != nil {
		s.Fatal(err)
	}
	<-s.light
	s.Logf("ended %q: %s", run.State, run.Detail)
	s.judge(run, good, before)
}

// judge compares what the run says with what is there.
func (s *scene) judge(run rollback.Run, good rollback.Revision, before int64) {
	s.Helper()
	if !slices.Contains(s.ends, run.State) {
		s.Errorf("ended %q: %s", run.State, run.Detail)
	}
	o, err := s.provider.Observe(s.Context(), s.unit())
	if err != nil {
		s.Fatal(err)
	}
	now, err := s.kind.Get(s.Context(), s.object, metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	effects, want := now.GetGeneration()-before, int64(0)
	if run.State == rollback.RunSucceeded {
		want = 1
	}
	if effects != want || (effects == 1) != (o.Current.Digest == good.Digest) {
		s.Errorf("it says %q, and had %d effects and serves %s", run.State, effects, o.Current.Label)
	}
	if run.State == rollback.RunSucceeded {
		return
	}
	p, err := s.Plan(s.Context(), rollback.Request{Unit: s.unit()})
	if err != nil {
		s.Fatal(err)
	}
	if run, err = s.Execute(s.Context(), s.confirmed(p).ID); err != nil || run.State != rollback.RunSucceeded {
		s.Errorf("once more: %q: %s %v", run.State, run.Detail, err)
	}
}
