package kube_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/test/servers"
)

// watched is a Follow whose events can be waited for.
type watched struct {
	t      *testing.T
	events chan string
	errs   chan error
}

func watch(t *testing.T, k *kube.Cluster, namespace string) *watched {
	t.Helper()
	w := &watched{t: t, events: make(chan string, 1000), errs: make(chan error, 1000)}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	done := make(chan struct{})
	t.Cleanup(func() {
		cancel()
		<-done
	})
	go func() {
		defer close(done)
		for e, err := range k.Follow(ctx, configMaps, namespace, kube.Selection{}) {
			switch {
			case err != nil:
				w.errs <- err
			case e.Complete:
				w.events <- "complete"
			case e.Deleted:
				w.events <- "deleted " + e.Object.GetName()
			default:
				w.events <- e.Object.GetName()
			}
		}
	}()
	return w
}

// until waits for an event, and gives those before it.
func (w *watched) until(what string) (before []string) {
	w.t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case e := <-w.events:
			if e == what {
				return before
			}
			before = append(before, e)
		case <-late:
			w.t.Fatalf("never saw %s, but %q", what, before)
		}
	}
}

// A version that the API server no longer knows (410 Gone): it has forgotten what was before its start. The rest of the world
// gets a new list, and what is there.
func gone(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "gone")
	w := watch(t, opened(t, c, servers.Admin), "gone")
	w.until("complete")
	c.Do(t, "", "create", "configmap", "before", "-n", "gone")
	w.until("before")
	for i := range 3 { // other things go on, so that the version which the watch is at is old when the API server comes back
		c.Do(t, "", "create", "namespace", fmt.Sprint("gone-", i))
	}
	if err := c.Pause()(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := w.until("complete")
	if !strings.Contains(strings.Join(seen, " "), "before") {
		t.Errorf("the new list told of %q", seen)
	}
	found := false
	for len(w.errs) > 0 {
		if err := <-w.errs; apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			found = true
		}
	}
	if !found {
		t.Error("nobody was told that the version is gone")
	}
	c.Do(t, "", "create", "configmap", "after", "-n", "gone")
	w.until("after")
}

// relay passes bytes on, encrypted as they are, until its connections are cut.
type relay struct {
	to   string
	mu   sync.Mutex
	open []net.Conn
}

func (r *relay) serve(l net.Listener) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", r.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		r.mu.Lock()
		r.open = append(r.open, in, out)
		r.mu.Unlock()
		go func() { _, _ = io.Copy(out, in) }()
		go func() { _, _ = io.Copy(in, out) }()
	}
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.open {
		_ = c.Close()
	}
	r.open = nil
}

// A connection that breaks loses nothing: the watch goes on where it was, and no list is needed.
func disconnects(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "cut")
	server, err := url.Parse(c.Server)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{to: server.Host}
	go r.serve(l)
	t.Cleanup(func() {
		_ = l.Close()
		r.cut()
	})
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	put(t, kubeconfig, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "x", "users": [{"name": "u", "user": {"token": "admin-token"}}],
 "clusters": [{"name": "c", "cluster": {"server": "https://%s", "certificate-authority": %q}}], "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}]}`,
		l.Addr(), filepath.Join(filepath.Dir(c.Kubeconfig), "certs", "apiserver.crt")))
	k, err := kube.Open(kube.Options{Kubeconfig: kubeconfig})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	w := watch(t, k, "cut")
	w.until("complete")
	for i := range 3 {
		name := fmt.Sprint("n", i)
		r.cut()
		c.Do(t, "", "create", "configmap", name, "-n", "cut")
		if before := w.until(name); strings.Contains(strings.Join(before, " "), "complete") {
			t.Errorf("it lists anew after a cut: %q", before)
		}
	}
}

// The API server holds a user back who asks too much at once, by its own priorities: it answers 429 with a time to wait. That is
// said as what it is, and it goes on when the server lets it.
func throttled(t *testing.T, c *servers.Cluster) {
	c.Do(t, `{"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration", "metadata": {"name": "one-at-a-time"},
 "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}}}`, "create", "-f", "-")
	c.Do(t, `{"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": "one-at-a-time"}, "spec": {
 "priorityLevelConfiguration": {"name": "one-at-a-time"}, "matchingPrecedence": 2, "rules": [{"subjects": [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "kube-system", "name": "busy"}}],
 "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": true}]}]}}`, "create", "-f", "-")
	c.Do(t, "", "create", "serviceaccount", "busy", "-n", "kube-system")
	c.Do(t, "", "create", "clusterrolebinding", "busy", "--clusterrole=edit", "--serviceaccount=kube-system:busy")
	token := strings.TrimSpace(c.Do(t, "", "create", "token", "busy", "-n", "kube-system"))
	l := newLogin(t, c, "Never")
	l.gives(token)
	open := func(timeout time.Duration) *kube.Cluster {
		k, err := kube.Open(kube.Options{Kubeconfig: l.kubeconfig, Timeout: timeout})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = k.Close() })
		return k
	}
	c.Do(t, "", "wait", "--for=condition=Dangling=False", "flowschema/one-at-a-time", "--timeout=30s") // the server knows its new rules
	release := hold(t, c, token)
	impatient := open(2500 * time.Millisecond)
	var err error
	for end := time.Now().Add(30 * time.Second); err == nil && time.Now().Before(end); { // until the one that holds the place has arrived
		err = look(t, impatient)
	}
	if providers.ClassOf(err) != providers.ClassRateLimited || providers.RetryAfter(err) <= 0 {
		t.Errorf("held back: %v (%v, again after %s)", err, providers.ClassOf(err), providers.RetryAfter(err))
	}
	answer := make(chan error)
	go func() { answer <- look(t, open(time.Minute)) }()
	release()
	if err := <-answer; err != nil {
		t.Errorf("let go again: %v", err)
	}
}

// hold takes the one place that there is: a request whose body does not end until release is called.
func hold(t *testing.T, c *servers.Cluster, token string) (release func()) {
	t.Helper()
	body, end := io.Pipe()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.Server+"/api/v1/namespaces/default/configmaps", body)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	q.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} //nolint:gosec // the server of this test
	done := make(chan struct{})
	go func() {
		defer close(done)
		if res, err := client.Do(q); err == nil {
			_ = res.Body.Close()
		}
	}()
	if _, err := io.WriteString(end, "{"); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = end.Close()
		<-done
		client.CloseIdleConnections()
	}
}
