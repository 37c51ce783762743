package demo

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

// sick asks every service the question of its probe and names those that do not answer 200.
func sick(t *testing.T, w *World) []string {
	t.Helper()
	var out []string
	for _, u := range units(w.addr) {
		if status(t, u.URL) != http.StatusOK {
			out = append(out, u.Name)
		}
	}
	slices.Sort(out)
	return out
}

func status(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// back points current to the release before the one that serves, as somebody would by hand.
func back(t *testing.T, w *World, service string) {
	t.Helper()
	base := w.host.service(service)
	labels := releases(t, w, service)
	now, err := os.Readlink(filepath.Join(base, "current"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.Index(labels, filepath.Base(now))
	if i < 1 {
		t.Fatalf("%s has nothing before %s in %v", service, now, labels)
	}
	next := filepath.Join(base, "next")
	if err := os.Symlink(filepath.Join("releases", labels[i-1]), next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(base, "current")); err != nil {
		t.Fatal(err)
	}
}

// releases lists a service's releases, oldest first.
func releases(t *testing.T, w *World, service string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(w.host.service(service), "releases"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func wantSick(t *testing.T, w *World, when string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := sick(t, w); !slices.Equal(got, want) {
		t.Fatalf("%s: %v fail, want %v", when, got, want)
	}
}

func wantCured(t *testing.T, w *World, when string, want bool) {
	t.Helper()
	if ok, why := w.Cured(t.Context()); ok != want {
		t.Fatalf("%s: cured is %v (%s), want %v", when, ok, why, want)
	}
}

func breakIt(t *testing.T, w *World) {
	t.Helper()
	wantSick(t, w, "before")
	if err := w.Break(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCured(t, w, "after it broke", false)
}

func TestBadReleaseBreaksItsCallersAndGoesBackAlone(t *testing.T) {
	t.Parallel()
	w := open(t, "bad-release")
	breakIt(t, w)
	wantSick(t, w, "after the release", shop.Pricing, shop.Orders, shop.Storefront)
	before, err := w.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "customers meet errors", func() bool {
		now, err := w.Load(t.Context())
		return err == nil && now.Failed > before.Failed
	})
	back(t, w, shop.Login)
	wantSick(t, w, "after the bystander went back", shop.Pricing, shop.Orders, shop.Storefront)
	back(t, w, shop.Pricing)
	wantSick(t, w, "after pricing went back")
	wantCured(t, w, "after pricing went back", true)
	if tr := w.Truth(); tr.Commit == "" || !slices.Equal(tr.Services, []string{shop.Pricing}) {
		t.Errorf("truth %+v", tr)
	}
}

func TestCoupledServicesOnlyGoBackTogether(t *testing.T) {
	t.Parallel()
	w := open(t, "coupled")
	breakIt(t, w)
	wantSick(t, w, "after the release", shop.Pricing, shop.Orders, shop.Storefront)
	back(t, w, shop.Pricing)
	wantSick(t, w, "after pricing alone went back", shop.Orders, shop.Storefront)
	forth(t, w, shop.Pricing)
	back(t, w, shop.Orders)
	wantSick(t, w, "after orders alone went back", shop.Pricing, shop.Orders, shop.Storefront)
	back(t, w, shop.Pricing)
	wantCured(t, w, "after both went back", true)
	if tr := w.Truth(); !slices.Equal(tr.Services, []string{shop.Orders, shop.Pricing}) {
		t.Errorf("truth %+v", tr)
	}
	config, err := os.ReadFile(w.ConfigPath())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(config), "{from: orders, to: pricing, kind: requires,") {
		t.Errorf("no declared edge in\n%s", config)
	}
}

// forth points current to the newest release again.
func forth(t *testing.T, w *World, service string) {
	t.Helper()
	labels := releases(t, w, service)
	if err := w.host.goLive(service, labels[len(labels)-1], w.repo.head, "nobody", time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestNoReleaseCuresADeadBackingProcess(t *testing.T) {
	t.Parallel()
	w := open(t, "not-a-change")
	breakIt(t, w)
	wantSick(t, w, "after the process died", shop.Pricing, shop.Orders, shop.Storefront)
	for _, service := range []string{shop.Storefront, shop.Login, shop.Orders, shop.Pricing} {
		back(t, w, service)
		wantCured(t, w, "after "+service+" went back", false)
	}
	addr := w.addr(shop.PriceDB)
	if err := w.Restart(t.Context(), shop.PriceDB); err != nil {
		t.Fatal(err)
	}
	if now := w.addr(shop.PriceDB); now != addr {
		t.Errorf("after its restart it listens on %s, before on %s", now, addr)
	}
	wantCured(t, w, "after the restart", true)
	if tr := w.Truth(); !tr.Happened || tr.Commit != "" || len(tr.Services) > 0 {
		t.Errorf("truth %+v", tr)
	}
}

func TestNothingInTheWorldTellsTheScenario(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		if s.clustered {
			continue // its configuration names what it runs in
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := open(t, s.name)
			if err := w.Break(t.Context()); err != nil {
				t.Fatal(err)
			}
			history, err := w.repo.git(t.Context(), nil, "log", "--all", "--stat", "--format=fuller")
			if err != nil {
				t.Fatal(err)
			}
			wantNoName(t, "the history", string(history))
			for _, c := range w.children {
				wantNoName(t, "the arguments of "+c.name, strings.ReplaceAll(strings.Join(c.cmd.Args, " "), w.Dir(), ""))
			}
			err = filepath.WalkDir(w.Dir(), func(path string, d os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				rel, err := filepath.Rel(w.Dir(), path)
				if err != nil {
					return err
				}
				wantNoName(t, "a path", rel)
				if !d.Type().IsRegular() {
					return nil
				}
				b, err := os.ReadFile(path)
				wantNoName(t, rel, strings.ReplaceAll(string(b), w.Dir(), ""))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

func wantNoName(t *testing.T, where, text string) {
	t.Helper()
	for _, s := range scenarios() {
		if strings.Contains(strings.ToLower(text), s.name) {
			t.Errorf("%s names the scenario %s", where, s.name)
		}
	}
	if strings.Contains(strings.ToLower(text), "scenario") {
		t.Errorf("%s says that there is a scenario", where)
	}
}
