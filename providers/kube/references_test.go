package kube_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/providers/kube"
)

func TestReferencesOfATemplate(t *testing.T) {
	got := kube.References(parsed(t, `
spec:
  initContainers:
  - {name: init, envFrom: [{configMapRef: {name: base}}]}
  containers:
  - name: app
    env:
    - {name: A, valueFrom: {configMapKeyRef: {name: app, key: pool}}}
    - {name: B, valueFrom: {configMapKeyRef: {name: app, key: extra, optional: true}}}
    - {name: C, valueFrom: {secretKeyRef: {name: login, key: password}}}
    - {name: D, value: plain}
    - {name: E, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    envFrom: [{secretRef: {name: more, optional: true}}]
    volumeMounts:
    - {name: files, mountPath: /etc/app}
    - {name: one, mountPath: /etc/one, subPath: one}
  volumes:
  - {name: files, configMap: {name: files, items: [{key: a.yaml, path: a}]}}
  - {name: one, secret: {secretName: one}}
  - {name: all, projected: {sources: [{configMap: {name: app}}, {secret: {name: tls}}, {downwardAPI: {}}]}}
  - {name: scratch, emptyDir: {}}
`))
	want := []kube.Reference{
		{Name: "app", Keys: []string{"pool"}, AtStart: true, Mounted: true},
		{Name: "base", AtStart: true},
		{Name: "files", Keys: []string{"a.yaml"}, Mounted: true},
		{Secret: true, Name: "login", Keys: []string{"password"}, AtStart: true},
		{Secret: true, Name: "more", Optional: true, AtStart: true},
		{Secret: true, Name: "one", AtStart: true},
		{Secret: true, Name: "tls", Mounted: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := kube.References(nil); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := []string{want[0].String(), want[3].String(), want[0].Title(), want[3].Title()}; !cmp.Equal(got, []string{"configmap/app", "secret/login", "ConfigMap app", "Secret login"}) {
		t.Errorf("%q", got)
	}
}
