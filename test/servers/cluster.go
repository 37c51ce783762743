package servers

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kwokStages says how the pods of nodes without a kubelet come up, fail and go.
//
//go:embed stages.yaml
var kwokStages []byte

// Users of a cluster, each a context of its kubeconfig.
const (
	Admin   = "admin"   // may do everything
	Limited = "limited" // may do what a test binds to it
)

// Cluster is a running Kubernetes control plane: etcd, the API server, the controllers, the scheduler, and kwok in place of
// kubelets, so that no container runs and workloads still roll out. A pod whose image says broken or badpull never becomes
// ready.
type Cluster struct {
	Kubeconfig string // the context is Admin; Limited is there too
	Server     string // https://127.0.0.1:port
	dir        string
	program    string
	parts      []*process // in the order of their start
}

// StartCluster starts one for the test.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c, err := RunCluster(t.Context(), NeedCluster(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// RunCluster starts one below dir, from the program that [Find] gives. It must be stopped, and ends with this process.
func RunCluster(ctx context.Context, program, dir string) (*Cluster, error) {
	c, err := run(ctx, program, dir, true)
	if err != nil {
		return nil, err
	}
	return c, c.join(ctx, "node-1")
}

// RunWithoutNodes is RunCluster without kwok and without a node: pods wait until somebody brings one.
func RunWithoutNodes(ctx context.Context, program, dir string) (*Cluster, error) {
	return run(ctx, program, dir, false)
}

// StartWithoutNodes is RunWithoutNodes for the test.
func StartWithoutNodes(t testing.TB) *Cluster {
	t.Helper()
	c, err := RunWithoutNodes(t.Context(), NeedCluster(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

func run(ctx context.Context, program, dir string, kwok bool) (*Cluster, error) {
	c := &Cluster{dir: dir, program: program, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	var err error
	for range 3 { // somebody else may take a port between the look and the start
		if err = c.start(ctx, program, kwok); err == nil {
			return c, nil
		}
		c.Stop()
	}
	return nil, err
}

func (c *Cluster) start(ctx context.Context, program string, kwok bool) error {
	if err := os.RemoveAll(filepath.Join(c.dir, "etcd")); err != nil {
		return err
	}
	c.parts = nil
	ports := make([]string, 6)
	for i := range ports {
		addr, err := freeAddr(ctx)
		if err != nil {
			return err
		}
		_, ports[i], _ = net.SplitHostPort(addr)
	}
	c.Server = "https://127.0.0.1:" + ports[2]
	if err := c.files(); err != nil {
		return err
	}
	for _, p := range c.components(ports) {
		if p.name == "kwok" && !kwok {
			continue
		}
		p.path, p.dir = program, c.dir
		c.parts = append(c.parts, p)
		if err := p.start(ctx); err != nil {
			return err
		}
		switch p.name {
		case "etcd":
		case "kube-apiserver":
			if err := c.kubeconfig(); err != nil {
				return err
			}
		default: // the scheduler ends itself where an API server that came back contradicts what it remembers
			go p.keep(ctx)
		}
	}
	return nil
}

// files writes what the components read at their start.
func (c *Cluster) files() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{
		"sa.key":      pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		"sa.pub":      pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		"tokens.csv":  []byte("admin-token,admin,1,\"system:masters\"\nlimited-token,limited,2,\n"),
		"stages.yaml": kwokStages,
	} {
		if err := os.WriteFile(filepath.Join(c.dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) kubeconfig() error {
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: admin, user: {token: admin-token}}, {name: limited, user: {token: limited-token}}]
contexts: [{name: admin, context: {cluster: test, user: admin}}, {name: limited, context: {cluster: test, user: limited}}]
current-context: admin
`, c.Server, filepath.Join(c.dir, "certs", "apiserver.crt"))
	return os.WriteFile(c.Kubeconfig, []byte(text), 0o600)
}

// As writes a kubeconfig whose only context, of that name too, is a user who may do what is bound to the name and nothing
// else: tests that share a cluster do not see what each other's users may.
func (c *Cluster) As(t testing.TB, user string) string {
	t.Helper()
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: %[3]s, user: {token: admin-token, as: %[3]s}}]
contexts: [{name: %[3]s, context: {cluster: test, user: %[3]s}}]
current-context: %[3]s
`, c.Server, filepath.Join(c.dir, "certs", "apiserver.crt"), user)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (c *Cluster) components(ports []string) []*process {
	at := func(name string) string { return filepath.Join(c.dir, name) }
	etcd, peers := "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]
	part := func(name string, well func(context.Context) bool, args ...string) *process {
		return &process{name: name, called: name, well: well, args: args}
	}
	return []*process{
		part("etcd", answers(etcd+"/health"), "--data-dir="+at("etcd"), "--unsafe-no-fsync", "--log-level=warn",
			"--listen-client-urls="+etcd, "--advertise-client-urls="+etcd, "--listen-peer-urls="+peers,
			"--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers),
		part("kube-apiserver", answers(c.Server+"/readyz"), "--etcd-servers="+etcd, "--secure-port="+ports[2], "--bind-address=127.0.0.1",
			// 127.0.0.1 is no address that an Endpoints object may have.
			"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", "--cert-dir="+at("certs"),
			"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+at("sa.pub"),
			"--service-account-signing-key-file="+at("sa.key"), "--service-cluster-ip-range=10.0.0.0/24",
			"--authorization-mode=RBAC", "--token-auth-file="+at("tokens.csv"), "--allow-privileged=true"),
		part("kube-controller-manager", answers("https://127.0.0.1:"+ports[3]+"/healthz"), "--kubeconfig="+c.Kubeconfig,
			"--service-account-private-key-file="+at("sa.key"), "--root-ca-file="+filepath.Join(at("certs"), "apiserver.crt"),
			"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port="+ports[3], "--cert-dir="+at("certs-controllers"),
			"--horizontal-pod-autoscaler-sync-period=1s", // otherwise nobody sees one act for 15 s
			"--use-service-account-credentials=false", "--controllers=*,-kube-apiserver-serving-clustertrustbundle-publisher-controller"),
		part("kube-scheduler", answers("https://127.0.0.1:"+ports[4]+"/healthz"), "--kubeconfig="+c.Kubeconfig, "--leader-elect=false",
			"--bind-address=127.0.0.1", "--secure-port="+ports[4], "--cert-dir="+at("certs-scheduler")),
		part("kwok", answers("http://127.0.0.1:"+ports[5]+"/healthz"), "--kubeconfig="+c.Kubeconfig, "--manage-all-nodes",
			"--config="+at("stages.yaml"), "--server-address=127.0.0.1:"+ports[5], "--node-lease-duration-seconds=40"),
	}
}

// Stop ends the cluster: those that watch the API server first, because it waits for them.
func (c *Cluster) Stop() {
	for i := len(c.parts) - 1; i >= 0; i-- {
		c.parts[i].stop()
	}
	c.parts = nil
}

// Still ends everything but etcd and the API server: objects stay as they are written, and nothing answers to them.
func (c *Cluster) Still() {
	for len(c.parts) > 2 {
		c.parts[len(c.parts)-1].stop()
		c.parts = c.parts[:len(c.parts)-1]
	}
}

// Pause stops the API server as a partition would, and resume starts it again with all it had stored.
func (c *Cluster) Pause() (resume func(context.Context) error) {
	for _, p := range c.parts {
		if p.name == "kube-apiserver" {
			p.kill()
			return p.start
		}
	}
	return func(context.Context) error { return errors.New("the cluster has no API server") }
}

// answers asks a page of a component, whose certificate it made itself.
func answers(url string) func(context.Context) bool {
	client := &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}, //nolint:gosec // the page of a process that this one started
	}
	return func(ctx context.Context) bool { return ok(ctx, client, url) }
}

// Kubectl runs kubectl as Admin with an input for -f -, and gives what it printed.
func (c *Cluster) Kubectl(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.Args[0] = "kubectl"
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// Do is Kubectl for a test, which fails when it does.
func (c *Cluster) Do(t testing.TB, input string, args ...string) string {
	t.Helper()
	out, err := c.Kubectl(t.Context(), input, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// join adds a node, which kwok makes ready.
func (c *Cluster) join(ctx context.Context, name string) error {
	_, err := c.Kubectl(ctx, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Node", "metadata": {"name": %q, "labels": {"kubernetes.io/hostname": %[1]q}}}`, name), "create", "-f", "-")
	if err != nil {
		return fmt.Errorf("add a node: %w", err)
	}
	if _, err = c.Kubectl(ctx, "", "wait", "--for=condition=Ready", "node/"+name, "--timeout=30s"); err != nil {
		return fmt.Errorf("add a node: %w", err)
	}
	return nil
}
