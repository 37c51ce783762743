package gitops_test

import (
	"errors"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/test/oncall"
)

// ofSet: an ApplicationSet writes the sync policy of its applications again at once, unless it is told to leave it, and has heard that. Its
// controller sees sets late here, as on a busy cluster.
func ofSet(d *desk, reach *between) {
	d.source.Push(d.T, map[string]string{"member/shop.yaml": "# first" + shop})
	template := strings.Replace(app(d.source, "member", d.ns), `"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", `, "", 1)
	template = strings.Replace(template, `, "namespace": "argocd"`, "", 1)
	d.c.Do(d.T, `{"apiVersion": "argoproj.io/v1alpha1", "kind": "ApplicationSet", "metadata": {"name": "team", "namespace": "argocd"},
 "spec": {"generators": [{"list": {"elements": [{"team": "a"}]}}], "template": `+template+`}}`, "apply", "-f", "-")
	d.until("the set made its application", func() bool { return d.there("argocd", "application/member") })
	d.broken("member", "member/shop.yaml")
	p := d.planned()
	if u := p.Units[0]; len(u.Steps) != 3 || !strings.Contains(u.Steps[0].Title, "ApplicationSet argocd/team") {
		d.Fatalf("%+v", u.Steps)
	}
	reach.lag()
	d.done(p)
	if reach.early() {
		d.Errorf("the application was written before the controller of the set had heard")
	}
	// The set's controller looks again, and leaves it.
	d.kubectl("-n", "argocd", "annotate", "applicationset/team", "argocd.argoproj.io/application-set-refresh=true")
	d.until("the set was looked at", func() bool {
		return !strings.Contains(d.field("applicationset/team", ".metadata.annotations"), "application-set-refresh")
	})
	d.compared("member")
	d.looked(rollback.MeasureInForce, rollback.TellNo, 2)
	reverted := d.source.Push(d.T, map[string]string{"member/shop.yaml": shop})
	d.seen("member", reverted)
	both := d.looked(rollback.MeasureInForce, rollback.TellYes, 2)
	if _, _, err := d.Lift(d.Context(), both[0].ID, rollback.LiftRequest{By: oncall.Ana()}); !errors.Is(err, rollback.ErrRefused) {
		d.Errorf("the highest one was lifted first: %v", err)
	}
	d.lift(both[1].ID)
	d.lift(both[0].ID)
	if got := d.field("applicationset/team", ".spec.ignoreApplicationDifferences"); got != "" {
		d.Errorf("the set still ignores %s", got)
	}
	d.synced("member", reverted)
	if got := d.field("application/member", ".spec.syncPolicy.automated"); got != automated || d.image() != "registry.test/shop:v1" {
		d.Errorf("auto-sync is %s, it serves %s", got, d.image())
	}
}

// looks is how often a console has to look at a set that it wrote before the controller gets to see that.
const looks = 3

// between stands before the API server, for a console and for the controller of ApplicationSets. From lag on, what the controller
// watches of sets is held back until the console has written the set and has looked at it some times since: meanwhile the controller
// has the newest applications beside an old set. That comes by itself where a server is busy, and then rarely.
type between struct {
	set, application string
	opened           chan struct{}

	mu                     sync.Mutex
	lagging, written, soon bool
	looked                 int
}

func (b *between) lag() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lagging = true
}

// early reports whether the application was written while the controller had an old set.
func (b *between) early() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.soon || b.looked < looks
}

func (b *between) handler(on *httputil.ReverseProxy) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		b.saw(r)
		if strings.HasSuffix(r.URL.Path, "/applicationsets") && r.URL.Query().Has("watch") {
			out = &held{out, b, r.Context().Done()}
		}
		on.ServeHTTP(out, r)
	})
}

// saw counts what a request is.
func (b *between) saw(r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	set := strings.HasSuffix(r.URL.Path, "/applicationsets/"+b.set)
	switch writes := r.Method == http.MethodPatch && !r.URL.Query().Has("dryRun"); {
	case !b.lagging || b.looked == looks:
	case set && writes:
		b.written = true
	case set && b.written && r.Method == http.MethodGet:
		if b.looked++; b.looked == looks {
			close(b.opened)
		}
	case writes && strings.HasSuffix(r.URL.Path, "/applications/"+b.application):
		b.soon = true
	}
}

// held is a watch that may lag.
type held struct {
	http.ResponseWriter
	on   *between
	gone <-chan struct{}
}

// Unwrap lets the proxy flush.
func (h *held) Unwrap() http.ResponseWriter { return h.ResponseWriter }

func (h *held) Write(p []byte) (int, error) {
	h.on.mu.Lock()
	lagging := h.on.lagging
	h.on.mu.Unlock()
	if lagging {
		select {
		case <-h.on.opened:
		case <-h.gone:
		}
	}
	return h.ResponseWriter.Write(p)
}
