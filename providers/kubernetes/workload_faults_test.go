package kubernetes

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httputil"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/servers"
)

// wire is what lies between a provider and the API server: it can hold patches back, and answer nonsense.
type wire struct {
	to      http.Handler
	garbage atomic.Bool

	mu   sync.Mutex
	held chan struct{} // closed when what is held back may arrive; nil: nothing is held back
	left sync.WaitGroup
}

func (w *wire) ServeHTTP(out http.ResponseWriter, q *http.Request) {
	if w.garbage.Load() {
		out.Header().Set("Content-Type", "application/json")
		_, _ = out.Write([]byte(`{"kind": "Cheese", "apiVersion": "v1", "items": "none", "spec": 7}`))
		return
	}
	w.mu.Lock()
	held := w.held
	if held != nil && q.Method == http.MethodPatch {
		w.left.Add(1)
		defer w.left.Done()
	} else {
		held = nil
	}
	w.mu.Unlock()
	if held != nil {
		<-held
		q = q.WithContext(context.WithoutCancel(q.Context())) // it arrives, whoever waits for it
	}
	// An answer that comes before the proxy has read the question to its end would be cut off.
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return // whoever asked gave up
	}
	q.Body, q.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	w.to.ServeHTTP(out, q)
}

// hang holds patches back; release lets them arrive and returns when they have.
func (w *wire) hang() (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	held := make(chan struct{})
	w.held = held
	return func() {
		w.mu.Lock()
		w.held = nil
		w.mu.Unlock()
		close(held)
		w.left.Wait()
	}
}

func (w *wire) spoil() (restore func()) {
	w.garbage.Store(true)
	return func() { w.garbage.Store(false) }
}

// through makes the room's provider reach the cluster through a wire.
func (r *room) through() *wire {
	r.Helper()
	w := &wire{}
	file := r.c.Between(r, func(on *httputil.ReverseProxy) http.Handler {
		w.to = on
		return w
	})
	set := r.p.set
	set.Kubeconfig, set.Context = file, servers.Admin
	r.p = r.provider(set)
	return w
}

const aloneKey = "BACKOUT_TEST_APPLY"

// alone is one Apply for a process of its own.
type alone struct {
	Kubeconfig, Namespace string
	Op                    rollback.Operation
	Step                  rollback.Step
	Kept                  map[string][]byte // what the archive holds of ConfigMaps
}

// TestApplyAlone is the process that is killed.
func TestApplyAlone(t *testing.T) {
	var a alone
	if json.Unmarshal([]byte(os.Getenv(aloneKey)), &a) != nil {
		t.Skip("it is only the other process of another test")
	}
	r := &room{T: t}
	p := r.provider(settings{Scope: kube.Scope{Kubeconfig: a.Kubeconfig, Namespaces: []string{a.Namespace}}})
	for key, data := range a.Kept {
		if err := p.env.Archive.Put(t.Context(), p.name, key, data); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("ready")
	if _, err := p.Apply(t.Context(), a.Op, a.Step); err != nil {
		t.Fatal(err)
	}
}

// kill runs an Apply in a process of its own and kills that at a random instant.
func (r *room) kill(ctx context.Context, op rollback.Operation, step rollback.Step) (err error) {
	r.c.Settled(r, func(kubeconfig string) {
		err = r.applyAndKill(ctx, alone{Kubeconfig: kubeconfig, Namespace: r.ns, Op: op, Step: step})
	})
	return err
}

// applyAndKill does it with what reaches the cluster in a way of its own.
func (r *room) applyAndKill(ctx context.Context, a alone) error {
	a.Kept = r.p.env.Archive.(*providertest.Archive).Held(r.p.name)
	maps.DeleteFunc(a.Kept, func(key string, _ []byte) bool { return !strings.Contains(key, "/content/") })
	raw, err := json.Marshal(a)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestApplyAlone$")
	cmd.Env = append(os.Environ(), aloneKey+"="+string(raw))
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return fmt.Errorf("it did not begin: %w", err)
	}
	time.Sleep(rand.N(60 * time.Millisecond)) // the instant is what is random here
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return nil
}
