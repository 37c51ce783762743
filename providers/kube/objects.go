package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/backout-dev/backout/providers"
)

// pageSize is how many objects one answer may hold, so that a large cluster is read in bounded memory.
const pageSize = 500

// Object is one object as the API server wrote it.
type Object = unstructured.Unstructured

// Selection narrows a list down. The zero value takes everything.
type Selection struct {
	Labels string // as kubectl's -l
	Fields string // as kubectl's --field-selector
	Slim   bool   // without metadata.managedFields, which are half of an object; such an object must not be written back
}

// Get reads one object. An object that is not there is an error that matches providers.ErrNotFound.
func (c *Cluster) Get(ctx context.Context, r Resource, namespace, name string) (*Object, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	o, err := c.in(r, namespace).Get(ctx, name, metav1.GetOptions{})
	return o, c.wrap(err, "get", r, namespace, name)
}

// List reads the objects of one namespace, "" being all, page by page. After an error it ends. A list that changes under a
// slow reader is begun anew by the API server; then the error is retryable and the caller starts over.
func (c *Cluster) List(ctx context.Context, r Resource, namespace string, s Selection) iter.Seq2[*Object, error] {
	return func(yield func(*Object, error) bool) {
		_, err := c.list(ctx, r, namespace, s, func(o *Object) bool { return yield(o, nil) })
		if err != nil {
			yield(nil, err)
		}
	}
}

// list gives the version that the list stands for; "" when the reader had enough.
func (c *Cluster) list(ctx context.Context, r Resource, namespace string, s Selection, each func(*Object) bool) (version string, err error) {
	known, more := map[string]string{}, ""
	for {
		data, err := c.page(ctx, r, namespace, s, more)
		if err != nil {
			return "", c.wrap(err, "list", r, namespace, "")
		}
		p, err := pageOf(data, known)
		enough := false
		if err == nil {
			enough, err = p.each(known, s.Slim, each)
		}
		switch {
		case err != nil:
			return "", c.wrap(err, "list", r, namespace, "")
		case enough:
			return "", nil
		case p.more == "":
			return p.version, nil
		}
		more = p.more
	}
}

// page asks for one page, from where the one before it ended.
func (c *Cluster) page(ctx context.Context, r Resource, namespace string, s Selection, more string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	q := c.raw.Get().AbsPath(path(r, namespace)...).SetHeader("Accept", runtime.ContentTypeJSON).Param("limit", strconv.Itoa(pageSize))
	for key, value := range map[string]string{"labelSelector": s.Labels, "fieldSelector": s.Fields, "continue": more} {
		if value != "" {
			q.Param(key, value)
		}
	}
	return q.Do(ctx).Raw()
}

// path is where the API server has a kind of objects.
func path(r Resource, namespace string) []string {
	out := []string{"apis", r.Group, r.Version}
	if r.Group == "" {
		out = []string{"api", r.Version}
	}
	if namespace != "" {
		out = append(out, "namespaces", namespace)
	}
	return append(out, r.Resource)
}

// Write says how a write is made. The zero value really writes.
type Write struct {
	DryRun      bool   // the API server does everything but keep it
	Subresource string // such as status or scale
}

func (w Write) dryRun() []string {
	if w.DryRun {
		return []string{metav1.DryRunAll}
	}
	return nil
}

func (w Write) subresources() []string {
	if w.Subresource == "" {
		return nil
	}
	return []string{w.Subresource}
}

// Patch writes operations, all or none, and gives the object as it is afterwards.
func (c *Cluster) Patch(ctx context.Context, r Resource, namespace, name string, operations []Operation, w Write) (*Object, error) {
	data, err := json.Marshal(operations)
	if err != nil {
		return nil, fmt.Errorf("write the patch of %s/%s: %w", namespace, name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	options := metav1.PatchOptions{FieldManager: FieldManager, DryRun: w.dryRun()}
	o, err := c.in(r, namespace).Patch(ctx, name, types.JSONPatchType, data, options, w.subresources()...)
	return o, c.wrapWrite(err, "patch", r, namespace, name)
}

// Create makes an object that must not be there yet; one that is there is ErrExists.
func (c *Cluster) Create(ctx context.Context, r Resource, namespace string, o *Object, w Write) (*Object, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	made, err := c.in(r, namespace).Create(ctx, o, metav1.CreateOptions{FieldManager: FieldManager, DryRun: w.dryRun()}, w.subresources()...)
	return made, c.wrapWrite(err, "create", r, namespace, o.GetName())
}

// Replace writes a whole object on the condition that its resourceVersion is still the one in o.
func (c *Cluster) Replace(ctx context.Context, r Resource, namespace string, o *Object, w Write) (*Object, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	made, err := c.in(r, namespace).Update(ctx, o, metav1.UpdateOptions{FieldManager: FieldManager, DryRun: w.dryRun()}, w.subresources()...)
	return made, c.wrapWrite(err, "replace", r, namespace, o.GetName())
}

// Delete deletes one object on the condition that it is still the one with that uid.
func (c *Cluster) Delete(ctx context.Context, r Resource, namespace, name string, uid types.UID, w Write) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.in(r, namespace).Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}, DryRun: w.dryRun()})
	return c.wrapWrite(err, "delete", r, namespace, name)
}

// reviews is where the API server says what the caller may do.
var reviews = schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}

// May asks whether the user of the context may do verb on a resource; name "" is any. The reason is the server's, if any.
func (c *Cluster) May(ctx context.Context, verb string, r Resource, subresource, namespace, name string) (allowed bool, reason string, err error) {
	attributes := map[string]any{"verb": verb, "group": r.Group, "resource": r.Resource, "namespace": namespace, "name": name}
	if subresource != "" {
		attributes["subresource"] = subresource
	}
	review := &Object{Object: map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": attributes},
	}}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	answer, err := c.in(reviews, "").Create(ctx, review, metav1.CreateOptions{})
	if err != nil { // nothing is ever written of a review
		return false, "", c.wrap(err, "ask for the right to "+verb, r, namespace, name)
	}
	allowed, _, err = unstructured.NestedBool(answer.Object, "status", "allowed")
	if err != nil {
		return false, "", fmt.Errorf("read what the user may do: %w", err)
	}
	reason, _, _ = unstructured.NestedString(answer.Object, "status", "reason") // no reason is no reason
	return allowed, reason, nil
}

func (c *Cluster) in(r Resource, namespace string) dynamic.ResourceInterface {
	if namespace == "" {
		return c.client.Resource(r)
	}
	return c.client.Resource(r).Namespace(namespace)
}

// Decode fills a struct (json tags) from an object, ignoring what the struct does not know.
func Decode(o *Object, into any) error {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into); err != nil {
		return providers.Permanent(fmt.Errorf("read %s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err))
	}
	return nil
}
