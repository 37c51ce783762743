package main

import (
	"net"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/providers/kube"
)

// elsewhere says why the demo does not run in a cluster that was named, and what it would need there. It asks nothing of that
// cluster: what is named by mistake may be anybody's.
func (f *demoFlags) elsewhere(cmd *cobra.Command) error {
	if !cmd.Flags().Changed("kubeconfig") && f.kubeContext == "" {
		return nil
	}
	if f.scenario != "kubernetes" {
		return usage("--kubeconfig and --kube-context go with --scenario kubernetes")
	}
	c, err := kube.Open(kube.Options{Kubeconfig: f.kubeconfig, Context: f.kubeContext})
	if err != nil {
		return err
	}
	defer c.Close()
	if !onThisMachine(c.Server()) {
		return refusal("context %s is the cluster at %s, which is not on this machine and so does not look like one to throw away. "+
			"The demo breaks what it deploys: it goes to no such cluster, and asked nothing of this one. "+
			"In a checkout of backout, without --kubeconfig, it brings up a cluster of its own", c.Context(), c.Server())
	}
	return refusal(`context %s is the cluster at %s, on this machine. The demo cannot run in it as it is; there it would need
  - images of the shop's services that its nodes can pull: there is no registry that has them, and the demo builds none,
  - addresses on this machine for its Services, to ask from outside whether requests succeed,
  - a namespace "shop" that is not there yet, and the right to make and remove it,
  - a yes that all of it may be thrown away.
In a checkout of backout, without --kubeconfig, it brings up a cluster of its own that has all that. Nothing was asked of this one`, c.Context(), c.Server())
}

// onThisMachine reports whether an API server listens on a loopback address, as those of kind, k3d and minikube do.
func onThisMachine(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
