package servers

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	argocdModule  = "github.com/argoproj/argo-cd/v3"
	argocdVersion = "v3.5.7"
)

// argocdFiles are its kinds of object, its settings as they are installed, and a program of its own that it calls.
var argocdFiles = []string{
	"manifests/crds/application-crd.yaml", "manifests/crds/appproject-crd.yaml", "manifests/crds/applicationset-crd.yaml",
	"manifests/base/config/argocd-cm.yaml", "manifests/base/config/argocd-cmd-params-cm.yaml", "manifests/base/config/argocd-gpg-keys-cm.yaml",
	"manifests/base/config/argocd-rbac-cm.yaml", "manifests/base/config/argocd-secret.yaml", "manifests/base/config/argocd-ssh-known-hosts-cm.yaml",
	"manifests/base/config/argocd-tls-certs-cm.yaml", "hack/git-verify-wrapper.sh",
}

// ArgoCD is a running Argo CD on a cluster: its server, repository server and application controller, with Redis, and git
// repositories that it may read. Its objects are in the namespace argocd; applications reach the cluster as
// https://kubernetes.default.svc.
type ArgoCD struct {
	URL     string // of its API
	Token   string // of the user admin
	git     string // where repositories are
	cluster *Cluster
	program string
	files   string
	dir     string
	env     []string // of each of its programs
	reader  string   // where the repository server answers
	parts   []*process
}

// StartArgoCD starts it for the test, once for a cluster.
func StartArgoCD(t testing.TB, c *Cluster) *ArgoCD {
	t.Helper()
	program, redis := Need(t, "argocd"), needInstalled(t, "redis-server")
	s, err := Lookup("argocd")
	if err != nil {
		t.Fatal(err)
	}
	a := &ArgoCD{cluster: c, program: program, files: s.FilesDir(program), dir: t.TempDir()}
	t.Cleanup(a.Stop)
	if err := a.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 { // somebody else may take a port between the look and the start
		if err = a.start(t.Context(), redis); err == nil {
			break
		}
		a.Stop()
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := a.login(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range a.parts {
				t.Logf("%s:\n%s", p.name, p.log())
			}
		}
	})
	return a
}

// prepare makes the cluster know Argo CD, the directories that it wants, and where repositories are.
func (a *ArgoCD) prepare(ctx context.Context) error {
	if _, err := a.cluster.Kubectl(ctx, `{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}`, "apply", "-f", "-"); err != nil {
		return err
	}
	apply := []string{"-n", "argocd", "apply", "--server-side"}
	for _, f := range argocdFiles {
		if strings.HasSuffix(f, ".yaml") {
			apply = append(apply, "-f", filepath.Join(a.files, path.Base(f)))
		}
	}
	var err error
	for range 3 { // its kinds are large: a busy API server may not be done with one in time
		if _, err = a.cluster.Kubectl(ctx, "", apply...); err == nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("make the cluster know Argo CD: %w", err)
	}
	for _, d := range []string{"bin", "tls", "ssh", "gpg/keys", "gpg/source", "plugins"} {
		if err := os.MkdirAll(filepath.Join(a.dir, filepath.FromSlash(d)), 0o700); err != nil {
			return err
		}
	}
	wrapper, err := os.ReadFile(filepath.Join(a.files, "git-verify-wrapper.sh"))
	if err != nil {
		return err
	}
	// A module's zip has no executable files. Without this one, every manifest is refused with a bare "permission denied".
	if err := os.WriteFile(filepath.Join(a.dir, "bin", "git-verify-wrapper.sh"), wrapper, 0o700); err != nil { //nolint:gosec // it has to be run
		return err
	}
	if err := os.WriteFile(filepath.Join(a.dir, "ssh", "ssh_known_hosts"), nil, 0o600); err != nil {
		return err
	}
	config, err := os.ReadFile(a.cluster.Kubeconfig)
	if err != nil {
		return err
	}
	// It takes its namespace from the context.
	own := bytes.Replace(config, []byte("user: admin}"), []byte("user: admin, namespace: argocd}"), 1)
	if err := os.WriteFile(filepath.Join(a.dir, "kubeconfig"), own, 0o600); err != nil {
		return err
	}
	return os.MkdirAll(filepath.Join(a.dir, "repos"), 0o700)
}

func (a *ArgoCD) start(ctx context.Context, redis string) error {
	var at [8]string
	for i := range at {
		var err error
		if at[i], err = freeAddr(ctx); err != nil {
			return err
		}
	}
	port := func(i int) string {
		_, p, _ := net.SplitHostPort(at[i])
		return p
	}
	in := func(name string) string { return filepath.Join(a.dir, filepath.FromSlash(name)) }
	a.URL, a.git = "http://"+at[6], "git://"+at[1]
	a.reader = at[2]
	a.env = []string{
		"KUBECONFIG=" + in("kubeconfig"), "HOSTNAME=ctl-0", "PATH=" + in("bin") + string(os.PathListSeparator) + os.Getenv("PATH"),
		"ARGOCD_FAKE_IN_CLUSTER=true", "ARGOCD_TLS_DATA_PATH=" + in("tls"), "ARGOCD_SSH_DATA_PATH=" + in("ssh"), "ARGOCD_GNUPGHOME=" + in("gpg/keys"),
		"ARGOCD_GPG_DATA_PATH=" + in("gpg/source"), "ARGOCD_PLUGINSOCKFILEPATH=" + in("plugins"), "ARGOCD_GPG_ENABLED=false",
	}
	core, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return fmt.Errorf("find git's own programs: %w", err)
	}
	a.parts = []*process{
		{
			name: "redis", path: redis, well: listens(at[0]),
			args: []string{"--port", port(0), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"},
		},
		{
			// Not git daemon: git would start it as a child of its own, which nobody ends.
			name: "git-daemon", path: filepath.Join(strings.TrimSpace(string(core)), "git-daemon"), well: listens(at[1]),
			args: []string{"--reuseaddr", "--base-path=" + in("repos"), "--export-all", "--listen=127.0.0.1", "--port=" + port(1)},
		},
		{
			name: "argocd-repo-server", path: a.program, env: a.env, well: answers("http://" + at[3] + "/healthz"),
			args: []string{"--port", port(2), "--metrics-port", port(3), "--address", "127.0.0.1", "--metrics-address", "127.0.0.1", "--redis", at[0], "--loglevel", "warn"},
		},
		{
			name: "argocd-application-controller", path: a.program, env: a.env, well: answers("http://" + at[4] + "/healthz"),
			args: []string{"--metrics-port", port(4), "--redis", at[0], "--repo-server", at[2], "--loglevel", "warn"},
		},
		{
			name: "argocd-server", path: a.program, env: a.env, well: answers(a.URL + "/healthz"),
			args: []string{"--insecure", "--port", port(6), "--address", "127.0.0.1", "--metrics-port", port(7), "--redis", at[0], "--repo-server", at[2], "--loglevel", "warn"},
		},
	}
	for _, p := range a.parts {
		p.dir = a.dir
		if p.path == a.program {
			p.called = p.name // that says which of them it is
		}
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// listens reports whether somebody accepts connections.
func listens(addr string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return false
		}
		_ = conn.Close() // it was only asked whether it opens
		return true
	}
}

// login gets the token of the user whose password the server made at its first start.
func (a *ArgoCD) login(ctx context.Context) error {
	secret, err := a.cluster.Kubectl(ctx, "", "-n", "argocd", "get", "secret/argocd-initial-admin-secret", "-o", "jsonpath={.data.password}")
	if err != nil {
		return err
	}
	password, err := base64.StdEncoding.DecodeString(secret)
	if err != nil {
		return err
	}
	var session struct{ Token string }
	if err := a.Ask(ctx, http.MethodPost, "/api/v1/session", map[string]string{"username": "admin", "password": string(password)}, &session); err != nil {
		return err
	}
	a.Token = session.Token
	return nil
}

// Ask sends a request to the API and reads its answer. in and out may be nil. Any status but 200 is an error that has the
// answer's text.
func (a *ArgoCD) Ask(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Close = true // no idle connection may outlive the test
	req.Header.Set("Content-Type", "application/json")
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// Repository makes an empty one.
func (a *ArgoCD) Repository(ctx context.Context, name string) (*Repository, error) {
	r := &Repository{URL: a.git + "/" + name, Dir: filepath.Join(a.dir, "repos", name)}
	return r, tree(r.Dir).begin(ctx)
}

// Stop ends it.
func (a *ArgoCD) Stop() {
	for i := len(a.parts) - 1; i >= 0; i-- {
		a.parts[i].stop()
	}
	a.parts = nil
}
