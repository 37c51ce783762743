package demo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

// played is the world of a game day, well.
func played(t *testing.T, name string) *World {
	t.Helper()
	w, err := New(t.Context(), Options{Dir: filepath.Join(t.TempDir(), "shop"), GameDay: name, Self: os.Args[0]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at, err := os.Stat(w.GameDayPath()); err != nil || at.Size() == 0 {
		t.Fatalf("no scenario: %v", err)
	}
	return w
}

// What each scenario releases is there under its name, breaks what it says, and is cured by what its story tells.
func TestGameDayFaults(t *testing.T) {
	for _, c := range []struct {
		name     string
		releases [][2]string // service, release
		breaks   string
		cures    []string // that go back
		bystands string   // that breaks nothing and cures nothing
	}{
		{"checkout-outage", [][2]string{{shop.Login, "r301"}, {shop.Pricing, "r302"}, {shop.Orders, "r303"}}, "login orders pricing storefront", []string{shop.Orders, shop.Pricing, shop.Login}, ""},
		{"agent-rights", [][2]string{{shop.Pricing, "r301"}}, "orders pricing storefront", []string{shop.Pricing}, ""},
		{"reused-flag", [][2]string{{shop.Orders, "r301"}, {switches, "r302"}}, "orders pricing storefront", []string{switches}, shop.Orders},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := played(t, c.name)
			before := map[string]string{}
			for _, r := range c.releases {
				now, err := os.Readlink(filepath.Join(w.host.service(r[0]), "current"))
				if err != nil {
					t.Fatal(err)
				}
				before[r[0]] = filepath.Base(now)
				if err := Child(t.Context(), []string{deployCommand, w.host.dir, "deploy", r[0], r[1]}); err != nil {
					t.Fatal(err)
				}
				if r[0] == c.bystands && len(sick(t, w)) > 0 {
					t.Errorf("%s breaks %v by itself", c.bystands, sick(t, w))
				}
			}
			if got := strings.Join(sick(t, w), " "); got != c.breaks {
				t.Errorf("it breaks %q, want %q", got, c.breaks)
			}
			release := func(service string) {
				t.Helper()
				if err := deploy([]string{w.host.dir, "deploy", service, before[service]}); err != nil {
					t.Fatal(err)
				}
			}
			if c.bystands != "" {
				if release(c.bystands); strings.Join(sick(t, w), " ") != c.breaks {
					t.Errorf("taking %s back cures it", c.bystands)
				}
			}
			for _, service := range c.cures {
				release(service)
			}
			if ok, why := w.Cured(t.Context()); !ok {
				t.Error(why)
			}
		})
	}
}

// A keeper that is held back is missed only once what it keeps has decayed; then no release is to blame.
func TestASuspendedKeeper(t *testing.T) {
	w := played(t, "suspended-reconciler")
	keep := func(args ...string) {
		t.Helper()
		if err := Child(t.Context(), append([]string{keeperCommand, filepath.Join(w.Dir(), "shop")}, args...)); err != nil {
			t.Fatal(err)
		}
	}
	keep("suspend", "until the migration is through")
	if got := sick(t, w); len(got) > 0 {
		t.Errorf("%v are missed at once", got)
	}
	old := time.Now().Add(-2 * shop.LeaseFor)
	lease := filepath.Join(w.Dir(), "shop", "pricedb.lease")
	wait(t, "the keeper has stopped", func() bool { // a renewal may have been under way
		return os.Chtimes(lease, old, old) == nil && strings.Join(sick(t, w), " ") == "orders pricing storefront"
	})
	keep("resume")
	keep("resume") // does no harm where nothing is left to resume
	wait(t, "the shop is well", func() bool { ok, _ := w.Cured(t.Context()); return ok })
}

func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

func TestDeployRefusesWhatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{dir}, {dir, "deploy", "../x", "r1"}, {dir, "deploy", "login", "../../r1"}, {dir, "deploy", "login", "r1"}} {
		if err := deploy(args); err == nil {
			t.Errorf("%v is deployed", args)
		}
	}
}
