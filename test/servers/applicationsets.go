package servers

import (
	"net"
	"testing"
)

// StartApplicationSets starts the controller that makes applications from ApplicationSets, beside the rest of Argo CD. It reaches the
// cluster by a kubeconfig.
func (a *ArgoCD) StartApplicationSets(t testing.TB, kubeconfig string) {
	t.Helper()
	env := append(a.env[:len(a.env):len(a.env)], "KUBECONFIG="+kubeconfig)
	var err error
	for range 3 { // somebody else may take a port between the look and the start
		var at [3]string
		for i := range at {
			if at[i], err = freeAddr(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		_, hooks, _ := net.SplitHostPort(at[2])
		p := &process{
			name: "argocd-applicationset-controller", path: a.program, env: env, dir: a.dir, called: "argocd-applicationset-controller",
			well: answers("http://" + at[0] + "/metrics"), // it has no page that only says how it is
			args: []string{
				"--namespace", "argocd", "--metrics-addr", at[0], "--probe-addr", at[1], "--webhook-addr", "127.0.0.1:" + hooks, "--argocd-repo-server", a.reader, "--loglevel", "warn",
			},
		}
		if err = p.start(t.Context()); err == nil {
			a.parts = append(a.parts, p)
			t.Cleanup(p.stop) // before what it reaches the cluster through
			return
		}
		p.stop()
	}
	t.Fatal(err)
}
