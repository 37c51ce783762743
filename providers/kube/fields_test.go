package kube_test

import (
	"encoding/json"
	"testing"

	"github.com/backout-dev/backout/providers/kube"
)

func TestChangesOfOneKindAreCalledTheSame(t *testing.T) {
	read := func(doc string) map[string]any {
		var m map[string]any
		if err := json.Unmarshal([]byte(doc), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	base := `{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"a","image":"a:1","env":[]},{"name":"b","image":"b:1"}]}}`
	for to, want := range map[string]string{
		base: "",
		`{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"a","image":"a:2","env":[]},{"name":"b","image":"b:1"}]}}`:                                        "image",
		`{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"a","image":"a:1","env":[]},{"name":"b","image":"b:3"}]}}`:                                        "image",
		`{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"a","image":"a:2","env":[{"name":"X"}]},{"name":"b","image":"b:1"}]}}`:                            "env, image",
		`{"metadata":{"labels":{"app":"a"},"annotations":{"x":"y"}},"spec":{"volumes":[{}],"containers":[{"name":"a","image":"a:1","env":[]},{"name":"b","image":"b:1"}]}}`: "annotations, volumes",
		`{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"a","image":"a:1","env":[]}]}}`:                                                                   "containers",
		`{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"b","image":"b:1"},{"name":"a","image":"a:1","env":[]}]}}`:                                        "containers",
	} {
		if got := kube.ChangedFields(read(base), read(to)); got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
	}
}
