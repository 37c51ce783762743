package prometheus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
)

// The fakes here are for faults, for rules in states that a real server is hard to bring into, and for sizes. What a real
// one does is tested against a real one.

func fake(t *testing.T, extra string, h http.HandlerFunc) providers.Provider {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return provider(t, srv.URL, extra)
}

func answer(code int, body string, header ...string) func(t *testing.T) providers.Provider {
	return func(t *testing.T) providers.Provider {
		return fake(t, "timeout: 500ms", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		})
	}
}

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// history answers range queries with alerts that began hourly from noon on, and fired for ten minutes.
func history(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", began.Add(48*time.Hour).Format(http.TimeFormat))
		if r.URL.Path == "/api/v1/rules" {
			_, _ = w.Write([]byte(`{"status":"success","data":{"groups":[]}}`))
			return
		}
		fmt.Fprint(w, `{"status":"success","isPartial":false,"data":{"resultType":"matrix","result":[`)
		for i := range n {
			if i > 0 {
				fmt.Fprint(w, ",")
			}
			metric, _ := json.Marshal(map[string]string{
				"__name__": "ALERTS", "alertname": "Broken", "service": fmt.Sprint("s", i), "text": "a\x1b[31mb", "alertstate": "firing",
			})
			at := began.Add(time.Duration(i%4) * time.Hour).Unix()
			fmt.Fprintf(w, `{"metric":%s,"values":[`, metric)
			for k := range 10 {
				v := "1"
				if r.FormValue("query") == "ALERTS_FOR_STATE" {
					v = fmt.Sprint(at - 30)
				}
				fmt.Fprintf(w, `%s[%d,%q]`, strings.Repeat(",", min(k, 1)), at+int64(k*60), v)
			}
			fmt.Fprint(w, `]}`)
		}
		fmt.Fprint(w, `]},"warnings":["partial"]}`)
	}
}

func TestConformance(t *testing.T) {
	fault := func(class providers.ErrorClass, after time.Duration, make func(t *testing.T) providers.Provider) providertest.Fault {
		return providertest.Fault{New: make, Class: class, RetryAfter: after}
	}
	providertest.Run(t, providertest.Suite{
		New:    func(t *testing.T) providers.Provider { return fake(t, "", history(4)) },
		Window: providers.Window{Since: began.Add(30 * time.Minute), Until: began.Add(150 * time.Minute)},
		Hang: func(t *testing.T) providers.Provider {
			quit := make(chan struct{})
			p := fake(t, questions, func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-r.Context().Done():
				case <-quit:
				}
			})
			t.Cleanup(func() { close(quit) })
			return p
		},
		Faults: map[string]providertest.Fault{
			"500":      fault(providers.ClassRetryable, 0, answer(500, "oops")),
			"503":      fault(providers.ClassRetryable, 0, answer(503, `{"status":"error","errorType":"timeout","error":"query timed out"}`)),
			"429":      fault(providers.ClassRateLimited, 9*time.Second, answer(429, "", "Retry-After", "9")),
			"401":      fault(providers.ClassAuth, 0, answer(401, "")),
			"404":      fault(providers.ClassPermanent, 0, answer(404, "")),
			"400":      fault(providers.ClassPermanent, 0, answer(400, `{"status":"error","errorType":"bad_data","error":"parse error"}`)),
			"html":     fault(providers.ClassRetryable, 0, answer(200, "<html>", "Content-Type", "text/html")),
			"cut":      fault(providers.ClassRetryable, 0, answer(200, `{"status":"success","data":{"gro`)),
			"no data":  fault(providers.ClassRetryable, 0, answer(200, `{"status":"success"}`)),
			"a number": fault(providers.ClassRetryable, 0, answer(200, `17`)),
		},
		Big:       func(t *testing.T) providers.Provider { return fake(t, "", history(9000)) },
		BigEvents: 9000,
		BigLimit:  32 << 20,
	})
}

// TestDecidingByRules: an alert that is gone is resolved only by a rule that is there, well, and was evaluated since.
func TestDecidingByRules(t *testing.T) {
	now := time.Now().UTC()
	rule := func(health string, evaluated time.Time, alerts string) string {
		return fmt.Sprintf(`{"status":"success","data":{"groups":[{"interval":15,"rules":[{"type":"alerting","name":"Broken","health":%q,"lastError":"boom","lastEvaluation":%q,"alerts":[%s]}]}]}}`,
			health, evaluated.Format(time.RFC3339Nano), alerts)
	}
	active := func(state string) string {
		return fmt.Sprintf(`{"state":%q,"labels":{"alertname":"Broken"},"activeAt":%q}`, state, began.Format(time.RFC3339))
	}
	cases := map[string]struct {
		body string
		code int
		want providers.AlertState
	}{
		"evaluated, gone":  {rule("ok", now, ""), 200, providers.AlertResolved},
		"firing":           {rule("ok", now, active("firing")), 200, providers.AlertFiring},
		"pending":          {rule("ok", now, active("pending")), 200, providers.AlertUnknown},
		"rule fails":       {rule("err", now, ""), 200, providers.AlertUnknown},
		"not evaluated":    {rule("ok", time.Time{}, ""), 200, providers.AlertUnknown},
		"evaluated before": {rule("ok", now.Add(-time.Hour), ""), 200, providers.AlertUnknown},
		"rule removed":     {`{"status":"success","data":{"groups":[]}}`, 200, providers.AlertUnknown},
		"no rules at all":  {`{"error":"not found"}`, 404, providers.AlertUnknown},
	}
	// The fingerprint of {alertname="Broken"}, by Prometheus' own library.
	id := fmt.Sprintf("Broken/%s@%d", "d390f8767d4d4ab3", began.Unix())
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := answer(c.code, c.body)(t).(providers.AlertStates)
			got, err := p.AlertStates(t.Context(), []providers.AlertQuery{{ID: id}, {ID: "what?"}})
			if err != nil {
				t.Fatal(err)
			}
			if got[id].State != c.want || got["what?"].State != providers.AlertUnknown {
				t.Fatalf("states %+v, want %s", got, c.want)
			}
			if c.want == providers.AlertUnknown && got[id].Detail == "" {
				t.Fatal("unknown without a reason")
			}
		})
	}
}

func TestThresholds(t *testing.T) {
	cases := map[string]struct {
		result, limits string
		want           providers.CheckState
		seen           string
	}{
		"below":            {`"vector","result":[{"metric":{},"value":[1,"0.01"]}]`, "max: 0.05", providers.CheckPass, "0.01"},
		"above":            {`"vector","result":[{"metric":{},"value":[1,"0.01"]},{"metric":{},"value":[1,"0.4"]},{"metric":{},"value":[1,"NaN"]}]`, "max: 0.05", providers.CheckFail, "0.4"},
		"too little":       {`"vector","result":[{"metric":{},"value":[1,"3"]}]`, "min: 10", providers.CheckFail, "3"},
		"between":          {`"scalar","result":[1,"5"]`, "min: 1, max: 10", providers.CheckPass, "5"},
		"no number":        {`"vector","result":[{"metric":{},"value":[1,"NaN"]}]`, "max: 1", providers.CheckUnknown, "NaN"},
		"beyond all":       {`"vector","result":[{"metric":{},"value":[1,"+Inf"]}]`, "max: 1", providers.CheckFail, "+Inf"},
		"no series":        {`"vector","result":[]`, "max: 1", providers.CheckUnknown, "no series"},
		"not an instant":   {`"matrix","result":[]`, "max: 1", "", ""},
		"text is no value": {`"vector","result":[{"metric":{},"value":[1,"x"]}]`, "max: 1", "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := fake(t, "thresholds: [{name: t, service: s, query: q, "+c.limits+"}]", func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, `{"status":"success","data":{"resultType":`+c.result+`}}`)
			}).(providers.CheckSource)
			got, err := p.Checks(t.Context(), nil)
			if c.want == "" {
				if err == nil {
					t.Fatalf("no error, but %+v", got)
				}
				return
			}
			if err != nil || len(got) != 1 || got[0].State != c.want || !strings.Contains(got[0].Observed, c.seen) {
				t.Fatalf("%+v, %v; want %s %s", got, err, c.want, c.seen)
			}
			limit := map[string]float64{"below": .05, "above": .05, "too little": 10, "between": 1}[name]
			if limit != 0 && (got[0].Value == nil || fmt.Sprint(*got[0].Value) != c.seen || got[0].Limit == nil || *got[0].Limit != limit) {
				t.Errorf("value %v, limit %v; want %s of %v", got[0].Value, got[0].Limit, c.seen, limit)
			}
		})
	}
}

func TestASignalThatFailsDoesNotTakeTheOthers(t *testing.T) {
	p := fake(t, "signals: [{name: bad, service: s, query: bad}, {name: good, service: s, query: good}]", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("query") == "bad" {
			http.Error(w, `{"error":"parse error"}`, http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, `{"status":"success","data":{"result":[{"metric":{},"values":[[1,"1"],[2,"NaN"]]}]}}`)
	}).(providers.SignalSource)
	got, err := p.Signals(context.WithoutCancel(t.Context()), providers.Window{}, []string{"s"})
	if err == nil || !strings.Contains(err.Error(), "signal bad") || len(got) != 1 || len(got[0].Points) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestBadSettings(t *testing.T) {
	for text, want := range map[string]string{
		"url: localhost:9090":  "not an address",
		"url: http://u:p@host": "basic_auth",
		"{url: http://h, bearer_token: a, basic_auth: {user: u}}":        "keep one",
		"{url: http://h, signals: [{name: a, query: q}]}":                "service",
		"{url: http://h, thresholds: [{name: a, service: s, query: q}]}": "max or min",
		"{url: http://h, ca_file: /does/not/exist}":                      "ca_file",
		"{url: http://h, lookback: -1h}":                                 "lookback",
	} {
		if _, err := build(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u:p@") {
			t.Errorf("%s: error %v, want one about %q", text, err, want)
		}
	}
}
