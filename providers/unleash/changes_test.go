package unleash_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
	"github.com/backout-dev/backout/providers/unleash"
	"github.com/backout-dev/backout/test/servers"
)

// What somebody did to a flag stands on the timeline with who, when, where, and from what to what.
func changes(t *testing.T, u *servers.Unleash, a *ana) {
	a.create(t, "new-changes")
	a.do(t, "POST", in("new-changes", "/strategies"), half)
	a.do(t, "POST", in("new-changes", "/on"), "")
	a.do(t, "PUT", in("new-changes", "/strategies/"+a.strategies(t, "new-changes")[0]), full)
	a.do(t, "POST", in("new-changes", "/off"), "")
	p := provider(t, u.URL)
	checkHealth(t, p)
	var got []string
	for _, c := range all(t, p, providers.Window{}) {
		if c.Unit != "unleash:production/new-changes" {
			continue
		}
		got = append(got, c.Title)
		checkChange(t, c, u.URL+"/projects/default/features/new-changes")
	}
	want := []string{
		"new-changes: off in production", "new-changes: strategy flexibleRollout 50% is now flexibleRollout 100% in production",
		"new-changes: on in production", "new-changes: strategy flexibleRollout 50% added in production",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for _, c := range all(t, provider(t, u.URL, "environments: [development]"), providers.Window{}) {
		if c.Environment == "production" {
			t.Errorf("of an environment that nobody asked for: %+v", c)
		}
	}
}

func checkChange(t *testing.T, c providers.Change, page string) {
	t.Helper()
	if c.Service != "checkout" || c.Environment != "production" || c.Kind != providers.KindFlag || c.Author.Name != "admin" ||
		c.EffectiveFrom.IsZero() || c.ChangeSet == "" || !strings.HasPrefix(c.To, "e") || c.URL != page {
		t.Errorf("%+v", c)
	}
	if strings.Contains(c.Title, "is now") && len(c.From) != 12 { // the beginning of the digest of what it was
		t.Errorf("from %q", c.From)
	}
}

func checkHealth(t *testing.T, p *unleash.Provider) {
	t.Helper()
	_ = all(t, p, providers.Window{})
	if h := p.Health(); h.State != providers.HealthOK || strings.Contains(h.Detail, "token") {
		t.Errorf("health %+v", h)
	}
}

// conformance is the suite of every provider, on the real server.
func conformance(t *testing.T, u *servers.Unleash, a *ana) {
	a.create(t, "new-suite")
	a.do(t, "POST", in("new-suite", "/strategies"), half)
	a.do(t, "POST", in("new-suite", "/on"), "")
	p := provider(t, u.URL)
	newest := all(t, p, providers.Window{})[0].EffectiveFrom
	providertest.Run(t, providertest.Suite{
		New:    func(t *testing.T) providers.Provider { return provider(t, u.URL) },
		Window: providers.Window{Since: newest, Until: newest.Add(time.Millisecond)},
		Hang:   func(t *testing.T) providers.Provider { return provider(t, silent(t)) },
		Faults: faults(),
		Big:    func(t *testing.T) providers.Provider { return provider(t, many(t, 10_000)) }, BigEvents: 10_000, BigLimit: 8 << 20,
	})
}
