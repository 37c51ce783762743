package kube

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Apply writes the fields of o as the field manager named, by server-side apply; an object that is not there is made.
// Without force, a field that another manager set to another value is ErrConditionFailed, and nothing is written.
func (c *Cluster) Apply(ctx context.Context, r Resource, namespace string, o *Object, manager string, force bool, w Write) (*Object, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	options := metav1.ApplyOptions{FieldManager: manager, Force: force, DryRun: w.dryRun()}
	made, err := c.in(r, namespace).Apply(ctx, o.GetName(), o, options, w.subresources()...)
	return made, c.wrapWrite(err, "apply", r, namespace, o.GetName())
}
