package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/test/servers"
)

type world struct {
	dir           string
	helm, backout string
	controlplane  string
	cluster       *servers.Cluster
	direct        *http.Client
	home          string // of the tool that is tried
	kubeconfig    string // through the proxy
	namespace     string
	started       time.Time // of the command that is timed
	said          string    // the last line of a tool that ended badly
}

// versions are the revisions, in their order.
var versions = []string{good, "v2-broken", "v3"}

// deployment leaves the number of replicas to an autoscaler, or to who scales it.
const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: pay, labels: {app: pay}}
spec:
  progressDeadlineSeconds: 8
  selector: {matchLabels: {app: pay}}
  template:
    metadata: {labels: {app: pay}}
    spec:
      containers: [{name: app, image: "registry.test/pay:TAG"}]
`

// try makes the broken Deployment, lets the tool take it back, and looks what became of it.
func (w *world) try(ctx context.Context, tool tool, round int) (r result, err error) {
	w.namespace = fmt.Sprintf("%s-%d", strings.ReplaceAll(tool.name, ", ", "-"), round+1)
	w.home = filepath.Join(w.dir, w.namespace)
	if err := os.Mkdir(w.home, 0o700); err != nil {
		return r, err
	}
	if err := os.Symlink(w.controlplane, filepath.Join(w.home, "kubectl")); err != nil { // which is kubectl by this name
		return r, err
	}
	if _, err := w.cluster.Kubectl(ctx, "", "create", "namespace", w.namespace); err != nil {
		return r, err
	}
	proxy, err := count(w.cluster.Server)
	if err != nil {
		return r, err
	}
	defer proxy.close()
	if err := w.through(proxy.addr); err != nil {
		return r, err
	}
	if err := tool.history(ctx, w); err != nil {
		return r, fmt.Errorf("make the three revisions: %w", err)
	}
	// Somebody wrote down whose it is, as happens between two releases.
	if _, err := w.kubectl(ctx, "", "annotate", "deployment/pay", "team.example/owner=payments"); err != nil {
		return r, err
	}
	before, err := w.object(ctx)
	if err != nil {
		return r, err
	}
	proxy.reset()
	after, err := w.run(ctx, tool, &r)
	if err != nil {
		return r, err
	}
	r.asked, r.writes = proxy.seen()
	r.calls = len(r.asked)
	if tool.known != nil && r.exit != 1 {
		if r.known, err = tool.known(ctx, w); err != nil {
			return r, err
		}
	}
	if r.exit != 0 {
		r.said = w.said
	}
	r.chose, r.other = version(after), differences(before, after)
	return r, nil
}

// run runs the tool's commands and watches the Deployment meanwhile, until it is what was chosen, or is told not to get there.
func (w *world) run(ctx context.Context, tool tool, r *result) (after map[string]any, err error) {
	before, err := w.object(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	start := time.Now()
	w.started = start
	ended := make(chan error, 1)
	go func() {
		exit, err := tool.back(ctx, w)
		r.exit, r.told = exit, time.Since(start)
		ended <- err
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for over := false; ; {
		select {
		case err := <-ended:
			if err != nil {
				return nil, err
			}
			over, ended = true, nil
		case <-tick.C:
		}
		if after, err = w.object(ctx); err != nil {
			return nil, err
		}
		if r.converged == 0 && version(after) != version(before) && converged(after) {
			r.converged = time.Since(start)
		}
		if over && (r.converged > 0 || r.exit != 0 || overdue(after)) {
			return after, nil
		}
	}
}

// through writes a kubeconfig whose server is the proxy.
func (w *world) through(addr string) error {
	w.kubeconfig = filepath.Join(w.home, "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "http://%s"}}]
users: [{name: admin, user: {}}]
contexts: [{name: admin, context: {cluster: test, user: admin, namespace: %s}}]
current-context: admin
`, addr, w.namespace)
	return os.WriteFile(w.kubeconfig, []byte(text), 0o600)
}

// kubectl runs it beside the proxy.
func (w *world) kubectl(ctx context.Context, input string, args ...string) (string, error) {
	return w.cluster.Kubectl(ctx, input, append([]string{"-n", w.namespace}, args...)...)
}

// command runs a tool's program, and gives its exit code.
func (w *world) command(ctx context.Context, program string, args ...string) (out string, code int, err error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = w.home
	cmd.Env = []string{
		"TESTBOUNDARY=" + strconv.Itoa(os.Getpid()), // whoever measures may be an AI agent: what is measured is a person's rollback
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.home, "KUBECONFIG=" + w.kubeconfig, "XDG_CONFIG_HOME=" + w.home, "XDG_STATE_HOME=" + w.home,
		"XDG_CACHE_HOME=" + w.home, "LANG=C.UTF-8", "TZ=UTC",
	}
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		w.said = providers.Clean(lines[len(lines)-1])
		return string(text), exit.ExitCode(), nil
	}
	return string(text), 0, err
}

// object asks the API server itself what the Deployment is.
func (w *world) object(ctx context.Context) (map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.cluster.Server+"/apis/apps/v1/namespaces/"+w.namespace+"/deployments/pay", http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer admin-token")
	resp, err := w.direct.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("look at the Deployment: %s", resp.Status)
	}
	var o map[string]any
	return o, json.NewDecoder(resp.Body).Decode(&o)
}

// settled waits until a revision is available, or has missed its deadline where it cannot be. The first is scaled up.
func (w *world) settled(ctx context.Context, version string) error {
	if version == good {
		if _, err := w.kubectl(ctx, "", "scale", "deployment/pay", "--replicas=6"); err != nil {
			return err
		}
	}
	out, err := w.kubectl(ctx, "", "rollout", "status", "deployment/pay", "--timeout=40s")
	if strings.HasSuffix(version, "broken") == strings.Contains(out, "exceeded its progress deadline") {
		return nil
	}
	return fmt.Errorf("%s has not become what it should: %w: %s", version, err, out)
}

// at reads a value by its path; nil where there is none.
func at(o any, path ...string) any {
	for _, p := range path {
		m, _ := o.(map[string]any)
		o = m[p]
	}
	return o
}

func version(o map[string]any) string {
	containers, _ := at(o, "spec", "template", "spec", "containers").([]any)
	if len(containers) == 0 {
		return ""
	}
	image, _ := at(containers[0], "image").(string)
	return image[strings.LastIndex(image, ":")+1:]
}

func number(v any) float64 {
	n, _ := v.(float64)
	return n
}

func converged(o map[string]any) bool {
	want := number(at(o, "spec", "replicas"))
	for _, name := range []string{"replicas", "updatedReplicas", "availableReplicas"} {
		if number(at(o, "status", name)) != want {
			return false
		}
	}
	return number(at(o, "status", "observedGeneration")) >= number(at(o, "metadata", "generation"))
}

func overdue(o map[string]any) bool {
	conditions, _ := at(o, "status", "conditions").([]any)
	for _, c := range conditions {
		if at(c, "reason") == "ProgressDeadlineExceeded" {
			return number(at(o, "status", "observedGeneration")) >= number(at(o, "metadata", "generation"))
		}
	}
	return false
}

// differences names what else than the pod template is different, without what the API server and the controllers write.
func differences(before, after map[string]any) []string {
	a, b := map[string]string{}, map[string]string{}
	flatten("", before, a)
	flatten("", after, b)
	maps.DeleteFunc(a, func(k, v string) bool { return b[k] == v })
	var out []string
	for _, k := range slices.Sorted(maps.Keys(a)) {
		if _, there := b[k]; !there {
			out = append(out, k+" dropped")
		} else {
			out = append(out, fmt.Sprintf("%s %s -> %s", k, a[k], b[k]))
		}
	}
	was := map[string]string{}
	flatten("", before, was)
	for _, k := range slices.Sorted(maps.Keys(b)) {
		if _, there := was[k]; !there {
			out = append(out, k+" added")
		}
	}
	return out
}

func flatten(path string, v any, into map[string]string) {
	switch path {
	case "/status", "/spec/template", "/metadata/generation", "/metadata/resourceVersion", "/metadata/managedFields", "/metadata/annotations/deployment.kubernetes.io/revision":
		return
	}
	if m, ok := v.(map[string]any); ok {
		for k, e := range m {
			flatten(path+"/"+k, e, into)
		}
		return
	}
	text, err := json.Marshal(v)
	if err != nil {
		text = []byte(err.Error())
	}
	into[path] = string(text)
}
