package probe_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/probe"
	"github.com/backout-dev/backout/test/servers"
)

// page is a server whose every n-th answer is bad, and which counts the questions.
type page struct {
	asked atomic.Int32
	bad   func(n int32) bool
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := p.asked.Add(1)
	switch {
	case r.Method != http.MethodGet || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "":
		w.WriteHeader(http.StatusTeapot)
	case r.URL.Path == "/away":
		http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
	case p.bad != nil && p.bad(n):
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		_, _ = w.Write([]byte("all ovens are warm"))
	}
}

func TestAsk(t *testing.T) {
	cases := map[string]struct {
		bad      func(n int32) bool
		q        probe.Question
		state    providers.CheckState
		observed string
		goal     string
		asked    int32
	}{
		"well":                      {q: probe.Question{}, state: providers.CheckPass, observed: "200 in ", goal: "200 to 399", asked: 1},
		"several answers":           {q: probe.Question{Samples: 3}, state: providers.CheckPass, observed: "200 in ", goal: "200 to 399, 3 times in a row", asked: 3},
		"one lost is no failure":    {bad: func(n int32) bool { return n == 2 }, q: probe.Question{Samples: 3}, state: providers.CheckPass, asked: 4},
		"two in a row are":          {bad: func(n int32) bool { return n == 2 || n == 3 }, q: probe.Question{Samples: 3}, state: providers.CheckFail, observed: "answered 503 (2 of 3)", asked: 3},
		"the text":                  {q: probe.Question{Contains: "ovens"}, state: providers.CheckPass, goal: "200 to 399 with the expected text", asked: 1},
		"another text":              {q: probe.Question{Contains: "fridge"}, state: providers.CheckFail, observed: "without the expected text", asked: 2},
		"another status":            {q: probe.Question{Status: 204}, state: providers.CheckFail, observed: "answered 200", goal: "204", asked: 2},
		"too slow":                  {q: probe.Question{MaxLatency: time.Nanosecond}, state: providers.CheckFail, observed: "too slow", goal: "200 to 399 within 1ns", asked: 2},
		"a redirect is an answer":   {q: probe.Question{URL: "/away"}, state: providers.CheckPass, observed: "302 in ", asked: 1},
		"credentials are not taken": {q: probe.Question{URL: "user@"}, state: providers.CheckUnknown, observed: "has credentials in it"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := &page{bad: c.bad}
			srv := httptest.NewServer(p)
			defer srv.Close()
			if c.q.URL == "user@" {
				c.q.URL = strings.Replace(srv.URL, "http://", "http://ana:secret@", 1)
			} else {
				c.q.URL = srv.URL + c.q.URL
			}
			r := probe.Ask(t.Context(), c.q, time.Now)
			if r.State != c.state || !strings.Contains(r.Observed, c.observed) || (c.goal != "" && r.Goal != c.goal) || p.asked.Load() != c.asked {
				t.Errorf("%+v after %d questions; want %s %q, goal %q, %d", r, p.asked.Load(), c.state, c.observed, c.goal, c.asked)
			}
			if c.q.MaxLatency > 0 && (r.Value == nil || *r.Limit != c.q.MaxLatency.Seconds()) {
				t.Errorf("how long it took is not told: %+v", r)
			}
		})
	}
	if r := probe.Ask(t.Context(), probe.Question{URL: "http://127.0.0.1:1/"}, time.Now); r.State != providers.CheckFail || !strings.Contains(r.Observed, "refused") {
		t.Errorf("nobody listens: %+v", r)
	}
}

// Where others chose the address, nothing is asked that only this machine can reach, whatever it is called.
func TestAskForAGuest(t *testing.T) {
	p := &page{}
	srv := httptest.NewServer(p)
	defer srv.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(srv.URL, "http://"))
	t.Setenv("HTTP_PROXY", srv.URL) // a proxy would ask where this may not
	for address, why := range map[string]string{
		srv.URL: "this machine itself", "http://localhost:" + port: "this machine itself", "http://[::1]:" + port: "this machine itself",
		"http://[::ffff:127.0.0.1]:" + port: "this machine itself", "http://0.0.0.0:" + port: "this machine itself", "http://2130706433:" + port: "",
		"http://169.254.169.254/latest/meta-data/": "a link-local address", "http://[fe80::1%25lo]/": "a link-local address",
		"http://[fd00:ec2::254]/": "a cloud's metadata", "http://100.100.100.200/": "a cloud's metadata",
		"http://[64:ff9b::a9fe:a9fe]/": "a link-local address", "http://224.0.0.1/": "link-local",
	} {
		r := probe.Ask(t.Context(), probe.Question{URL: address, Guest: true, Timeout: 2 * time.Second}, time.Now)
		if r.State == providers.CheckPass || !strings.Contains(r.Observed, why) || (why != "" && r.State != providers.CheckUnknown) {
			t.Errorf("%s: %+v, want %q", address, r, why)
		}
	}
	if n := p.asked.Load(); n != 0 {
		t.Errorf("%d questions arrived", n)
	}
}

// An address of the network is asked, without the proxy, and a redirect leads nowhere.
func TestAskForAGuestOnTheNetwork(t *testing.T) {
	address := servers.Outward(t)
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Skipf("SKIPPED: cannot listen on %s: %v", address, err)
	}
	p := &page{}
	srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: p}}
	srv.Start()
	defer srv.Close()
	for path, seen := range map[string]string{"/": "200 in", "/away": "302 in"} {
		if r := probe.Ask(t.Context(), probe.Question{URL: srv.URL + path, Guest: true}, time.Now); r.State != providers.CheckPass || !strings.Contains(r.Observed, seen) {
			t.Errorf("%s: %+v", path, r)
		}
	}
}
