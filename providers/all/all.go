// Package all is the one list of built-in providers. Nothing registers itself.
package all

import (
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/alertmanager"
	"github.com/backout-dev/backout/providers/catalog"
	"github.com/backout-dev/backout/providers/exec"
	"github.com/backout-dev/backout/providers/file"
	"github.com/backout-dev/backout/providers/git"
	"github.com/backout-dev/backout/providers/gitops"
	"github.com/backout-dev/backout/providers/helm"
	"github.com/backout-dev/backout/providers/kubernetes"
	"github.com/backout-dev/backout/providers/migrate"
	"github.com/backout-dev/backout/providers/probe"
	"github.com/backout-dev/backout/providers/prometheus"
	"github.com/backout-dev/backout/providers/releases"
	"github.com/backout-dev/backout/providers/rollouts"
	"github.com/backout-dev/backout/providers/unleash"
)

// Registry holds every built-in provider.
func Registry() (*providers.Registry, error) {
	r := &providers.Registry{}
	for _, f := range []providers.Factory{
		alertmanager.Factory(), catalog.Factory(), exec.Factory(), file.Factory(), git.Factory(), gitops.Factory(), helm.Factory(), kubernetes.Factory(),
		migrate.Factory(), probe.Factory(), prometheus.Factory(), releases.Factory(), rollouts.Factory(), unleash.Factory(),
	} {
		if err := r.Register(f); err != nil {
			return nil, err
		}
	}
	return r, nil
}
