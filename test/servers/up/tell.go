package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

// tell says where everything is. shop is nil where Flux was not asked for.
func (o options) tell(c *servers.Cluster, shop *servers.Repository, bin string, took time.Duration) error {
	if o.json {
		return json.NewEncoder(os.Stdout).Encode(map[string]string{"server": c.Server, "kubeconfig": c.Kubeconfig, "bin": bin})
	}
	if shop != nil {
		fmt.Printf("\nFlux runs. A GitRepository may read %s, which is\n%s.\n", shop.URL, shop.Dir)
	}
	fmt.Printf(`
A Kubernetes control plane runs at %s, after %s. In another terminal:

  export KUBECONFIG=%s
  export PATH=%s:$PATH    # kubectl of the same version
`, c.Server, took.Round(100*time.Millisecond), c.Kubeconfig, bin)
	if o.images != "" {
		fmt.Printf(`
Its contexts are admin (may do everything) and limited (may do nothing until you bind it a role). Its node runs the images of
%s as processes of this machine, and pulls nothing else. Interrupt (Ctrl-C) ends it.
`, o.images)
		return nil
	}
	fmt.Print(`  kubectl create deployment shop --image=registry.test/shop:v1 --replicas=3
  kubectl set image deployment/shop shop=registry.test/shop:v2-broken

Its contexts are admin (may do everything) and limited (may do nothing until you bind it a role). No container runs: a pod
becomes ready within two seconds; one whose image is called broken or badpull never does, and one called crash crash-loops.
Interrupt (Ctrl-C) ends it and removes all it had.
`)
	return nil
}
