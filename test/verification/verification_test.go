//go:build unix

package verification_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/backout-dev/backout/test/oncall"
	"github.com/backout-dev/backout/test/servers"
)

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart}
spec:
  replicas: 2
  selector: {matchLabels: {app: cart}}
  strategy: {rollingUpdate: {maxSurge: 2}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      containers: [{name: app, image: "registry.test/cart:v1"}]
`

// shop serves as well as the image of its Deployment is.
type shop struct {
	deployments dynamic.ResourceInterface
	url         string // on an address that is not this machine's loopback, which nobody asks for an annotation
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o, err := s.deployments.Get(r.Context(), "cart", metav1.GetOptions{})
	bad := err != nil
	if err == nil {
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		image, _ := containers[0].(map[string]any)["image"].(string)
		bad = !strings.HasSuffix(image, ":v1")
	}
	switch {
	case r.URL.Path == "/metrics" && bad:
		fmt.Fprintln(w, "cart_error_ratio 0.4")
	case r.URL.Path == "/metrics":
		fmt.Fprintln(w, "cart_error_ratio 0")
	case bad:
		w.WriteHeader(http.StatusInternalServerError)
	default:
		fmt.Fprintln(w, "the cart is open")
	}
}

// open serves the shop where others reach it.
func open(t *testing.T, c *servers.Cluster, ns string) *shop {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS, cfg.Burst = 100, 100
	client, err := dynamic.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{deployments: client.Resource(schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}).Namespace(ns)}
	l, err := net.Listen("tcp", net.JoinHostPort(servers.Outward(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	s.url = "http://" + l.Addr().String()
	return s
}

// console is the program, and what it says.
type console struct{ *oncall.Home }

func newConsole(t *testing.T, config string) *console {
	t.Helper()
	program, err := oncall.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &console{oncall.NewHome(t, program, config)}
}

// says fails the test unless a text holds all of these.
func (c *console) says(text string, all ...string) {
	c.Helper()
	for _, want := range all {
		if !strings.Contains(text, want) {
			c.Errorf("no %q in:\n%s", want, text)
		}
	}
}

const config = `environment: dev
state_dir: state
cache_dir: cache
rollback: {hold: 1s, poll: 200ms, deadline: 25s}
providers:
  k8s: {type: kubernetes, kubeconfig: %q, namespaces: [%s], min_soak: 1s}
  prom: {type: prometheus, url: %q}
verify:
  - name: smoke
    command: [{name: the smoke test, argv: [sh, -c, 'test "$BACKOUT_UNIT" = k8s:%[2]s/cart']}]
`

func TestDeclaredOnTheObject(t *testing.T) {
	c := servers.StartCluster(t)
	const ns = "declared"
	c.Do(t, "", "create", "namespace", ns)
	kubectl := func(args ...string) string { return c.Do(t, "", append([]string{"-n", ns}, args...)...) }
	c.Do(t, manifest, "-n", ns, "apply", "-f", "-")
	kubectl("rollout", "status", "deployment/cart", "--timeout=60s")
	s := open(t, c, ns)
	prom := servers.StartPrometheus(t, servers.PrometheusConfig{Targets: []servers.Target{{Addr: strings.TrimPrefix(s.url, "http://")}}})
	b := newConsole(t, fmt.Sprintf(config, c.Kubeconfig, ns, prom.URL))
	const unit = "k8s:" + ns + "/cart"
	for first := time.Now(); time.Since(first) < 3*time.Second; { // known good once it was seen to serve for min_soak
		b.Run("plan", unit)
	}
	deploy := func(tag string) {
		kubectl("set", "image", "deployment/cart", "app=registry.test/cart:"+tag)
		kubectl("rollout", "status", "deployment/cart", "--timeout=60s")
	}
	deploy("v2")

	// Nothing is declared, nothing alerts and the pods have no probe: the plan says that nobody will know.
	text, _ := b.Run("plan", unit)
	b.says(text, "nothing looks at it from outside: it will end as applied, unverified")

	kubectl("annotate", "deployment/cart", "backout.dev/verify=smoke", "backout.dev/verify-http={url: '"+s.url+"/', contains: open, samples: 2}",
		"backout.dev/verify-promql={name: errors, query: cart_error_ratio, max: 0.05, window: 3s}", "backout.dev/verify-hold=10s")
	text, _ = b.Run("plan", unit)
	b.says(text, "check the smoke test: run sh -c", "; goal: exit code 0 (backout.yaml:9)",
		"check errors: PromQL at prom: cart_error_ratio, over 3s; goal: at most 0.05 for 3s (annotation backout.dev/verify-promql)",
		"goal: 200 to 399 with the expected text, 2 times in a row (annotation backout.dev/verify-http)", "3 declared checks", "all well for 10s")
	text, code := b.Run("rollback", unit, "--reason", "the cart is shut", "--confirm", "cart")
	b.says(text, "succeeded", "checks passed, for 10s", "before: fail 0.4 at worst in 3s", "before: fail answered 500 (1 of 2)")
	if code != 0 {
		t.Errorf("exit code %d:\n%s", code, text)
	}

	// What an annotation cannot have is not left out: the run is not verified, and says why. What fails is told with its value.
	deploy("v3")
	kubectl("annotate", "--overwrite", "deployment/cart", "backout.dev/verify=nosuch", "backout.dev/verify-hold-", "backout.dev/verify-command=[touch, "+b.Dir+"/ran]",
		"backout.dev/verify-http=http://169.254.169.254/latest/", "backout.dev/verify-promql={name: errors, query: cart_error_ratio, min: 1}")
	text, _ = b.Run("plan", unit)
	b.says(text, "check backout.dev/verify-command cannot be looked at, so it will end as applied, unverified: a program is never taken from an annotation",
		`the configuration has no entry under verify with the name "nosuch"`)
	text, code = b.Run("rollback", unit, "--reason", "the cart is shut", "--confirm", "cart")
	b.says(text, "applied, not verified within 25s", "check errors: fail (0, goal: at least 1)", "169.254.169.254 is a link-local address", "a program is never taken from an annotation")
	if _, err := os.Stat(filepath.Join(b.Dir, "ran")); code != 4 || err == nil {
		t.Errorf("exit code %d; the annotation's program ran: %v", code, err == nil)
	}
	if image := kubectl("get", "deployment/cart", "-o", "jsonpath={.spec.template.spec.containers[0].image}"); image != "registry.test/cart:v1" {
		t.Errorf("it serves %s", image)
	}
}
