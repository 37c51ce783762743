package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// How long the parts of a cluster may take. A first start builds the servers, which takes as long as it takes.
const (
	clusterCall  = time.Minute
	clusterReady = 2 * time.Minute
	clusterEnd   = 30 * time.Second
	clusterPoll  = 100 * time.Millisecond
)

// cluster is a Kubernetes control plane of the shop's own, with one node that runs pods as processes of this machine. It is
// brought up by test/servers/up of a checkout, a process that ends with this one.
type cluster struct {
	dir      string // below which it is: cluster, images, charts
	checkout string
	self     string // what the images start
	progress *os.File
	say      func(string)
	up       *child
	place    struct{ Kubeconfig, Bin string } // once it is up
	builds   int
	newest   map[string]shipped // by service
	running  bool               // what is released goes live
	where    map[string]string  // where services are reached
}

// newCluster looks whether everything is there that it needs. Nothing is made yet.
func newCluster(o Options) (*cluster, error) {
	at, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the checkout: %w", err)
	}
	c := &cluster{self: o.Self, progress: o.Progress, say: o.Say, newest: map[string]shipped{}, where: map[string]string{}}
	if c.say == nil {
		c.say = func(string) {}
	}
	if c.checkout, err = checkout(at); err != nil {
		return nil, err
	}
	return c, toolchain()
}

func (c *cluster) at(name string) string { return filepath.Join(c.dir, name) }

// start brings the cluster up and waits until its node is ready.
func (c *cluster) start(ctx context.Context, s *spawner) error {
	program, err := c.build(ctx)
	if err != nil {
		return err
	}
	c.say("bringing up a control plane, and a node that runs pods as processes")
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "-json", "-images", c.at("images"), "-dir", c.at("cluster"), "-with", "helm,backout-helm")
	cmd.Dir, cmd.Env = c.checkout, c.goEnv()
	if c.progress != nil {
		cmd.Stderr = c.progress
	}
	bindToParent(cmd)
	up := &child{name: "cluster", cmd: cmd, done: make(chan struct{}), patience: clusterEnd}
	if up.stdin, err = cmd.StdinPipe(); err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	if err := s.run(cmd); err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	c.up = up
	line := up.follow(stdout)
	select {
	case text, ok := <-line:
		if !ok {
			return errors.New("start the cluster: it ended at once, and said why above")
		}
		if err := json.Unmarshal(text, &c.place); err != nil {
			return fmt.Errorf("start the cluster: it says %q: %w", text, err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("start the cluster: %w", ctx.Err())
	}
}

// build builds what brings the cluster up, where it is kept for the next time.
func (c *cluster) build(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache: %w", err)
	}
	which := sha256.Sum256([]byte(c.checkout))
	program := filepath.Join(cache, "backout-test", "checkout-"+hex.EncodeToString(which[:6]), "up")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if _, err := os.Stat(program); err != nil {
		c.say("building what brings the cluster up; the first time that takes a minute")
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "./test/servers/up")
	cmd.Dir, cmd.Env = c.checkout, c.goEnv()
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build test/servers/up: %w: %s", err, bytes.TrimSpace(out))
	}
	return program, nil
}

// goEnv is the user's environment without what would lead to another cluster.
func (c *cluster) goEnv() []string {
	var out []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "KUBE") && !strings.HasPrefix(kv, "HELM_") && !strings.HasPrefix(kv, "BACKOUT_STATE") {
			out = append(out, kv)
		}
	}
	return out
}

// call runs kubectl or helm of the cluster's own, with nothing of the user's settings, and gives its output.
func (c *cluster) call(ctx context.Context, input, program string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, clusterCall)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.place.Bin, program), args...)
	home := c.at("cluster")
	cmd.Env = append(childEnv(os.Environ()), "HOME="+home, "KUBECONFIG="+c.place.Kubeconfig,
		"HELM_CACHE_HOME="+filepath.Join(home, "helm"), "HELM_CONFIG_HOME="+filepath.Join(home, "helm"), "HELM_DATA_HOME="+filepath.Join(home, "helm"))
	cmd.WaitDelay = time.Second
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, args[0], err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// addr is where a service can be reached; "" before it is deployed.
func (c *cluster) addr(service string) string { return c.where[service] }

// locate waits until every service has an address on this machine.
func (c *cluster) locate(ctx context.Context, services ...string) error {
	return c.until(ctx, "every service can be reached", func() (bool, error) {
		out, err := c.call(ctx, "", "kubectl", "-n", namespace, "get", "services", "-o",
			`jsonpath={range .items[*]}{.metadata.name} {.metadata.annotations.test\.backout\.dev/address}{"\n"}{end}`)
		for line := range strings.Lines(string(out)) {
			if name, addr, _ := strings.Cut(strings.TrimSpace(line), " "); addr != "" {
				c.where[name] = addr
			}
		}
		for _, s := range services {
			if c.where[s] == "" {
				return false, err
			}
		}
		return true, err
	})
}

// until waits for something in the cluster.
func (c *cluster) until(ctx context.Context, what string, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, clusterReady)
	defer cancel()
	tick := time.NewTicker(clusterPoll)
	defer tick.Stop()
	for {
		ok, err := holds()
		if ok && err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-c.up.done:
			return fmt.Errorf("wait until %s: the cluster ended", what)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait until %s: %w", what, ctx.Err()), err)
		}
	}
}
