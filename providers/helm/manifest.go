package helm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers/kube"
)

// keepPolicy is the annotation by which a chart says that Helm is not to delete an object.
const keepPolicy = "helm.sh/resource-policy"

// object is one object of a manifest.
type object struct {
	kube.Object
}

// group is the API group without its version: an object is the same one in another version.
func (o *object) group() string {
	group, _, versioned := strings.Cut(o.GetAPIVersion(), "/")
	if !versioned {
		return ""
	}
	return group
}

// key is what Helm tells objects apart by.
func (o *object) key() string {
	return strings.Join([]string{o.group(), o.GetKind(), o.GetNamespace(), o.GetName()}, "/")
}

// String is how a person calls it.
func (o *object) String() string {
	if o.GetNamespace() == "" {
		return o.GetKind() + " " + o.GetName()
	}
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}

func (o *object) kept() bool {
	return strings.EqualFold(strings.TrimSpace(o.GetAnnotations()[keepPolicy]), "keep")
}

// parse reads the objects of a manifest, in its order. One without a namespace is in that of the release.
func parse(manifest, namespace string) ([]*object, error) {
	var out []*object
	d := yaml.NewDecoder(strings.NewReader(manifest))
	for n := 1; ; n++ {
		var doc map[string]any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("document %d of the manifest: %w", n, err)
		}
		if len(doc) == 0 {
			continue
		}
		objects, err := expand(doc, namespace)
		if err != nil {
			return nil, fmt.Errorf("document %d of the manifest: %w", n, err)
		}
		out = append(out, objects...)
	}
}

// expand makes objects of a document, several of a List.
func expand(doc map[string]any, namespace string) ([]*object, error) {
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	o := &object{}
	if err := json.Unmarshal(data, &o.Object.Object); err != nil {
		return nil, err
	}
	if o.GetKind() == "" || o.GetAPIVersion() == "" {
		return nil, errors.New("it has no kind or no apiVersion")
	}
	if !strings.HasSuffix(o.GetKind(), "List") {
		if o.GetNamespace() == "" {
			o.SetNamespace(namespace)
		}
		return []*object{o}, nil
	}
	var out []*object
	items, _ := o.Object.Object["items"].([]any)
	for _, item := range items {
		if inner, ok := item.(map[string]any); ok {
			more, err := expand(inner, namespace)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	return out, nil
}

// without are the objects of one manifest that another does not have.
func without(objects, others []*object) []*object {
	there := index(others)
	return slices.DeleteFunc(slices.Clone(objects), func(o *object) bool { return there[o.key()] != nil })
}

// same reports whether two manifests say the same of an object.
func same(a, b *object) bool { return reflect.DeepEqual(a.Object.Object, b.Object.Object) }

func index(objects []*object) map[string]*object {
	out := map[string]*object{}
	for _, o := range objects {
		out[o.key()] = o
	}
	return out
}
