package kubernetes

import (
	"encoding/json"
	"testing"
)

func template(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func digestOf(t *testing.T, text string) string {
	t.Helper()
	return templateDigest(template(t, text))
}

const plain = `{"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"name": "app", "image": "r/shop:v1",
	"env": [{"name": "MODE", "value": "fast"}], "resources": {"limits": {"cpu": "500m"}}}]}}`

func TestTheSameContentHasTheSameDigest(t *testing.T) {
	for why, same := range map[string]string{
		"a controller's own label": `{"metadata": {"creationTimestamp": null, "labels": {"app": "shop", "pod-template-hash": "abc"}}, "spec": {"containers": [{"name": "app",
			"image": "r/shop:v1", "env": [{"name": "MODE", "value": "fast"}], "resources": {"limits": {"cpu": "500m"}}}]}}`,
		"defaults that were filled in": `{"$patch": "replace", "metadata": {"labels": {"app": "shop"}}, "spec": {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
			"securityContext": {}, "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 30, "containers": [{"name": "app", "image": "r/shop:v1",
			"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
			"env": [{"name": "MODE", "value": "fast"}], "resources": {"limits": {"cpu": "0.5"}}}]}}`,
	} {
		if digestOf(t, same) != digestOf(t, plain) {
			t.Errorf("%s changes the digest", why)
		}
	}
}

func TestOtherContentHasAnotherDigest(t *testing.T) {
	for why, other := range map[string]string{
		"a variable was removed": `{"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"name": "app", "image": "r/shop:v1", "resources": {"limits": {"cpu": "500m"}}}]}}`,
		"a value was emptied": `{"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"name": "app", "image": "r/shop:v1",
			"env": [{"name": "MODE"}], "resources": {"limits": {"cpu": "500m"}}}]}}`,
		"it never pulls": `{"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [{"name": "app", "image": "r/shop:v1", "imagePullPolicy": "Never",
			"env": [{"name": "MODE", "value": "fast"}], "resources": {"limits": {"cpu": "500m"}}}]}}`,
	} {
		if digestOf(t, other) == digestOf(t, plain) {
			t.Errorf("%s, and the digest is the same", why)
		}
	}
}

func TestAPinnedImageIsTheRevisionThatItStandsFor(t *testing.T) {
	pinned := template(t, plain)
	containersOf(pinned)[0]["image"] = "r/shop@sha256:aa"
	if d := servedDigest(pinned, map[string]string{pinAnnotation: `{"app": ["r/shop:v1", "r/shop@sha256:aa"]}`}); d != digestOf(t, plain) {
		t.Errorf("pinned it is %s", d)
	}
	if templateDigest(pinned) == digestOf(t, plain) {
		t.Error("an image that nobody pinned counts as pinned")
	}
}

func TestAnImageReferenceIsTakenApart(t *testing.T) {
	for ref, want := range map[string][3]string{
		"shop":                          {"shop", "", ""},
		"r:5000/shop":                   {"r:5000/shop", "", ""},
		"r:5000/a/shop:v1":              {"r:5000/a/shop", "v1", ""},
		"r/shop:v1@sha256:aa":           {"r/shop", "v1", "sha256:aa"},
		"docker.io/library/x@sha256:bb": {"docker.io/library/x", "", "sha256:bb"},
	} {
		repo, tag, digest := splitImage(ref)
		if got := [3]string{repo, tag, digest}; got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}
