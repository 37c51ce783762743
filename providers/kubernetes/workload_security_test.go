package kubernetes

import "strings"

// replaced is a credential that another one took the place of, and the images of both ends, on the real API server.
func replaced(r *room) {
	r.kubectl("create", "secret", "generic", "db-1", "--from-literal=password=old")
	r.kubectl("create", "secret", "generic", "db-2", "--from-literal=password=new")
	first := r.served(deployment("v1.4.1", "", "envFrom: [{secretRef: {name: db-1}}]"))
	obs := r.served(deployment("v1.4.2", "", "envFrom: [{secretRef: {name: db-2}}]"))
	p := r.plan(obs, first.Current)
	if len(p.Exposes) != 1 || !strings.Contains(p.Exposes[0].What, "reads Secret db-1 again, in the place of which db-2 is read now") {
		r.Errorf("%+v", p.Exposes)
	}
	if len(p.Runs) != 1 || p.Runs[0].Name != "registry.test/shop" || p.Runs[0].Version != "v1.4.1" || len(p.RunsNow) != 1 || p.RunsNow[0].Version != "v1.4.2" {
		r.Errorf("%+v, now %+v", p.Runs, p.RunsNow)
	}
	obs = r.served(deployment("v1.4.3", "", "envFrom: [{secretRef: {name: db-2}}]"))
	if p := r.plan(obs, labelled(r.T, obs, "r2")); len(p.Exposes) > 0 {
		r.Errorf("the same Secret: %+v", p.Exposes)
	}
}
