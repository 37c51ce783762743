package helm

import (
	"encoding/json"
	"testing"
)

// A release that Flux applies is written under Flux's name; one that it only labelled, or that an older Flux updated, under Helm's.
func TestWhoWritesARelease(t *testing.T) {
	for doc, want := range map[string]string{
		`{"metadata": {"labels": {"helm.toolkit.fluxcd.io/name": "web"}, "managedFields": [{"manager": "helm-controller", "operation": "Apply"}]}}`:                          fluxManager,
		`{"metadata": {"labels": {"helm.toolkit.fluxcd.io/name": "web"}, "managedFields": [{"manager": "helm-controller", "operation": "Update"}]}}`:                         fieldManager,
		`{"metadata": {"labels": {"helm.toolkit.fluxcd.io/name": "web"}, "managedFields": [{"manager": "helm-controller", "operation": "Apply", "subresource": "status"}]}}`: fieldManager,
		`{"metadata": {"managedFields": [{"manager": "helm-controller", "operation": "Apply"}]}}`:                                                                            fieldManager,
		`{"metadata": {}}`: fieldManager,
	} {
		o := &object{}
		if err := json.Unmarshal([]byte(doc), &o.Object.Object); err != nil {
			t.Fatal(err)
		}
		w := &way{lives: map[string]*object{"deployment": o}}
		if got := w.manager(); got != want {
			t.Errorf("%s: %s", doc, got)
		}
	}
	if got := (&way{}).manager(); got != fieldManager {
		t.Errorf("of none: %s", got)
	}
}
