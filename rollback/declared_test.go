package rollback_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
)

// declares is a verifier whose answers the test owns: real queries, addresses and programs are looked at by the ones that are
// wired in, and cannot be made to fail at one instant.
type declares struct {
	mu    sync.Mutex
	of    map[string]rollback.Declaration // by the name of the unit
	looks map[string][]time.Duration      // when each check was looked at, since the beginning
	look  func(ctx context.Context, since time.Duration, c rollback.DeclaredCheck) rollback.Check
	began time.Time
}

func (d *declares) Declared(u rollback.Unit, asks map[string]string) rollback.Declaration {
	got := d.of[u.Service]
	if asks["hold"] != "" {
		got.Hold, _ = time.ParseDuration(asks["hold"])
	}
	return got
}

func (d *declares) Look(ctx context.Context, _ rollback.Unit, c rollback.DeclaredCheck) rollback.Check {
	d.mu.Lock()
	if d.looks == nil {
		d.looks = map[string][]time.Duration{}
	}
	since := time.Since(d.began)
	d.looks[c.Name] = append(d.looks[c.Name], since)
	d.mu.Unlock()
	return d.look(ctx, since, c)
}

// looked checks how often each check was looked at.
func (d *declares) looked(t *testing.T, often map[string][2]int) {
	t.Helper()
	for name, n := range often {
		if got := len(d.looks[name]); got < n[0] || got > n[1] {
			t.Errorf("%s was looked at %d times, want %v", name, got, n)
		}
	}
}

func limit(v float64) *float64 { return &v }

func ratio() rollback.DeclaredCheck {
	return rollback.DeclaredCheck{
		Name: "error ratio", Goal: "at most 0.01", Source: "backout.yaml:3", Every: 2 * time.Second,
		PromQL: &rollback.PromQLCheck{Provider: "prom", Query: "errors", Max: limit(0.01)},
	}
}

func smoke() rollback.DeclaredCheck {
	return rollback.DeclaredCheck{
		Name: "smoke", Goal: "exit code 0", Source: "backout.yaml:4", Every: 3 * time.Second, Timeout: 20 * time.Second,
		Command: &rollback.CommandCheck{Argv: []string{"smoke"}},
	}
}

func passes(context.Context, time.Duration, rollback.DeclaredCheck) rollback.Check {
	return rollback.Check{State: rollback.CheckPass, Observed: "0.001", Value: limit(0.001), Limit: limit(0.01)}
}

// declaring is a bench of which pricing has declared checks, and nothing else looks from outside.
func declaring(t *testing.T, checks []rollback.DeclaredCheck, hold time.Duration, look func(context.Context, time.Duration, rollback.DeclaredCheck) rollback.Check) (*bench, *declares) {
	d := &declares{of: map[string]rollback.Declaration{"pricing": {Checks: checks, Hold: hold}}, look: look, began: time.Now()}
	b := newBench(t, func(c *rollback.Config) { c.Verifier = d })
	b.pricing()
	b.target.onVerify = ownWord
	b.target.proposal = func(p *rollback.Proposal) { p.Checks = nil }
	return b, d
}

func TestDeclaredChecksVerify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, d := declaring(t, []rollback.DeclaredCheck{ratio(), smoke()}, 20*time.Second, passes)
		p := b.plan(t, rollback.Request{})
		if p.Unseen || p.Hold != 20*time.Second || len(p.Units[0].Declared) != 2 {
			t.Fatalf("%+v", p)
		}
		run := b.confirmed(t, rollback.Request{})
		began := time.Now()
		run, err := b.Execute(t.Context(), run.ID)
		if err != nil || run.State != rollback.RunSucceeded || !strings.HasSuffix(run.Detail, "3 checks passed, for 20s") {
			t.Fatalf("%v %s: %s", err, run.State, run.Detail)
		}
		if took := time.Since(began); took < 20*time.Second || took > 25*time.Second {
			t.Errorf("held for %s", took)
		}
		i := slices.IndexFunc(run.Checks, func(c rollback.Check) bool { return c.Name == "error ratio" })
		want := rollback.Check{Name: "error ratio", Goal: "at most 0.01", State: rollback.CheckPass, Observed: "0.001", Value: limit(0.001), Limit: limit(0.01)}
		if diff := cmp.Diff(want, run.Checks[i]); diff != "" {
			t.Error(diff)
		}
		d.looked(t, map[string][2]int{"error ratio": {11, 13}, "smoke": {6, 8}}) // in 20 s, every 2 and every 3 s
		// Before anything was touched, what only asks was asked and no program was run.
		if len(run.BeforeChecks) != 2 || run.BeforeChecks[1].Name != "error ratio" {
			t.Errorf("before: %+v", run.BeforeChecks)
		}
		if e := b.entries(t, ledger.KindVerification); len(e) != 1 || !strings.Contains(string(e[0].Body), `"name":"error ratio"`) || !strings.Contains(string(e[0].Body), `"goal":"at most 0.01"`) {
			t.Errorf("the record: %+v", e)
		}
		b.isOver(t, run)
	})
}

// What is not well for one moment begins the hold again, also where it is well whenever the run itself looks.
func TestDeclaredCheckThatFlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flap := func(ctx context.Context, since time.Duration, c rollback.DeclaredCheck) rollback.Check {
			if since >= 12*time.Second && since < 12500*time.Millisecond {
				return rollback.Check{State: rollback.CheckFail, Observed: "0.4"}
			}
			return passes(ctx, since, c)
		}
		fast := ratio()
		fast.Every = 100 * time.Millisecond // it fails and is well again between two looks of the run
		b, _ := declaring(t, []rollback.DeclaredCheck{fast}, 15*time.Second, flap)
		run := b.confirmed(t, rollback.Request{})
		began := time.Now()
		run, err := b.Execute(t.Context(), run.ID)
		if err != nil || run.State != rollback.RunSucceeded {
			t.Fatalf("%v %s: %s", err, run.State, run.Detail)
		}
		if took := time.Since(began); took < 27*time.Second {
			t.Errorf("verified after %s although it was not well at 12 s", took)
		}
		if !strings.Contains(strings.Join(logOf(run), "\n"), "check error ratio: fail (0.4, goal: at most 0.01)") {
			t.Errorf("the log does not tell: %q", logOf(run))
		}
	})
}

func logOf(r rollback.Run) []string {
	var out []string
	for _, l := range r.Log {
		out = append(out, l.Text)
	}
	return out
}

func TestDeclaredCheckThatDoesNotPass(t *testing.T) {
	bad := ratio()
	bad.Name, bad.PromQL, bad.Bad = "backout.dev/verify-promql", nil, "can neither pass nor fail: give max or min"
	cases := map[string]struct {
		check  rollback.DeclaredCheck
		look   func(context.Context, time.Duration, rollback.DeclaredCheck) rollback.Check
		detail string
	}{
		"fails": {ratio(), func(context.Context, time.Duration, rollback.DeclaredCheck) rollback.Check {
			return rollback.Check{State: rollback.CheckFail, Observed: "0.2"}
		}, "not verified within 1m0s: check error ratio: fail (0.2, goal: at most 0.01)"},
		"has no data": {ratio(), func(context.Context, time.Duration, rollback.DeclaredCheck) rollback.Check {
			return rollback.Check{State: rollback.CheckUnknown, Observed: "the query found no series"}
		}, "check error ratio: unknown (the query found no series, goal: at most 0.01)"},
		"says nothing": {ratio(), func(context.Context, time.Duration, rollback.DeclaredCheck) rollback.Check {
			return rollback.Check{Inside: true}
		}, "check error ratio: unknown"},
		"never answers": {smoke(), func(ctx context.Context, _ time.Duration, _ rollback.DeclaredCheck) rollback.Check {
			<-ctx.Done()
			return rollback.Check{State: rollback.CheckUnknown, Observed: "ended after 20s"}
		}, "check smoke: unknown (ended after 20s, goal: exit code 0)"},
		"stopped answering": {ratio(), func(ctx context.Context, since time.Duration, c rollback.DeclaredCheck) rollback.Check {
			if since > 2*time.Second {
				<-ctx.Done()
				return rollback.Check{}
			}
			return passes(ctx, since, c)
		}, "check error ratio: unknown"},
		"cannot be looked at": {bad, passes, "check backout.dev/verify-promql: unknown (can neither pass nor fail: give max or min"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, d := declaring(t, []rollback.DeclaredCheck{c.check}, 45*time.Second, c.look)
				b.cfg.Deadline = time.Minute
				b.Engine = b.another(t)
				p := b.plan(t, rollback.Request{})
				warned := slices.ContainsFunc(p.Warnings, func(w string) bool {
					return strings.Contains(w, "cannot be looked at, so it will end as applied, unverified")
				})
				if warned != (c.check.Bad != "") {
					t.Errorf("warnings %q", p.Warnings)
				}
				run := b.confirmed(t, rollback.Request{})
				run, err := b.Execute(t.Context(), run.ID)
				if err != nil || run.State != rollback.RunUnverified || !strings.Contains(run.Detail, c.detail) {
					t.Errorf("%v %s: %s\nwant %q", err, run.State, run.Detail, c.detail)
				}
				if c.check.Bad != "" && len(d.looks) > 0 {
					t.Errorf("looked at %v", d.looks)
				}
				b.isOver(t, run)
			})
		})
	}
}

// A plan is bound to its checks; where they stand in a file is none of their matter.
func TestHashCoversDeclaredChecks(t *testing.T) {
	checks := func(change func(*rollback.DeclaredCheck)) []rollback.DeclaredCheck {
		c := ratio()
		q := *c.PromQL
		c.PromQL = &q
		change(&c)
		return []rollback.DeclaredCheck{c}
	}
	hash := func(d rollback.Declaration) string {
		b, v := declaring(t, nil, 0, passes)
		v.of["pricing"] = d
		return b.plan(t, rollback.Request{}).Hash
	}
	none := rollback.Declaration{Checks: checks(func(*rollback.DeclaredCheck) {})}
	same := hash(none)
	if hash(rollback.Declaration{Checks: checks(func(c *rollback.DeclaredCheck) { c.Source = "backout.yaml:99" })}) != same {
		t.Error("a line that moved is another plan")
	}
	for name, d := range map[string]rollback.Declaration{
		"none":    {},
		"hold":    {Checks: none.Checks, Hold: time.Hour},
		"limit":   {Checks: checks(func(c *rollback.DeclaredCheck) { c.PromQL.Max = limit(0.5) })},
		"query":   {Checks: checks(func(c *rollback.DeclaredCheck) { c.PromQL.Query = "vector(0)" })},
		"window":  {Checks: checks(func(c *rollback.DeclaredCheck) { c.PromQL.Window = time.Second })},
		"address": {Checks: checks(func(c *rollback.DeclaredCheck) { c.HTTP = &rollback.HTTPCheck{URL: "http://x"} })},
		"program": {Checks: checks(func(c *rollback.DeclaredCheck) { c.Command = &rollback.CommandCheck{Argv: []string{"x"}} })},
		"bad":     {Checks: checks(func(c *rollback.DeclaredCheck) { c.Bad = "x" })},
	} {
		if hash(d) == same {
			t.Errorf("%s: the same hash", name)
		}
	}
	// What is declared otherwise by the time of the yes is another plan.
	b, v := declaring(t, none.Checks, 0, passes)
	p := b.plan(t, rollback.Request{})
	v.of["pricing"] = rollback.Declaration{}
	if _, err := b.Confirm(t.Context(), p, yes(p)); err == nil || rollback.ExitCode(err) != 6 {
		t.Errorf("confirmed although its check is gone: %v", err)
	}
}

// What the target says of itself is a break too: the pod that died and was there again between two looks.
func TestBreakBetweenTwoLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, func(c *rollback.Config) { c.Hold = 10 * time.Second })
		b.pricing()
		began := time.Now()
		ready := began.Add(time.Hour) // its clock is another than ours
		b.target.onVerify = func(*fakeUnit) ([]rollback.Check, error) {
			if time.Since(began) > 6*time.Second {
				ready = began.Add(time.Hour + 6*time.Second)
			}
			return []rollback.Check{{Name: "all pods ready", State: rollback.CheckPass, Since: ready}}, nil
		}
		run := b.confirmed(t, rollback.Request{})
		run, err := b.Execute(t.Context(), run.ID)
		if took := time.Since(began); err != nil || run.State != rollback.RunSucceeded || took < 16*time.Second || took > 18*time.Second {
			t.Errorf("%v %s after %s: %s", err, run.State, took, run.Detail)
		}
	})
}
