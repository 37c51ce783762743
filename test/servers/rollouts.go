package servers

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

const (
	rolloutsModule  = "github.com/argoproj/argo-rollouts"
	rolloutsVersion = "v1.10.1"
)

// rolloutsKinds are the kinds of object that the controller is for, as its module defines them.
var rolloutsKinds = []string{
	"manifests/crds/rollout-crd.yaml", "manifests/crds/analysis-run-crd.yaml", "manifests/crds/analysis-template-crd.yaml",
	"manifests/crds/cluster-analysis-template-crd.yaml", "manifests/crds/experiment-crd.yaml",
}

// Rollouts is a running Argo Rollouts controller, and its kubectl plugin.
type Rollouts struct {
	cluster    *Cluster
	plugin     string
	controller *process
}

// StartRollouts makes a cluster know Rollouts and starts their controller for the test, once for a cluster.
func StartRollouts(t testing.TB, c *Cluster) *Rollouts {
	t.Helper()
	controller, plugin := Need(t, "rollouts-controller"), Need(t, "kubectl-argo-rollouts")
	r, err := RunRollouts(t.Context(), c, controller, plugin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

// RunRollouts is StartRollouts outside a test, with the programs that [Find] gives. It must be stopped before the cluster.
func RunRollouts(ctx context.Context, c *Cluster, controller, plugin string) (*Rollouts, error) {
	s, err := Lookup("rollouts-controller")
	if err != nil {
		return nil, err
	}
	args := []string{"apply", "--server-side"}
	for _, f := range rolloutsKinds {
		args = append(args, "-f", filepath.Join(s.FilesDir(controller), filepath.Base(f)))
	}
	if _, err := c.Kubectl(ctx, "", args...); err != nil {
		return nil, fmt.Errorf("make the cluster know rollouts: %w", err)
	}
	if _, err := c.Kubectl(ctx, "", "wait", "--for=condition=Established", "crd/rollouts.argoproj.io", "--timeout=30s"); err != nil {
		return nil, fmt.Errorf("make the cluster know rollouts: %w", err)
	}
	if _, err := c.Kubectl(ctx, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argo-rollouts"}}`, "apply", "-f", "-"); err != nil {
		return nil, err
	}
	r := &Rollouts{cluster: c, plugin: plugin}
	for range 3 { // somebody else may take a port between the look and the start
		if r.controller, err = rolloutsController(ctx, c, controller); err != nil {
			return nil, err
		}
		if err = r.controller.start(ctx); err == nil {
			return r, nil
		}
		r.controller.stop()
	}
	return nil, err
}

func rolloutsController(ctx context.Context, c *Cluster, path string) (*process, error) {
	var ports [2]string
	for i := range ports {
		addr, err := freeAddr(ctx)
		if err != nil {
			return nil, err
		}
		_, ports[i], _ = net.SplitHostPort(addr)
	}
	// It has no flag for the address, so both ports are open to the machine's network.
	return &process{
		name: "rollouts-controller", path: path, dir: c.dir, well: answers("http://127.0.0.1:" + ports[0] + "/healthz"),
		args: []string{"--kubeconfig=" + c.Kubeconfig, "--leader-elect=false", "--healthzPort=" + ports[0], "--metricsPort=" + ports[1], "--loglevel=warn"},
	}, nil
}

// Plugin runs kubectl argo rollouts as Admin, and gives what it printed.
func (r *Rollouts) Plugin(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, r.plugin, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+r.cluster.Kubeconfig)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl argo rollouts %v: %w: %s", args, err, out)
	}
	return string(out), err
}

// Do is Plugin for a test, which fails when it does.
func (r *Rollouts) Do(t testing.TB, args ...string) string {
	t.Helper()
	out, err := r.Plugin(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Pause ends the controller as a crash would, and resume starts it again.
func (r *Rollouts) Pause() (resume func(context.Context) error) {
	r.controller.kill()
	return r.controller.start
}

// Stop ends the controller.
func (r *Rollouts) Stop() { r.controller.stop() }
