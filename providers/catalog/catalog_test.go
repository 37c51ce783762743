package catalog_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/catalog"
	"github.com/backout-dev/backout/providers/providertest"
)

var written = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// open makes a provider of the files of a directory.
func open(t *testing.T, dir string, paths ...string) *catalog.Provider {
	t.Helper()
	p, err := catalog.Factory().New(providers.Environment{
		Name: "cat", Environment: "prod", Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}, func(into any) error {
		text, err := yaml.Marshal(map[string]any{"paths": paths})
		if err != nil {
			return err
		}
		return yaml.Unmarshal(text, into)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.(*catalog.Provider)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, written, written); err != nil {
		t.Fatal(err)
	}
}

const own = `services:
  - name: orders
    owner: team-orders
    tier: tier-1
    depends_on: [pricing]
    requires: {pricing: ">= 1.2"}
    emits: [payments, "mail\u001b[31m"]
    reads: [orders.note]
    tried:
      - {with: pricing, versions: ">= 1.4, < 3", own_versions: ">= 2", evidence: contract test 218}
      - {with: pricing, versions: "< 1.4", works: false}
    independent_of: [login]
    flags: {new-cart: ">= 2", old-cart: ""}
`

const backstage = `apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: web-shop
  annotations:
    backout.dev/service: storefront
    backout.dev/emits: mail, receipts
    backout.dev/reads: carts
    backout.dev/requires: "orders >= 2.1; login ~3"
    github.com/project-slug: acme/shop
spec:
  type: service
  owner: group:default/team-web
  dependsOn: [component:default/orders, resource:cache]
  consumesApis: [default/prices]
---
apiVersion: backstage.io/v1alpha1
kind: API
metadata: {name: prices}
spec: {type: openapi}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: pricing}
spec: {owner: team-pricing, providesApis: [api:prices]}
`

func TestWhatIsDeclaredIsTold(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "services.yaml", own)
	write(t, dir, "web/catalog-info.yaml", backstage)
	services, edges, err := open(t, dir, "services.yaml", "*/catalog-info.yaml").Topology(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]providers.Service{
		{Name: "orders", Owner: "team-orders", Tier: "tier-1", Environment: "prod", DependsOn: []string{"pricing"}, Emits: []string{"payments", "mail"}, Reads: []string{"orders.note"}},
		{Name: "pricing", Owner: "team-pricing", Environment: "prod"},
		{Name: "storefront", Owner: "team-web", Environment: "prod", DependsOn: []string{"orders", "cache"}, Emits: []string{"mail", "receipts"}, Reads: []string{"carts"}},
	}, services); d != "" {
		t.Errorf("services: %s", d)
	}
	edge := func(from, to string, kind providers.EdgeKind, own, versions, evidence string) providers.Edge {
		return providers.Edge{From: from, To: to, Kind: kind, FromVersions: own, ToVersions: versions, Evidence: evidence, Source: "cat", SeenAt: written}
	}
	if d := cmp.Diff([]providers.Edge{
		edge("orders", "pricing", providers.EdgeMinVersion, "", ">= 1.2", "services.yaml: orders requires pricing >= 1.2"),
		edge("orders", "new-cart", providers.EdgeFlag, ">= 2", "", "services.yaml: orders >= 2 asks for the flag new-cart"),
		edge("orders", "old-cart", providers.EdgeFlag, "", "", "services.yaml: orders asks for the flag old-cart"),
		edge("orders", "login", providers.EdgeIndependent, "", "", "services.yaml: orders is independent of login"),
		edge("orders", "pricing", providers.EdgeVerified, ">= 2", ">= 1.4, < 3", "services.yaml: orders >= 2 works with pricing >= 1.4, < 3: contract test 218"),
		edge("orders", "pricing", providers.EdgeRefuted, "", "< 1.4", "services.yaml: orders does not work with pricing < 1.4"),
		edge("storefront", "orders", providers.EdgeMinVersion, "", ">= 2.1", "web/catalog-info.yaml: storefront requires orders >= 2.1"),
		edge("storefront", "login", providers.EdgeMinVersion, "", "~3", "web/catalog-info.yaml: storefront requires login ~3"),
		edge("storefront", "pricing", providers.EdgeContract, "", "", "web/catalog-info.yaml: storefront consumes API prices of pricing"),
	}, edges); d != "" {
		t.Errorf("edges: %s", d)
	}
}

// A catalogue that cannot be read in full says nothing at all: half of it would say that nothing hangs together.
func TestWhatCannotBeReadIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ text, path, want string }{
		"no file":          {path: "none.yaml", want: "none.yaml"},
		"no match":         {path: "*/none.yaml", want: "names no file"},
		"not YAML":         {text: "services: [", want: "not valid YAML"},
		"empty":            {text: "---\n", want: "holds nothing"},
		"something else":   {text: "kind: Deployment\napiVersion: apps/v1\n", want: "holds neither"},
		"a misspelt key":   {text: "services: [{name: a, requires_: {b: '1'}}]", want: "requires_"},
		"no name":          {text: "services: [{owner: a}]", want: "no name"},
		"a bad range":      {text: "services: [{name: a, requires: {b: newest}}]", want: `"newest" is no range`},
		"no range":         {text: "services: [{name: a, requires: {b: ''}}]", want: "which version is not said"},
		"a bad trial":      {text: "services: [{name: a, tried: [{with: b, versions: '>> 1'}]}]", want: "is no range"},
		"tried with none":  {text: "services: [{name: a, tried: [{versions: '1'}]}]", want: "with whom"},
		"a bad annotation": {text: "apiVersion: backstage.io/v1\nkind: Component\nmetadata: {name: a, annotations: {backout.dev/requires: b}}\n", want: "is not a service and a range"},
		"too large":        {text: "# " + strings.Repeat("x", 5<<20), want: "larger than 4 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "good.yaml", own)
			path := c.path
			if path == "" {
				path = "bad.yaml"
				write(t, dir, path, c.text)
			}
			p := open(t, dir, "good.yaml", path)
			services, edges, err := p.Topology(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || len(services)+len(edges) != 0 {
				t.Errorf("%d services, %d edges, %v; want an error with %q", len(services), len(edges), err, c.want)
			}
			if h := p.Health(); h.State != providers.HealthFailing || h.Detail == "" {
				t.Errorf("health: %+v", h)
			}
		})
	}
}

// What was mended is read without a restart.
func TestAMendedFileIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	p := open(t, dir, "services.yaml")
	if _, _, err := p.Topology(t.Context()); providers.ClassOf(err) != providers.ClassRetryable {
		t.Fatalf("a file that is not there yet: %v", err)
	}
	write(t, dir, "services.yaml", own)
	if services, _, err := p.Topology(t.Context()); err != nil || len(services) != 1 || p.Health().State != providers.HealthOK {
		t.Errorf("%d services, %v, %+v", len(services), err, p.Health())
	}
}

func TestConformance(t *testing.T) {
	providertest.Run(t, providertest.Suite{
		New: func(t *testing.T) providers.Provider {
			dir := t.TempDir()
			write(t, dir, "services.yaml", own)
			return open(t, dir, "services.yaml")
		},
		Empty: []string{"Changes", "Alerts"},
	})
}
