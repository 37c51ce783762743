package helm

import (
	"slices"

	"github.com/backout-dev/backout/providers/kube"
)

// fieldManager is the name under which Helm owns fields, and fluxManager that under which Flux does with the same library. Under
// the other's name each would conflict with what was written before.
const (
	fieldManager = "helm"
	fluxManager  = "helm-controller"
)

// argManager is the argument of a step that holds the name to write under, where it is not Helm's own.
const argManager = "manager"

// managerOf is the name under which a live object of a release is written; nil is none.
func managerOf(live *object) string {
	if live == nil || live.GetLabels()["helm.toolkit.fluxcd.io/name"] == "" {
		return fieldManager
	}
	if slices.ContainsFunc(kube.Managers(&live.Object), func(m kube.Manager) bool { return m.Applies && m.Subresource == "" && m.Name == fluxManager }) {
		return fluxManager
	}
	return fieldManager
}

// manager is the name under which the objects of a release are written: Flux's where it wrote any of them.
func (w *way) manager() string {
	for _, live := range w.lives {
		if m := managerOf(live); m != fieldManager {
			return m
		}
	}
	return fieldManager
}
