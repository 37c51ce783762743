package servers

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// Between puts a handler between a console and the API server. It is made once, from what leads on to the server as Admin,
// whoever asks: no client sends a token without TLS. The console comes that way by the kubeconfig.
func (c *Cluster) Between(t testing.TB, handler func(on *httputil.ReverseProxy) http.Handler) (kubeconfig string) {
	t.Helper()
	s, done := c.between(t, handler)
	t.Cleanup(func() {
		_ = s.Listener.Close()     // who is cut off comes again
		s.CloseClientConnections() // watches end
		done()
	})
	return KubeconfigTo(t, s.URL, "")
}

// Settled lets do reach the cluster through a proxy, and returns when the cluster has ended every write that it was asked, also
// those of a process that was killed meanwhile: none takes effect later.
func (c *Cluster) Settled(t testing.TB, do func(kubeconfig string)) {
	t.Helper()
	s, done := c.between(t, func(on *httputil.ReverseProxy) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				r = r.WithContext(context.WithoutCancel(r.Context()))
			}
			on.ServeHTTP(w, r)
		})
	})
	defer done() // it waits for what is under way
	do(KubeconfigTo(t, s.URL, ""))
}

func (c *Cluster) between(t testing.TB, handler func(on *httputil.ReverseProxy) http.Handler) (s *httptest.Server, done func()) {
	t.Helper()
	server, err := url.Parse(c.Server)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the server of this test
	s = httptest.NewServer(handler(&httputil.ReverseProxy{
		Transport: transport, ErrorLog: log.New(io.Discard, "", 0), // that somebody is cut off is what is tested
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(server)
			r.Out.Header.Set("Authorization", "Bearer admin-token")
		},
	}))
	return s, func() {
		s.Close()
		transport.CloseIdleConnections()
	}
}

// KubeconfigTo makes a kubeconfig that leads to any server, whatever its certificate, with a token or none. Its context is [Admin].
func KubeconfigTo(t testing.TB, server, token string) (kubeconfig string) {
	t.Helper()
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": %q, "contexts": [{"name": %[1]q, "context": {"cluster": "c", "user": "u"}}],
"clusters": [{"name": "c", "cluster": {"server": %q, "insecure-skip-tls-verify": true}}], "users": [{"name": "u", "user": {"token": %q}}]}`, Admin, server, token)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubeconfig
}

// Silent is the URL of a server that takes requests and never answers.
func Silent(t testing.TB) string {
	t.Helper()
	quit := make(chan struct{})
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-quit:
		}
	}))
	t.Cleanup(func() {
		close(quit)
		s.Close()
	})
	return s.URL
}

// Nonsense is the URL of a server that answers everything with what no API server says.
func Nonsense(t testing.TB) string {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(out, `{"kind": "Cheese", "apiVersion": "v1", "items": "none", "spec": 7}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// Outward is an address of this machine that is not its loopback. A machine that has none skips the test, and fails it where
// CI=true.
func Outward(t testing.TB) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this machine has no address but its loopback: CI must have one")
	}
	t.Skip("SKIPPED: this machine has no address but its loopback")
	return ""
}
