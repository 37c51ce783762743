package kubernetes_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/test/servers"
)

func configuration(t *testing.T, c *servers.Cluster) {
	c.Do(t, "", "create", "namespace", "conf")
	c.Do(t, deployment("conf", "pricing", "registry.test/pricing:v1", "labels: {a: b}"), "apply", "-f", "-")
	c.Do(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: conf}, data: {pool: "10", mode: slow}}`, "apply", "-f", "-")
	c.Do(t, `{apiVersion: v1, kind: Secret, metadata: {name: login, namespace: conf}, stringData: {password: correct-horse}}`, "apply", "-f", "-")
	c.Do(t, `{apiVersion: batch/v1, kind: CronJob, metadata: {name: report, namespace: conf}, spec: {schedule: "0 4 * * *", jobTemplate: {spec: {template: {
	  spec: {restartPolicy: Never, containers: [{name: a, image: "registry.test/report:v1"}]}}}}}}`, "apply", "-f", "-")
	c.Do(t, `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: pricing, namespace: conf}, spec: {maxReplicas: 5, minReplicas: 3,
	  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: other}}}`, "apply", "-f", "-")
	kept := &providertest.Archive{}
	p := reading(t, c, kept, "namespaces: [conf]")
	w := watch(t, p)
	w.change("the first revision", func(c *providers.Change) bool { return c.To == "pricing:v1" })

	c.Do(t, "", "patch", "-n", "conf", "configmap", "settings", "-p", `{"data": {"pool": "500"}}`)
	pool := w.change("the ConfigMap", func(c *providers.Change) bool { return c.Unit == "k8s:conf/configmap.settings" })
	if pool.Kind != providers.KindConfig || pool.Title != "configmap settings changed: pool" || pool.Service != "pricing" || pool.Author.Name == "" || pool.From == pool.To {
		t.Errorf("the ConfigMap: %+v", pool)
	}
	c.Do(t, "", "patch", "-n", "conf", "secret", "login", "-p", `{"stringData": {"password": "battery-staple"}}`)
	login := w.change("the Secret", func(c *providers.Change) bool { return c.Unit == "k8s:conf/secret.login" })
	if login.Title != "secret login changed: password" {
		t.Errorf("the Secret: %+v", login)
	}
	c.Do(t, "", "patch", "-n", "conf", "cronjob", "report", "-p", `{"spec": {"schedule": "* * * * *"}}`)
	w.change("the CronJob", func(c *providers.Change) bool {
		return c.Title == `cronjob report: report:v1 at "0 4 * * *" → report:v1 at "* * * * *"`
	})
	c.Do(t, "", "patch", "-n", "conf", "hpa", "pricing", "-p", `{"spec": {"maxReplicas": 50}}`)
	w.change("the autoscaler", func(c *providers.Change) bool {
		return c.Kind == providers.KindScale && c.Title == "hpa pricing: 3 to 5 replicas → 3 to 50 replicas"
	})
	c.Do(t, "", "scale", "-n", "conf", "deployment/pricing", "--replicas=1")
	w.change("the scale", func(c *providers.Change) bool {
		return c.Title == "deployment pricing: 3 replicas → 1 replicas" && c.Author.Name != "" && c.Unit == "k8s:conf/pricing"
	})
	c.Do(t, "", "delete", "-n", "conf", "configmap", "settings")
	w.change("the deletion", func(c *providers.Change) bool { return c.Title == "configmap settings was deleted" })
	forgotten(t, c, kept, pool)
}

// What the cluster forgot is still told by a process that never saw it, and no secret value was kept.
func forgotten(t *testing.T, c *servers.Cluster, kept *providertest.Archive, pool providers.Change) {
	await(t, "the change of a ConfigMap that is gone, from a process that starts once it was written down", func() bool {
		again := reading(t, c, kept, "namespaces: [conf]")
		found := false
		for ch, err := range again.Changes(t.Context(), providers.Window{}) {
			if err != nil {
				t.Fatal(err)
			}
			found = found || ch.ID == pool.ID && ch.From == pool.From && ch.Title == pool.Title
		}
		return found
	})
	contents := 0
	for key, data := range kept.Held("k8s") {
		for _, secret := range []string{"correct-horse", "battery-staple", "Y29ycmVjdC1ob3JzZQ"} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s holds the value of a Secret", key)
			}
		}
		if strings.HasSuffix(key, "content/configmap/conf/settings") && bytes.Contains(data, []byte(`"500"`)) && bytes.Contains(data, []byte(`"10"`)) {
			contents++
		}
	}
	if contents != 1 {
		t.Error("the contents of the ConfigMap were not kept, so that nothing can put them back")
	}
}
