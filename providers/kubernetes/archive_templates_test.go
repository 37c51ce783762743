package kubernetes

import (
	"bytes"
	"strings"

	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/rollback"
)

const loginEnv = "env:\n- {name: DB_PASSWORD, value: SECRET}\n- {name: LEVEL, value: info}\nargs: [\"--api-token\", SECRET]"

// A secret in a variable is not archived. While it still stands in the cluster an archived revision can come back with it; once
// it does not, the plan says what to do.
func withheld(r *room) {
	with := func(image, secret string) string {
		return deployment(image, "revisionHistoryLimit: 0", strings.ReplaceAll(loginEnv, "SECRET", secret))
	}
	collected := func() {
		r.until("the old ReplicaSet is collected", func() bool {
			return strings.Count(r.kubectl("get", "replicasets", "-o", "name"), "replicaset") == 1
		})
	}
	first := r.served(with("v1", "correct-horse"))
	second := r.served(with("v2", "correct-horse"))
	collected()
	if c := r.back(r.observe(r.shop()), labelled(r.T, r.observe(r.shop()), "r1 (archived)"), "op1"); !c.Done {
		r.Error(c.Detail)
	}
	if now := r.observe(r.shop()); now.Current.Digest != first.Current.Digest || !strings.Contains(r.kubectl("get", "deployment/shop", "-o", "yaml"), "correct-horse") {
		r.Errorf("now at %s", now.Current.Digest)
	}
	collected()
	obs := r.served(with("v3", "battery-staple"))
	collected()
	var gone rollback.Revision
	for _, h := range obs.History {
		if h.Digest == second.Current.Digest {
			gone = h
		}
	}
	prop, err := r.p.Plan(r.Context(), obs, gone)
	if err != nil {
		r.Fatal(err)
	}
	says(r.T, prop.Missing, "the value of DB_PASSWORD, args looks like a secret")
	if len(prop.Steps) > 0 || !strings.Contains(prop.Diff, "shop:v2") || strings.Contains(prop.Diff, "battery-staple") {
		r.Errorf("%+v", prop)
	}
	for key, data := range r.p.env.Archive.(*providertest.Archive).Held(r.p.name) {
		if bytes.Contains(data, []byte("correct-horse")) || bytes.Contains(data, []byte("battery-staple")) {
			r.Errorf("%s holds a secret", key)
		}
	}
}
