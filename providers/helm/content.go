package helm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// comparison is how one live object stands against what a manifest says of it.
type comparison struct {
	seen       string   // of which version of the object, with which manifest
	differs    []string // the paths that differ
	unknown    string   // why it could not be compared
	live, want string   // digests of both, without what is no content
}

// sent is an object as Helm sends it: with the marks by which it knows what is its own.
func sent(o *object, c coordinates) *kube.Object {
	out := o.DeepCopy()
	out.SetManagedFields(nil)
	labels, annotations := out.GetLabels(), out.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels["app.kubernetes.io/managed-by"] = "Helm"
	annotations[releaseName], annotations[releaseNamespace] = c.release, c.namespace
	out.SetLabels(labels)
	out.SetAnnotations(annotations)
	return out
}

// The marks of a release on its objects.
const (
	releaseName      = "meta.helm.sh/release-name"
	releaseNamespace = "meta.helm.sh/release-namespace"
)

// of reports whether an object carries the marks of a release.
func (o *object) of(c coordinates) bool {
	a := o.GetAnnotations()
	return a[releaseName] == c.release && a[releaseNamespace] == c.namespace
}

// compare has the API server work out what the object would be if the manifest were applied to it now, and keep nothing. So
// defaults, other ways to write a quantity and what a webhook adds make no difference. An object that did not change since
// the last time is not asked for again.
func (p *Provider) compare(ctx context.Context, o, live *object, c coordinates) (comparison, error) {
	text, err := o.MarshalJSON()
	if err != nil {
		return comparison{}, err
	}
	sum := sha256.Sum256(text)
	seen := live.GetResourceVersion() + " " + hex.EncodeToString(sum[:])
	if known, ok := p.compared.Load(live.GetUID()); ok && known.(comparison).seen == seen {
		return known.(comparison), nil
	}
	k, ok, err := p.kind(ctx, o)
	if err != nil || !ok {
		return comparison{unknown: "its kind is not served"}, err
	}
	want, err := p.cluster.Apply(ctx, k.Resource, o.GetNamespace(), sent(o, c), managerOf(live), true, kube.Write{DryRun: true})
	out := comparison{}
	switch {
	case err == nil:
		out = compared(&live.Object, want)
	case matches(live, o):
		out.live = digest(content(o.Object.Object))
		out.want = out.live
	case errors.Is(err, kube.ErrRefused):
		out.unknown = providers.Clean(err.Error())
	default:
		return out, err
	}
	out.seen = seen
	p.compared.Store(live.GetUID(), out)
	return out, nil
}

func compared(live, want *kube.Object) comparison {
	a, b := content(live.Object), content(want.Object)
	for _, path := range scaled(live) { // how many there are is no content where somebody scales
		unstructured.RemoveNestedField(a, path...)
		unstructured.RemoveNestedField(b, path...)
	}
	return comparison{differs: differences("", a, b), live: digest(a), want: digest(b)}
}

// content is an object without what the API server keeps of its own account.
func content(o map[string]any) map[string]any {
	out := (&kube.Object{Object: o}).DeepCopy().Object
	delete(out, "status")
	for _, key := range []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"} {
		unstructured.RemoveNestedField(out, "metadata", key)
	}
	return out
}

// scaled is the path of the number of replicas, where it was set by the way that autoscalers and kubectl scale go.
func scaled(live *kube.Object) [][]string {
	for _, m := range live.GetManagedFields() {
		if m.Subresource == "scale" {
			return [][]string{{"spec", "replicas"}}
		}
	}
	return nil
}

func digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// differences are the paths at which two objects differ.
func differences(path string, a, b any) []string {
	am, aok := a.(map[string]any)
	bm, bok := b.(map[string]any)
	if aok && bok {
		keys := maps.Clone(am)
		maps.Copy(keys, bm)
		var out []string
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			out = append(out, differences(path+"."+k, am[k], bm[k])...)
		}
		return out
	}
	al, aok := a.([]any)
	bl, bok := b.([]any)
	if aok && bok && len(al) == len(bl) {
		var out []string
		for i := range al {
			out = append(out, differences(fmt.Sprintf("%s[%d]", path, i), al[i], bl[i])...)
		}
		return out
	}
	if reflect.DeepEqual(a, b) {
		return nil
	}
	return []string{providers.Clean(path)}
}

// whole is how all objects of a release stand against its manifest.
type whole struct {
	differs, unknown []string
	live, want       string // digests over all objects
	count            int
}

// whole compares every object. One that is not there counts as one that differs.
func (p *Provider) whole(ctx context.Context, objects []*object, lives map[string]*object, c coordinates) (whole, error) {
	w := whole{count: len(objects)}
	var live, want []string
	for _, o := range objects {
		name, l := providers.Clean(o.String()), lives[o.key()]
		if l == nil {
			w.differs, want = append(w.differs, name+" is not there"), append(want, o.key())
			continue
		}
		one, err := p.compare(ctx, o, l, c)
		if err != nil {
			return w, fmt.Errorf("compare %s with what the release says: %w", name, err)
		}
		live, want = append(live, o.key()+one.live), append(want, o.key()+one.want)
		switch {
		case one.unknown != "":
			w.unknown = append(w.unknown, name+": "+one.unknown)
		case len(one.differs) > 0:
			w.differs = append(w.differs, name+" at "+strings.Join(one.differs[:min(len(one.differs), 3)], ", "))
		}
	}
	slices.Sort(live)
	slices.Sort(want)
	w.live, w.want = "sha256:"+digest(live), "sha256:"+digest(want)
	return w, nil
}
