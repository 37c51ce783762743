package prometheus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

// wireRules is what /api/v1/rules says of alerting rules. Fields that are not listed are ignored.
type wireRules struct {
	Data struct {
		Groups []struct {
			Interval float64    `json:"interval"` // seconds
			Rules    []wireRule `json:"rules"`
		} `json:"groups"`
	} `json:"data"`
}

type wireRule struct {
	Name           string    `json:"name"`
	Health         string    `json:"health"` // ok, err or unknown
	LastError      string    `json:"lastError"`
	LastEvaluation time.Time `json:"lastEvaluation"`
	Alerts         []struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
		State       string            `json:"state"` // pending or firing
		ActiveAt    time.Time         `json:"activeAt"`
	} `json:"alerts"`
	interval time.Duration
}

// current is what the rules say now. at is by the server's clock.
type current struct {
	known  bool // the server has rules; one that only stores series has not
	at     time.Time
	rules  map[string][]wireRule
	active map[string]activeAlert // by fingerprint
}

type activeAlert struct {
	firing  bool
	since   int64 // unix seconds
	summary string
	labels  map[string]string
}

// current asks for the rules. A server without them is not an error.
func (p *Provider) current(ctx context.Context) (current, error) {
	var answer wireRules
	ans, err := p.client.Get(ctx, "/api/v1/rules", url.Values{"type": {"alert"}}, func(body io.Reader) error {
		return httpapi.JSON(body, &answer)
	})
	c := current{at: ans.At, rules: map[string][]wireRule{}, active: map[string]activeAlert{}}
	if err != nil {
		if providers.ClassOf(err) == providers.ClassPermanent && !ans.At.IsZero() {
			return c, nil // it answers, and has no rules: storage in front of several servers
		}
		return c, err
	}
	c.known = true
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			r.interval = time.Duration(g.Interval * float64(time.Second))
			c.rules[r.Name] = append(c.rules[r.Name], r)
			for _, a := range r.Alerts {
				c.active[fingerprint(a.Labels)] = activeAlert{
					firing: a.State == "firing", since: a.ActiveAt.Unix(), labels: a.Labels, summary: first(a.Annotations, []string{"summary", "message", "description"}),
				}
			}
		}
	}
	return c, nil
}

// AlertStates implements providers.AlertStates from what the rules say. Prometheus decides alerts itself, so an alert that
// its rule no longer has is resolved, where that rule is there, without an error, and was evaluated lately. A rule that was
// removed, fails, or has not run since a restart leaves the alert unknown.
func (p *Provider) AlertStates(ctx context.Context, alerts []providers.AlertQuery) (map[string]providers.AlertStatus, error) {
	c, err := p.current(ctx)
	if err != nil {
		return nil, err
	}
	seen := p.env.Now().UTC()
	states := make(map[string]providers.AlertStatus, len(alerts))
	for _, q := range alerts {
		st := providers.AlertStatus{SeenAt: seen}
		st.State, st.Detail = c.decide(q)
		st.Detail = providers.Clean(st.Detail)
		states[q.ID] = st
	}
	return states, nil
}

func (c current) decide(q providers.AlertQuery) (providers.AlertState, string) {
	name, fp, since, err := parseID(q.ID)
	switch {
	case err != nil:
		return providers.AlertUnknown, err.Error()
	case !c.known:
		return providers.AlertUnknown, "this server has no rules to ask"
	}
	if a, ok := c.active[fp]; ok {
		switch {
		case !a.firing:
			return providers.AlertUnknown, "pending: its condition holds, though not yet for long enough to fire"
		case a.since != since:
			return providers.AlertFiring, "firing again since " + time.Unix(a.since, 0).UTC().Format(time.TimeOnly)
		}
		return providers.AlertFiring, ""
	}
	if len(c.rules[name]) == 0 {
		return providers.AlertUnknown, "its rule is no longer there"
	}
	for _, r := range c.rules[name] {
		// Several evaluations may be missed on a busy server; one within a minute is always recent enough.
		stale := max(time.Minute, 3*r.interval)
		switch {
		case r.Health != "ok":
			return providers.AlertUnknown, fmt.Sprintf("its rule is %s: %s", r.Health, r.LastError)
		case c.at.Sub(r.LastEvaluation) > stale || !r.LastEvaluation.After(time.Unix(since, 0)):
			return providers.AlertUnknown, "its rule was last evaluated at " + r.LastEvaluation.UTC().Format(time.DateTime)
		}
	}
	return providers.AlertResolved, "its rule was evaluated and no longer has it"
}

// An id is the alert's name, "/", the fingerprint of its labels, "@", and the unix time at which its condition began to
// hold. So another process can ask for it, and one alert that fires twice is two.
func alertID(name, fp string, since int64) string {
	return name + "/" + fp + "@" + strconv.FormatInt(since, 10)
}

func parseID(id string) (name, fp string, since int64, err error) {
	rest, at, ok := cutLast(id, '@')
	name, fp, ok2 := cutLast(rest, '/')
	since, err = strconv.ParseInt(at, 10, 64)
	if !ok || !ok2 || err != nil {
		return "", "", 0, errors.New("this is not the id of an alert of Prometheus")
	}
	return name, fp, since, nil
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// fingerprint is the one that Prometheus and Alertmanager make of a label set: 64-bit FNV-1a over the sorted names and
// values, each followed by 0xff. The state and the name of the series are no labels of the alert.
func fingerprint(labels map[string]string) string {
	names := make([]string, 0, len(labels))
	for k := range labels {
		if k != "__name__" && k != "alertstate" {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	sum := uint64(14695981039346656037)
	add := func(s string) {
		for i := range len(s) {
			sum = (sum ^ uint64(s[i])) * 1099511628211
		}
		sum = (sum ^ math.MaxUint8) * 1099511628211
	}
	for _, k := range names {
		add(k)
		add(labels[k])
	}
	return fmt.Sprintf("%016x", sum)
}

func first(m map[string]string, keys []string) string {
	for _, k := range keys {
		if m[k] != "" {
			return m[k]
		}
	}
	return ""
}
