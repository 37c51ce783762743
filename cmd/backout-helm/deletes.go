package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	release "helm.sh/helm/v4/pkg/release/v1"
)

// limited lets no deletion through that the plan did not list, whatever the library is about to do.
func (q question) limited(config *rest.Config) *rest.Config {
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return gate{next, q.Deletes} })
	return config
}

type gate struct {
	next    http.RoundTripper
	deletes []string
}

// RoundTrip implements http.RoundTripper.
func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodDelete || slices.Contains(g.deletes, object(r.URL.Path)) {
		return g.next.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	// As the API server itself would say it, so that the library takes it for an answer.
	text := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":%q}`,
		"backout: "+object(r.URL.Path)+" is not among the deletions that were confirmed")
	return &http.Response{
		Status: "403 Forbidden", StatusCode: http.StatusForbidden, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)), Request: r,
	}, nil
}

// object is what a path of the API server is about, as group/resource/namespace/name. A collection has no name.
func object(path string) string {
	_, rest, core := strings.Cut(path, "/api/v1/")
	group := ""
	if !core {
		_, after, ok := strings.Cut(path, "/apis/")
		parts := strings.SplitN(after, "/", 3)
		if !ok || len(parts) < 3 {
			return path
		}
		group, rest = parts[0], parts[2]
	}
	namespace := ""
	if parts := strings.SplitN(rest, "/", 3); parts[0] == "namespaces" && len(parts) == 3 {
		namespace, rest = parts[1], parts[2]
	}
	resource, name, _ := strings.Cut(rest, "/")
	return strings.Join([]string{group, resource, namespace, name}, "/")
}

// sweep deletes what the operation was to delete and an attempt of it that was cut off did not come to: Helm compares with the
// record before only, and that is the attempt's own.
func (q question) sweep(cfg *action.Configuration) error {
	if q.Begun == q.Expect {
		return nil
	}
	build := func(revision int) (kube.ResourceList, error) {
		stored, err := cfg.Releases.Get(q.Release, revision)
		if err != nil {
			return nil, fmt.Errorf("read revision %d: %w", revision, err)
		}
		r, ok := stored.(*release.Release)
		if !ok {
			return nil, fmt.Errorf("revision %d is a record of a newer Helm", revision)
		}
		return cfg.KubeClient.Build(bytes.NewBufferString(r.Manifest), false)
	}
	before, err := build(q.Begun)
	if err != nil {
		return err
	}
	after, err := build(q.Revision)
	if err != nil {
		return err
	}
	var doomed kube.ResourceList
	for _, info := range before.Difference(after) {
		m := info.Mapping.Resource
		if slices.Contains(q.Deletes, strings.Join([]string{m.Group, m.Resource, info.Namespace, info.Name}, "/")) {
			doomed = append(doomed, info)
		}
	}
	if len(doomed) == 0 {
		return nil
	}
	if _, errs := cfg.KubeClient.Delete(doomed, metav1.DeletePropagationBackground); len(errs) > 0 {
		return fmt.Errorf("delete what revision %d does not have: %w", q.Revision, errs[0])
	}
	return nil
}
