package prometheus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/prometheus"
)

// A threshold holds only if it held all the time, as far back as was asked; what was not measured is unknown.
func TestThresholdOverAWindow(t *testing.T) {
	t.Parallel()
	shop, srv := monitored(t)
	p := provider(t, srv.URL, "")
	most, least := 0.05, 0.5
	ask := func(query string, window time.Duration) providers.CheckResult {
		return p.Threshold(t.Context(), providers.Threshold{Query: query, Max: &most, Window: window})
	}
	const query = `app_error_ratio{service="pricing"}`
	until(t, "three seconds were measured", func() bool {
		r := ask(query, 3*time.Second)
		return r.State == providers.CheckPass && r.Observed == "0 at worst in 3s" && r.Goal == "at most 0.05" && *r.Limit == 0.05
	})
	unknown(t, "a window from before the first measurement", ask(query, 2*time.Hour), "no data at ")
	if r := p.Threshold(t.Context(), providers.Threshold{Query: query, Min: &least}); r.State != providers.CheckFail || r.Goal != "at least 0.5" || r.Observed != "0" {
		t.Errorf("below the least: %+v", r)
	}
	for text, want := range map[string]string{"no_such_series": "no series", "0 * app_error_ratio / 0": "NaN", "sum(": "parse error", "app_error_ratio[1m]": "not a number for each series"} {
		unknown(t, text, ask(text, time.Second), want)
	}
	breaks(t, shop, p, ask)
	// The last one of several series decides, wherever it stands.
	if r := ask("vector(0.01) or label_replace(vector(0.9), \"x\", \"y\", \"\", \"\")", 0); r.State != providers.CheckFail || r.Observed != "0.9" {
		t.Errorf("two series: %+v", r)
	}
	srv.Stop()
	unknown(t, "nobody answers", ask(query, time.Second), "")
}

func unknown(t *testing.T, what string, r providers.CheckResult, why string) {
	t.Helper()
	if r.State != providers.CheckUnknown || r.Observed == "" || !strings.Contains(r.Observed, why) {
		t.Errorf("%s: %+v, want unknown with %q", what, r, why)
	}
}

// breaks: a service that was not well for a moment is well now, and was not all the time.
func breaks(t *testing.T, shop *shop, p *prometheus.Provider, ask func(string, time.Duration) providers.CheckResult) {
	t.Helper()
	const query = `app_error_ratio{service="pricing"}`
	shop.set("pricing", 0.2)
	until(t, "the ratio is seen", func() bool { return ask(query, 0).State == providers.CheckFail })
	lasts(t, p, query, 0.2)
	shop.set("pricing", 0)
	until(t, "well now, and not a moment ago", func() bool {
		now, then := ask(query, 0), ask(query, 20*time.Second)
		return now.State == providers.CheckPass && then.State == providers.CheckFail && then.Observed == "0.2 at worst in 20s"
	})
}
