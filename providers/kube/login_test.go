package kube_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/test/servers"
)

// pluginEnv makes this binary a credential plugin: a program of its own, which a kubeconfig names and which is started to log in.
const pluginEnv = "BACKOUT_TEST_LOGIN"

// TestMain lets this binary be the programs that tests need beside them.
func TestMain(m *testing.M) {
	if dir := os.Getenv(pluginEnv); dir != "" {
		os.Exit(plugin(dir))
	}
	if dir := os.Getenv(podEnv); dir != "" {
		os.Exit(pod(dir))
	}
	os.Exit(m.Run())
}

// plugin prints what the file "answer" of its directory holds, and notes what it was asked: once for each start.
func plugin(dir string) int {
	f, err := os.OpenFile(filepath.Join(dir, "asked"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 1
	}
	defer f.Close()
	fmt.Fprintln(f, os.Getenv("KUBERNETES_EXEC_INFO"))
	answer, err := os.ReadFile(filepath.Join(dir, "answer"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "the identity provider is not there")
		return 3
	}
	_, err = os.Stdout.Write(answer)
	if err != nil {
		return 1
	}
	return 0
}

// login is a kubeconfig whose user logs in by a plugin.
type login struct {
	t          *testing.T
	dir        string
	kubeconfig string
}

func newLogin(t *testing.T, c *servers.Cluster, mode string) *login {
	t.Helper()
	l := &login{t: t, dir: t.TempDir()}
	l.kubeconfig = filepath.Join(l.dir, "kubeconfig")
	put(t, l.kubeconfig, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "by-plugin",
 "clusters": [{"name": "c", "cluster": {"server": %q, "certificate-authority": %q}}], "contexts": [{"name": "by-plugin", "context": {"cluster": "c", "user": "u"}}],
 "users": [{"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": %q, "provideClusterInfo": true,
  "interactiveMode": %q, "installHint": "ask the platform team for the login program", "env": [{"name": %q, "value": %q}]}}}]}`,
		c.Server, filepath.Join(filepath.Dir(c.Kubeconfig), "certs", "apiserver.crt"), os.Args[0], mode, pluginEnv, l.dir))
	return l
}

// gives is what the plugin answers from now on.
func (l *login) gives(token string) {
	l.t.Helper()
	put(l.t, filepath.Join(l.dir, "answer"), fmt.Sprintf(`{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": %q}}`, token))
}

// asked is how often the plugin was started, and what it was told.
func (l *login) asked() []string {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, "asked"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(data)), "\n")
}

func (l *login) open() *kube.Cluster {
	l.t.Helper()
	k, err := kube.Open(kube.Options{Kubeconfig: l.kubeconfig})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = k.Close() })
	return k
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil { // a plugin may read it at any moment
		t.Fatal(err)
	}
}

func look(t *testing.T, k *kube.Cluster) error {
	_, err := k.Get(t.Context(), configMaps, "kube-system", "kube-root-ca.crt")
	return err
}

// A credential plugin logs in as with kubectl: started once, told which cluster, kept, and asked anew when the API server no
// longer takes what it gave. One that would have to ask a person is told that nobody is there.
func plugins(t *testing.T, c *servers.Cluster) {
	l := newLogin(t, c, "IfAvailable")
	l.gives("admin-token")
	k := l.open()
	if len(l.asked()) != 0 {
		t.Error("it logs in before anything is asked")
	}
	for range 3 {
		if err := look(t, k); err != nil {
			t.Error(err)
		}
	}
	if asked := l.asked(); len(asked) != 1 || !strings.Contains(asked[0], `"interactive":false`) || !strings.Contains(asked[0], c.Server) {
		t.Errorf("the plugin was asked %q", asked)
	}
	refused := newLogin(t, c, "IfAvailable")
	refused.gives("expired")
	k = refused.open()
	if err := look(t, k); providers.ClassOf(err) != providers.ClassAuth || !strings.Contains(err.Error(), "log in to the cluster again") {
		t.Errorf("a token that is not taken: %v", err)
	}
	refused.gives("admin-token") // somebody has logged in again
	if err := look(t, k); err != nil {
		if err = look(t, k); err != nil {
			t.Errorf("after the new login: %v", err)
		}
	}
	text, err := os.ReadFile(l.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	put(t, l.kubeconfig, strings.Replace(string(text), os.Args[0], "no-such-login", 1))
	if err := look(t, l.open()); err == nil || !strings.Contains(err.Error(), "ask the platform team for the login program") {
		t.Errorf("a plugin that is not installed: %v", err)
	}
}

// A plugin that gives nothing is told as what it is: nothing was sent, and the API server has no part in it.
func pluginsThatFail(t *testing.T, c *servers.Cluster) {
	person := newLogin(t, c, "Always")
	person.gives("admin-token")
	if err := look(t, person.open()); providers.ClassOf(err) != providers.ClassAuth || !strings.Contains(err.Error(), "kubectl in a terminal") || len(person.asked()) != 0 {
		t.Errorf("a plugin that asks a person: %v, %q", err, person.asked())
	}
	k := newLogin(t, c, "Never").open()
	if err := look(t, k); providers.ClassOf(err) != providers.ClassAuth || !strings.Contains(err.Error(), "exit code 3") || strings.Contains(err.Error(), "is it up") {
		t.Errorf("a plugin that fails: %v", err)
	}
	if _, err := k.Create(t.Context(), configMaps, "default", configMap("never", nil), kube.Write{}); !errors.Is(err, kube.ErrRefused) {
		t.Errorf("what was never sent is known to have had no effect: %v", err)
	}
}

// A token that runs out while backout runs is refused by the API server itself, and then fetched anew without anybody's help.
func expiry(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "clusterrolebinding", "expiring", "--clusterrole=view", "--serviceaccount=kube-system:default")
	uid := strings.TrimSpace(c.Do(t, "", "get", "serviceaccount", "default", "-n", "kube-system", "-o", "jsonpath={.metadata.uid}"))
	l := newLogin(t, c, "Never")
	// The API server allows a minute for clocks that differ, and keeps a yes for ten seconds.
	l.gives(serviceToken(t, c, uid, time.Now().Add(-52*time.Second)))
	k := l.open()
	for tries := 0; look(t, k) != nil; tries++ { // a machine that stands still for eight seconds lets it run out before it is used
		if tries == 3 {
			t.Fatal(look(t, k))
		}
		l.gives(serviceToken(t, c, uid, time.Now().Add(-52*time.Second)))
	}
	before := len(l.asked())
	l.gives(serviceToken(t, c, uid, time.Now().Add(time.Hour)))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for len(l.asked()) == before {
		if err := look(t, k); err != nil && providers.ClassOf(err) != providers.ClassAuth {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
			t.Fatal("it never ran out")
		case <-time.After(200 * time.Millisecond):
		}
	}
	if err := look(t, k); err != nil {
		t.Errorf("after the token ran out: %v", err)
	}
}

// serviceToken is one as the API server itself issues it, with an end that it would not take: the shortest is ten minutes.
func serviceToken(t *testing.T, c *servers.Cluster, uid string, until time.Time) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(filepath.Dir(c.Kubeconfig), "sa.key"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(data)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	type m = map[string]any
	signed := part(m{"alg": "ES256", "typ": "JWT"}) + "." + part(m{
		"iss": "https://kubernetes.default.svc", "aud": []string{"https://kubernetes.default.svc"}, "sub": "system:serviceaccount:kube-system:default",
		"iat": until.Add(-time.Hour).Unix(), "nbf": until.Add(-time.Hour).Unix(), "exp": until.Unix(),
		"kubernetes.io": m{"namespace": "kube-system", "serviceaccount": m{"name": "default", "uid": uid}},
	})
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// What $KUBECONFIG lists is merged as kubectl does it, which is asked beside: the first file that has a name says what it means,
// files that are not there do not matter, and paths are those of the file they stand in.
func merged(t *testing.T, c *servers.Cluster) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "certs"), 0o700); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(filepath.Dir(c.Kubeconfig), "certs", "apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "certs", "ca.crt"), string(ca))
	users := filepath.Join(dir, "users")
	put(t, users, `{"apiVersion": "v1", "kind": "Config", "users": [{"name": "u", "user": {"token": "admin-token"}}],
 "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "kube-system"}}]}`)
	clusters := filepath.Join(dir, "clusters")
	put(t, clusters, fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [{"name": "u", "user": {"token": "another"}}],
 "clusters": [{"name": "c", "cluster": {"server": %q, "certificate-authority": "certs/ca.crt"}}, {"name": "d", "cluster": {"server": "https://other.invalid"}}],
 "contexts": [{"name": "there", "context": {"cluster": "d", "user": "u"}}]}`, c.Server))
	t.Setenv("KUBECONFIG", strings.Join([]string{filepath.Join(dir, "none"), users, clusters}, string(os.PathListSeparator)))
	for context, server := range map[string]string{"": c.Server, "here": c.Server, "there": "https://other.invalid"} {
		k, err := kube.Open(kube.Options{Context: context})
		if err != nil {
			t.Fatal(err)
		}
		if says := kubectl(t, context, "config", "view", "--minify", "-o", "jsonpath={.current-context} {.clusters[0].cluster.server}"); says != k.Context()+" "+k.Server() || k.Server() != server {
			t.Errorf("context %q: kubectl says %q, backout %s %s", context, says, k.Context(), k.Server())
		}
		if err := look(t, k); (err == nil) != (server == c.Server) {
			t.Errorf("context %q: %v", context, err)
		}
	}
	if _, err := kube.Open(kube.Options{Context: "nowhere"}); providers.ClassOf(err) != providers.ClassPermanent || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a context that is not there: %v", err)
	}
}

// kubectl runs with the environment of the test.
func kubectl(t *testing.T, context string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), servers.Need(t, "controlplane"), append(args, "--context="+context)...)
	cmd.Args[0] = "kubectl"
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %v: %v: %s", args, err, out)
	}
	return string(out)
}
