package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/backout-dev/backout/providers"
)

// Kind is how the API server serves one kind of object.
type Kind struct {
	Resource   Resource
	Namespaced bool
}

// Kinds lists what the API server serves of one apiVersion ("v1", "apps/v1"), by the name of the kind. An apiVersion that it
// does not serve, or no longer, is an error that matches providers.ErrNotFound.
func (c *Cluster) Kinds(ctx context.Context, apiVersion string) (map[string]Kind, error) {
	version, err := schema.ParseGroupVersion(apiVersion)
	if err != nil || version.Version == "" {
		return nil, providers.Permanent(fmt.Errorf("apiVersion %q is none: %w", apiVersion, providers.ErrNotFound))
	}
	path := "/apis/" + apiVersion
	if version.Group == "" {
		path = "/api/" + apiVersion
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	data, err := c.raw.Get().AbsPath(path).SetHeader("Accept", runtime.ContentTypeJSON).Do(ctx).Raw()
	if err != nil {
		return nil, c.wrap(err, "ask for", Resource{Resource: "the kinds of " + apiVersion}, "", "")
	}
	var list metav1.APIResourceList
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, providers.Permanent(fmt.Errorf("read the kinds of %s in %s: %w", apiVersion, c.context, err))
	}
	out := map[string]Kind{}
	for i := range list.APIResources {
		r := &list.APIResources[i]
		if !strings.Contains(r.Name, "/") { // a subresource
			out[r.Kind] = Kind{Resource: version.WithResource(r.Name), Namespaced: r.Namespaced}
		}
	}
	return out, nil
}

// plain makes a client that knows no type but the API server's errors.
func plain(config *rest.Config) (rest.Interface, error) {
	known := runtime.NewScheme()
	metav1.AddToGroupVersion(known, schema.GroupVersion{Version: "v1"})
	config = rest.CopyConfig(config)
	config.GroupVersion, config.NegotiatedSerializer = &schema.GroupVersion{}, serializer.NewCodecFactory(known).WithoutConversion()
	return rest.UnversionedRESTClientFor(config)
}
