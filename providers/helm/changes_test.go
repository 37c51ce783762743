package helm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/helm"
)

func changesOf(t *testing.T, p *helm.Provider) []providers.Change {
	t.Helper()
	var out []providers.Change
	for c, err := range p.Changes(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

func historyIsRead(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"web.yaml": deployment("web", "shop:1")})
	r.deploy(t, "1.1.0", map[string]string{"web.yaml": deployment("web", "shop:2")})
	r.write(t, "1.2.0", map[string]string{"web.yaml": deployment("web", "shop:broken")})
	if err := r.try(t, "upgrade", r.name, r.chart, "--wait", "--timeout", "3s"); err == nil {
		t.Fatal("the broken upgrade went through")
	}
	r.do(t, "rollback", r.name, "1")
	p := r.provider(t, nil)
	got := changesOf(t, p)
	if len(got) != 4 {
		t.Fatalf("%d changes: %+v", len(got), got)
	}
	wellTold(t, got[3], got[2], got[1], got[0])
	if h := p.Health(); h.State != providers.HealthOK {
		t.Errorf("health: %+v", h)
	}
	r.do(t, "uninstall", r.name, "--keep-history")
	if last := changesOf(t, p)[0]; last.Status != "uninstalled" || last.EffectiveTo.IsZero() {
		t.Errorf("the uninstalled release: %+v", last)
	}
}

// wellTold looks at an install, an upgrade, one that failed, and a rollback.
func wellTold(t *testing.T, first, second, broken, back providers.Change) {
	t.Helper()
	if first.Title != "helm install of pay-1.0.0 (app app-1.0.0)" || first.Kind != providers.KindDeploy || first.Author.Name != "ana" || first.From != "" {
		t.Errorf("the install: %+v", first)
	}
	if second.From != first.To || second.To != "pay-1.1.0 (app app-1.1.0)" || second.Status != "superseded" || second.EffectiveFrom.IsZero() {
		t.Errorf("the upgrade: %+v", second)
	}
	takenBack(t, first, second, broken, back)
}

func takenBack(t *testing.T, first, second, broken, back providers.Change) {
	t.Helper()
	if broken.Status != "failed" || !strings.Contains(broken.Title, ", failed: Upgrade") {
		t.Errorf("the broken upgrade: %+v", broken)
	}
	if back.Kind != providers.KindRollback || back.Status != "deployed" || len(back.Reverts) != 1 || back.Reverts[0] != broken.ID {
		t.Errorf("the rollback: %+v", back)
	}
	// A revision is its content: what the rollback made is what the install was.
	if back.Artifacts[0] != first.Artifacts[0] || second.Artifacts[0] == first.Artifacts[0] {
		t.Errorf("digests: %v, %v, %v", first.Artifacts, second.Artifacts, back.Artifacts)
	}
}

func configMapsToo(t *testing.T, r *release) {
	r.driver = "configmap"
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1")})
	if got := changesOf(t, r.provider(t, nil)); len(got) != 1 || got[0].Status != "deployed" {
		t.Errorf("%+v", got)
	}
}

func newRecordsAreTold(t *testing.T, r *release) {
	r.deploy(t, "1.0.0", map[string]string{"a.yaml": config("a", "1")})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p := r.provider(t, nil)
	told := make(chan providers.Change)
	go func() {
		defer close(told)
		for e, err := range p.Watch(ctx) {
			if err == nil && e.Change != nil {
				told <- *e.Change
			}
		}
	}()
	for p.Health().State == providers.HealthUnknown && ctx.Err() == nil { // until the first list is there
		changesOf(t, r.provider(t, nil))
	}
	r.deploy(t, "1.1.0", map[string]string{"a.yaml": config("a", "2")})
	for c := range told {
		if c.To == "pay-1.1.0 (app app-1.1.0)" && c.Status == "deployed" {
			if c.From != "pay-1.0.0 (app app-1.0.0)" {
				t.Errorf("from %q", c.From)
			}
			return
		}
	}
	t.Error("the upgrade was never told")
}
