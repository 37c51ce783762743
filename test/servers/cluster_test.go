package servers_test

import (
	"strings"
	"testing"

	"github.com/backout-dev/backout/test/servers"
)

const shop = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 3
  progressDeadlineSeconds: 5
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers: [{name: app, image: "registry.test/shop:v1"}]
`

func TestAClusterRollsOutGetsStuckAndComesBack(t *testing.T) {
	c := servers.StartCluster(t)
	c.Do(t, shop, "apply", "-f", "-")
	c.Do(t, "", "rollout", "status", "deployment/shop", "--timeout=60s")
	c.Do(t, "", "set", "image", "deployment/shop", "app=registry.test/shop:v2-broken")
	if out, err := c.Kubectl(t.Context(), "", "rollout", "status", "deployment/shop", "--timeout=60s"); err == nil || !strings.Contains(out, "exceeded its progress deadline") {
		t.Errorf("a broken image should get stuck: %v %s", err, out)
	}
	if pods := c.Do(t, "", "get", "pods"); !strings.Contains(pods, "ImagePullBackOff") {
		t.Errorf("no pod says why:\n%s", pods)
	}
	c.Do(t, "", "rollout", "undo", "deployment/shop")
	c.Do(t, "", "rollout", "status", "deployment/shop", "--timeout=60s")
}
