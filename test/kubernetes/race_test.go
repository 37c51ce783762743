//go:build unix

package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

// Two hundred times, two consoles with a journal each take the same unit back at once, and one of them is stopped on the way:
// lanes workloads side by side, rounds times each.
const (
	lanes  = 20
	rounds = 10
)

// Where one of the two is stopped: at a point of its engine, or while its patch is on the way.
const (
	onTheWire   = "its patch is on the way"
	longGivenUp = "its patch arrives when it has given up waiting"
)

func stops() []string {
	return []string{
		"lease.before", "lease.after", "intent.before", "intent.after", "apply.before", "apply.after", "result.before", "result.after",
		"state.before", "state.after", "outcome.before", onTheWire, onTheWire, onTheWire, longGivenUp,
	}
}

// stop is what holds one of the two up: until the other is over, or for a while.
type stop struct {
	at    string
	other chan struct{} // closed when the other is over
	limit time.Duration
	once  sync.Once
}

func (s *stop) wait() {
	s.once.Do(func() {
		select {
		case <-s.other:
		case <-time.After(s.limit):
		}
	})
}

// racer is one of two consoles that can be stopped.
type racer struct {
	*desk
	wire *wire
	stop atomic.Pointer[stop]
	op   string // of its newest run
	ask  rollback.Request
}

func newRacer(t *testing.T, c *servers.Cluster, ns string) *racer {
	t.Helper()
	r := &racer{wire: newWire(t, c)}
	r.desk = newDesk(t, c, ns, ways{
		kubeconfig: r.wire.kubeconfig,
		fail: func(point string) error {
			if s := r.stop.Load(); s != nil && s.at == point {
				s.wait()
			}
			return nil
		},
		tune: func(cfg *rollback.Config) {
			cfg.Hold, cfg.Poll, cfg.ApplyTimeout = time.Millisecond, 200*time.Millisecond, 3*time.Second
			cfg.Deadline = 5 * time.Minute // on a slow machine the first of the two arrives late, and still arrives
			cfg.NewID = func() string {
				r.op = ulid.Make().String()
				return r.op
			}
		},
	})
	asked := func(q *http.Request) bool {
		s := r.stop.Load()
		switch {
		case s == nil || !writes(q):
		case s.at == onTheWire:
			s.wait()
		case s.at == longGivenUp:
			s.wait()
			<-q.Context().Done()
		}
		return true
	}
	r.wire.asked.Store(&asked)
	r.ask = rollback.Request{Unit: r.unit("shop"), Reason: "errors"}
	return r
}

// lane is one workload that two consoles take back again and again.
type lane struct {
	*testing.T
	ns      string
	shop    dynamic.ResourceInterface
	console [2]*racer
}

func races(t *testing.T, c *servers.Cluster) {
	pipeline := client(t, c)
	var manifest strings.Builder
	for i := range lanes {
		fmt.Fprintf(&manifest, "---\n{apiVersion: v1, kind: Namespace, metadata: {name: race-%d}}\n---%s", i,
			strings.NewReplacer("name: shop}", fmt.Sprintf("name: shop, namespace: race-%d}", i), "replicas: 3", "replicas: 1\n  revisionHistoryLimit: 2").Replace(shop))
	}
	c.Do(t, manifest.String(), "apply", "-f", "-")
	var all sync.WaitGroup
	for i := range lanes {
		all.Go(func() {
			t.Run(fmt.Sprint("workload ", i), func(t *testing.T) {
				l := &lane{T: t, ns: fmt.Sprint("race-", i)}
				l.shop = pipeline.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace(l.ns)
				for k := range l.console {
					l.console[k] = newRacer(t, c, l.ns)
				}
				for _, d := range l.console {
					d.good(d.unit("shop"))
				}
				for n := range rounds {
					l.round(n)
				}
			})
		})
	}
	all.Wait()
}

// told is what one of the two heard in the end.
type told struct {
	run rollback.Run
	err error // it never came to a run
}

func (h told) String() string {
	if h.err != nil {
		return h.err.Error()
	}
	return fmt.Sprintf("%s: %s", h.run.State, h.run.Detail)
}

// plain reports that it neither had an effect nor says so.
func (h told) plain(op string) bool {
	if h.err != nil {
		return errors.Is(h.err, rollback.ErrPlanChanged) || errors.Is(h.err, rollback.ErrNoTarget)
	}
	for _, s := range h.run.Steps {
		if s.State == rollback.StepApplied {
			return false
		}
	}
	return h.run.State == rollback.RunSuperseded || h.run.State == rollback.RunAlreadyGood && strings.Contains(h.run.Detail, op)
}

func (l *lane) round(n int) {
	l.Helper()
	before := deploy(l.console[0].desk, l.shop, "shop", fmt.Sprintf("v%d-broken", n+2))
	heard, how := l.race()
	l.judge(n, before, heard, how)
}

// race has both take the unit back, one of them stopped on the way.
func (l *lane) race() (heard [2]told, how string) {
	l.Helper()
	points := stops()
	s := &stop{at: points[rand.IntN(len(points))], other: make(chan struct{}), limit: time.Minute}
	if s.at != longGivenUp && rand.IntN(2) == 0 {
		s.limit = rand.N(400 * time.Millisecond)
	}
	stopped := rand.IntN(2)
	l.console[stopped].stop.Store(s)
	together := rand.IntN(4) > 0 // both have confirmed before either acts
	var confirmed, all sync.WaitGroup
	confirmed.Add(2)
	for i, d := range l.console {
		all.Go(func() {
			if i != stopped {
				defer close(s.other)
			}
			run, err := d.ready()
			confirmed.Done()
			if together {
				confirmed.Wait()
			}
			if err == nil {
				run, err = d.Execute(context.WithoutCancel(l.Context()), run.ID)
			}
			heard[i] = told{run, err}
		})
	}
	all.Wait()
	for _, d := range l.console {
		d.stop.Store(nil)
		d.wire.under.Wait()
	}
	return heard, fmt.Sprintf("console %d stopped at %s for up to %s", stopped, s.at, s.limit)
}

// ready plans and confirms.
func (r *racer) ready() (rollback.Run, error) {
	p, err := r.Plan(r.Context(), r.ask)
	if err != nil {
		return rollback.Run{}, err
	}
	return r.Confirm(r.Context(), p, oncall.Yes(p))
}

// judge compares what the two were told with what the API server has: exactly one effect, by the one that says so.
func (l *lane) judge(n int, before *unstructured.Unstructured, heard [2]told, how string) {
	l.Helper()
	now, err := l.shop.Get(l.Context(), "shop", metav1.GetOptions{})
	if err != nil {
		l.Fatal(err)
	}
	if effects := now.GetGeneration() - before.GetGeneration(); effects != 1 {
		l.Errorf("round %d, %s: %d effects", n, how, effects)
	}
	if containers, _, _ := unstructured.NestedSlice(now.Object, "spec", "template", "spec", "containers"); fmt.Sprint(containers[0].(map[string]any)["image"]) != "registry.test/shop:v1" {
		l.Errorf("round %d, %s: it serves %v", n, how, containers[0])
	}
	op, _, _ := strings.Cut(now.GetAnnotations()["backout.dev/op"], " ")
	winners := 0
	for i, h := range heard {
		if h.err == nil && h.run.State == rollback.RunSucceeded && l.console[i].op == op {
			if winners++; !heard[1-i].plain(op) {
				l.Errorf("round %d, %s: one did it, and the other was told %s", n, how, heard[1-i])
			}
		}
	}
	if winners != 1 {
		l.Errorf("round %d, %s: %d say that they did it: %s | %s", n, how, winners, heard[0], heard[1])
	}
}
