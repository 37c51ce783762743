package kube_test

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers/kube"
)

func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

const secretive = `
spec:
  containers:
  - name: app
    args: ["--db-password", "SECRET-a", "--token=SECRET-b", "--verbose", "yes"]
    env:
    - {name: DB_PASSWORD, value: SECRET-c}
    - {name: STRIPE_API_KEY, value: SECRET-d}
    - {name: DATABASE_URL, value: "postgres://shop:SECRET-e@s@db:5432/shop"}
    - {name: JAVA_OPTS, value: "-Xmx1g -Dtrust.password=SECRET-f"}
    - {name: LEVEL, value: VALUE}
    - {name: LOGIN, valueFrom: {secretKeyRef: {name: login, key: password}}}
  volumes:
  - name: tls
    secret: {secretName: shop-tls}
`

func TestADiffShowsNoSecret(t *testing.T) {
	from := parsed(t, strings.ReplaceAll(secretive, "VALUE", "info"))
	to := parsed(t, strings.ReplaceAll(strings.ReplaceAll(secretive, "SECRET-c", "SECRET-z"), "VALUE", "debug"))
	got, err := kube.Diff("a", from, "b", to)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "SECRET") {
		t.Errorf("a secret is shown:\n%s", got)
	}
	for _, want := range []string{"value: info", "value: debug", "value: (hidden-3)", "value: (hidden-7)"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not shown:\n%s", want, got)
		}
	}
	whole, err := kube.Diff("a", nil, "b", from)
	if err != nil || strings.Contains(whole, "SECRET") {
		t.Errorf("%v\n%s", err, whole)
	}
	for _, want := range []string{"secretName: shop-tls", "key: password", "name: login", "--verbose", `postgres://shop:(hidden-`, "@db:5432/shop", "trust.password=(hidden-"} {
		if !strings.Contains(whole, want) {
			t.Errorf("%q is no secret:\n%s", want, whole)
		}
	}
	if again, err := kube.Diff("a", from, "b", to); err != nil || again != got {
		t.Errorf("another time it is another one: %v", err)
	}
	if same, err := kube.Diff("a", from, "b", from); err != nil || same != "" {
		t.Errorf("the same differs: %v %s", err, same)
	}
}

func TestADiffOfObjectsShowsNoSecret(t *testing.T) {
	from := parsed(t, `{apiVersion: v1, kind: Secret, metadata: {name: x, annotations: {kubectl.kubernetes.io/last-applied-configuration: SECRET}}, stringData: {url: SECRET-1, host: SECRET-3}}`)
	to := parsed(t, `{apiVersion: v1, kind: Secret, metadata: {name: x}, stringData: {url: SECRET-2, host: SECRET-3}}`)
	config := parsed(t, "apiVersion: v1\nkind: ConfigMap\ndata:\n  app.properties: |\n    db.password = SECRET\n    pool=20\n  key.pem: |\n    -----BEGIN PRIVATE KEY-----\n    SECRET\n    -----END PRIVATE KEY-----\n")
	for _, pair := range [][2]map[string]any{{from, to}, {nil, config}, {config, nil}} {
		got, err := kube.Diff("a", pair[0], "b", pair[1])
		if err != nil || got == "" || strings.Contains(got, "SECRET") {
			t.Errorf("%v:\n%s", err, got)
		}
		if pair[0] != nil && pair[1] != nil && strings.Count(got, "host: (hidden-") != 1 {
			t.Errorf("what is the same looks as if it were not:\n%s", got)
		}
		if (pair[0] == nil || pair[1] == nil) && !strings.Contains(got, "pool=20") {
			t.Errorf("what is no secret is hidden:\n%s", got)
		}
	}
}

func TestADiffIsSafeToShow(t *testing.T) {
	from, to := map[string]any{"a": "x"}, map[string]any{"a": "\x1b[31mred\u202e", "b": strings.Repeat("line\n", 1000)}
	got, err := kube.Diff("a", from, "b", to)
	if err != nil || strings.ContainsAny(got, "\x1b\u202e") || !strings.Contains(got, "more lines") || strings.Count(got, "\n") > 402 {
		t.Errorf("%v: %d lines", err, strings.Count(got, "\n"))
	}
	covered := kube.Cover(map[string]any{"password": "x", "n": 3, "list": []any{true, nil}}, func(string) string { return "y" }).(map[string]any)
	if covered["password"] != "y" || covered["n"] != 3 || covered["list"].([]any)[0] != true {
		t.Errorf("%v", covered)
	}
}

// A key with an empty value that one of the two does not have is a difference, whichever it is.
func TestDifferingNamesEveryKey(t *testing.T) {
	a := map[string]string{"same": "1", "changed": "1", "only here": "", "emptied": "1"}
	b := map[string]string{"same": "1", "changed": "2", "only there": "", "emptied": ""}
	if got := strings.Join(kube.Differing(a, b), "|"); got != "changed|emptied|only here|only there" {
		t.Errorf("differing are %s", got)
	}
}

func TestAPointerNamesOneField(t *testing.T) {
	if got := kube.Pointer("metadata", "annotations", "a~b/c"); got != "/metadata/annotations/a~0b~1c" {
		t.Errorf("it is %s", got)
	}
}
