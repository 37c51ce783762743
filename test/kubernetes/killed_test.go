//go:build unix

package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

// place is a directory for what the tests share.
var place string

func TestMain(m *testing.M) { os.Exit(inPlace(m)) }

func inPlace(m *testing.M) int {
	var err error
	if place, err = os.MkdirTemp("", "backout-kubernetes-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(place)
	return m.Run()
}

// program is the backout executable, built once for the tests that run it.
var program = sync.OnceValues(func() (string, error) { return oncall.Build(place) })

// home is the program, and what these tests read of its journal.
type home struct{ *oncall.Home }

func newHome(t *testing.T, kubeconfig, ns string) *home {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("environment: dev\nstate_dir: state\ncache_dir: cache\nrollback: {hold: 100ms, poll: 100ms, deadline: 60s}\nproviders:\n  k8s: {type: kubernetes, kubeconfig: %q, namespaces: [%s], min_soak: 1s, hold: 1s}\n", kubeconfig, ns)
	return &home{oncall.NewHome(t, path, text)}
}

// journaled is what these tests read of a run.
type journaled struct{ ID, State, Detail, Executor string }

func (h *home) journal() (out []journaled) {
	h.Helper()
	text, _ := h.Run("runs", "list", "--output", "jsonl")
	for line := range strings.Lines(text) {
		var j journaled
		if json.Unmarshal([]byte(line), &j) == nil && j.ID != "" {
			out = append(out, j)
		}
	}
	return out
}

// executor is the process that works on the newest run; 0: nobody does.
func (h *home) executor() int {
	h.Helper()
	for _, j := range h.journal() {
		_, pid, _ := strings.Cut(j.Executor, ":")
		n, _ := strconv.Atoi(pid)
		return n
	}
	return 0
}

// killing is a run whose process is killed while the control plane is away.
type killing struct {
	name      string
	delivered bool // the patch is there; else it is lost
}

func killings() []killing {
	return []killing{
		{"the run's process is killed too, and the patch is lost", false},
		{"the run's process is killed too, and the patch is there", true},
	}
}

type killedRun struct {
	*home
	killing
	*outage
	desk  *desk
	kind  dynamic.ResourceInterface
	begun func()
	there chan struct{}
	reach sync.Once
	over  atomic.Bool // killed, or failed
	dead  chan struct{}
}

func newKilling(t *testing.T, c *servers.Cluster, pipeline dynamic.Interface, o *outage, k killing, ns string) *killedRun {
	t.Helper()
	w := newWire(t, c)
	s := &killedRun{home: newHome(t, w.kubeconfig, ns), killing: k, outage: o, there: make(chan struct{}), dead: make(chan struct{})}
	s.desk = newDesk(t, c, ns, ways{})
	s.kind = pipeline.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace(ns)
	stand := func(q *http.Request) (on bool) {
		on = true
		if writes(q) {
			s.reach.Do(func() {
				close(s.there)
				<-s.dead
				on = false
			})
		}
		return on
	}
	if k.delivered {
		w.answered.Store(&stand)
	} else {
		w.asked.Store(&stand)
	}
	return s
}

// ruined has the workload serve well, and then something else deployed.
func (s *killedRun) ruined() (good rollback.Revision, generation int64) {
	s.Helper()
	defer s.ready.Wait()
	defer s.begun()
	good = s.desk.good(s.desk.unit("shop"))
	return good, deploy(s.desk, s.kind, "shop", "v2-broken").GetGeneration()
}

func (s *killedRun) play() {
	defer s.over.Store(true)
	good, before := s.ruined()
	first := s.Command("rollback", string(s.desk.unit("shop")), "--confirm", "shop", "--reason", "errors")
	var said strings.Builder
	first.Stdout, first.Stderr = &said, &said
	if err := first.Start(); err != nil {
		s.Fatal(err)
	}
	defer func() { _ = first.Process.Kill() }()
	select {
	case <-s.there:
	case <-time.After(time.Minute):
		_ = first.Process.Kill()
		_ = first.Wait()
		s.Fatalf("it never sent its patch: %s", said.String())
	}
	pid := s.executor()
	<-s.dark
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.Errorf("kill %d: %v", pid, err)
	}
	_ = first.Process.Kill()
	_ = first.Wait()
	close(s.dead)
	s.over.Store(true)
	<-s.light
	out, code := s.Run("runs", "resume")
	if code != 0 || !strings.Contains(out, "succeeded") {
		s.Errorf("resumed: exit code %d: %s", code, out)
	}
	o, err := s.desk.provider.Observe(s.Context(), s.desk.unit("shop"))
	if err != nil {
		s.Fatal(err)
	}
	now, err := s.kind.Get(s.Context(), "shop", metav1.GetOptions{})
	if err != nil {
		s.Fatal(err)
	}
	if effects := now.GetGeneration() - before; effects != 1 || o.Current.Digest != good.Digest {
		s.Errorf("%d effects, and it serves %s", effects, o.Current.Label)
	}
	if out, code := s.Run("ledger", "verify"); code != 0 {
		s.Errorf("the record: %s", out)
	}
}
