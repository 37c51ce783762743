package kubernetes

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/rollback"
)

// looked is what a plan looked at, by the rule, as "yes" or "no", in their order.
func looked(p rollback.Proposal) string {
	var out []string
	for _, l := range p.Looked {
		out = append(out, l.Rule+" "+l.State)
	}
	return strings.Join(out, ", ")
}

// lostOnes is what a probe sees when what it looks at is lost, each on the real API server.
func lostOnes(r *room) {
	r.kubectl("create", "configmap", "shop-config", "--from-literal=a=1")
	first := r.served(deployment("v1", "", "envFrom: [{configMapRef: {name: shop-config}}]"))
	obs := r.served(deployment("v2", "", ""))
	target := labelled(r.T, obs, "r1")
	want := func(what, states string) {
		r.Helper()
		if p := r.plan(obs, target); looked(p) != states {
			r.Errorf("%s: %s, want %s: %q", what, looked(p), states, p.Missing)
		}
	}
	want("all is there", "I4 yes, I2 yes, I4 yes")
	r.kubectl("delete", "configmap", "shop-config")
	want("what it reads is gone", "I4 yes, I2 yes, I4 no")
	r.kubectl("create", "configmap", "shop-config", "--from-literal=a=1")
	r.kubectl("create", "rolebinding", "look", "--clusterrole=view", "--user="+r.user())
	admin := r.p
	r.p = r.provider(r.limited())
	want("no right", "I4 no, I2 no, I4 yes")
	r.p = admin
	r.kubectl("delete", "replicaset", replicaSetOf(r.T, r, "v1"))
	fresh := r.provider(r.p.set) // the other one has it in its archive
	p, err := fresh.Plan(r.Context(), obs, first.Current)
	if err != nil || looked(p) != "I4 no" {
		r.Errorf("its ReplicaSet is gone: %s %q %v", looked(p), p.Missing, err)
	}
}

func replicaSetOf(t *testing.T, r *room, tag string) string {
	t.Helper()
	for line := range strings.Lines(r.kubectl("get", "replicasets", "-o", `jsonpath={range .items[*]}{.metadata.name} {.spec.template.spec.containers[0].image}{"\n"}{end}`)) {
		if name, image, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasSuffix(image, ":"+tag) {
			return name
		}
	}
	t.Fatalf("no ReplicaSet of %s", tag)
	return ""
}
