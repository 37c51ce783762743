package tui

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// The world of these tests: a bakery that sells online. It is 14:20:31 on a day in October, and the oven service burns.
func at(clock string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", "2026-10-09 "+clock)
	if err != nil {
		panic(err)
	}
	return t
}

func bakery() []providers.Event {
	ai := providers.Assistance{State: providers.AssistanceAssisted, Tools: []string{"Loaf"}, Checked: []string{"trailers"}}
	none := providers.Assistance{State: providers.AssistanceNone, Checked: []string{"trailers"}}
	var out []providers.Event
	add := func(id, clock string, kind providers.Kind, svc, title, from, to string, a providers.Assistance) {
		out = append(out, providers.Event{Change: &providers.Change{
			ID: id, Provider: "deploys", Kind: kind, Service: svc, Environment: "prod", Title: title, From: from, To: to,
			Author: providers.Author{Name: "mira"}, LandedAt: at(clock).Add(-time.Minute), EffectiveFrom: at(clock), Unit: "releases:bakery/" + svc,
			Assistance: a, URL: "https://git.example/c/" + id,
		}})
	}
	add("c01", "13:22:40", providers.KindDeploy, "mailer", "Plain text receipts", "r31", "r32", providers.Assistance{})
	add("c02", "13:25:12", providers.KindInfra, "node-pool-b", "6 -> 8 nodes", "", "", providers.Assistance{})
	add("c03", "13:35:50", providers.KindDeploy, "search", "Index 全粒粉パン and bread names", "r70", "r71", none)
	add("c04", "13:38:27", providers.KindFlag, "promo-banner", "on for everybody", "off", "on", none)
	add("c05", "13:47:03", providers.KindDeploy, "cart", "Round prices once", "r17", "r18", ai)
	add("c06", "13:52:19", providers.KindConfig, "gateway", "timeout", "3s", "1s", none)
	add("c07", "13:58:44", providers.KindFlag, "new-tax-engine", "rollout", "0%", "20%", none)
	add("c08", "14:01:10", providers.KindMigration, "oven-db", "drop column old_heat", "0086", "0087", ai)
	add("c09", "14:02:31", providers.KindDeploy, "oven", "Heat up in one step", "r40", "r41", ai)
	add("c10", "14:10:05", providers.KindScale, "storefront", "3 -> 5 instances", "", "", providers.Assistance{})
	alert := func(id, clock, svc, name, summary string) {
		out = append(out, providers.Event{Alert: &providers.Alert{
			ID: id, Provider: "alerts", Name: name, Service: svc, Environment: "prod", Severity: "sev2", Summary: summary, StartsAt: at(clock),
			State: providers.AlertFiring,
		}})
	}
	alert("a1", "14:06:02", "oven", "HighErrorRatio", "5xx ratio > 2%")
	alert("a2", "14:07:30", "storefront", "HighErrorRatio", "5xx ratio > 2%")
	return out
}

func ranking() culprit.Ranking {
	return culprit.Ranking{None: .19, Ranking: []culprit.Suspect{
		{Change: "c09", P: .62, Score: 4.9, Evidence: []culprit.Evidence{
			{Term: "T1", Weight: 2.3, Text: "took effect 3m31s before the first alert"},
			{Term: "T2", Weight: 1.5, Text: "same service as the first alert"},
			{Term: "T5", Weight: 1.1, Text: "storefront, which alerts too, calls oven"},
			{Term: "T9", Weight: -.4, Text: "new-tax-engine changed in the same minutes"},
			{Term: "T7", Text: "unknown: no signal of the error ratio before the change"},
			{Term: "T20", Text: "AI assistance: assisted (Loaf), shown and not counted"},
		}},
		{Change: "c08", P: .09, Score: 2.1, Evidence: []culprit.Evidence{{Term: "T1", Weight: 2.1, Text: "took effect 4m52s before the first alert"}}},
		{Change: "c07", P: .06, Score: 1.8, Evidence: []culprit.Evidence{{Term: "T1", Weight: 1.8, Text: "took effect 7m18s before the first alert"}}},
		{Change: "c06", P: .04, Score: .8, Evidence: []culprit.Evidence{{Term: "T1", Weight: .8, Text: "took effect 13m43s before the first alert"}}},
	}}
}

func health() []providers.Health {
	now := at("14:20:31")
	return []providers.Health{
		{Provider: "deploys", State: providers.HealthOK, LastOK: now.Add(-2 * time.Second), Latency: 200 * time.Millisecond},
		{Provider: "git", State: providers.HealthOK, LastOK: now.Add(-4 * time.Second), Latency: 20 * time.Millisecond},
		{Provider: "flags", State: providers.HealthSlow, LastOK: now.Add(-40 * time.Second), Latency: 9 * time.Second, Skew: 3 * time.Second},
		{Provider: "alerts", State: providers.HealthOK, LastOK: now.Add(-time.Second)},
		{Provider: "probes", State: providers.HealthFailing, LastOK: now.Add(-3 * time.Minute), Detail: "connection refused: is 127.0.0.1:9115 up?"},
	}
}

// symptom is the oven's error ratio, minute by minute; for a while nobody measured.
func symptom() Symptom {
	s := Symptom{Name: "errors", Unit: UnitRatio, Low: .001, High: .082}
	rising := []float64{.004, .012, .03, .05, .066, .08}
	for i := range 60 {
		from, v := at("13:21:00").Add(time.Duration(i)*time.Minute), .0004
		switch past := i - 42; {
		case i >= 20 && i < 24:
			continue
		case past >= len(rising):
			v = .082
		case past >= 0:
			v = rising[past]
		}
		s.Measures = append(s.Measures, Measure{From: from, Until: from.Add(time.Minute), Value: v})
	}
	return s
}

func plan() rollback.Plan {
	u := rollback.Unit{ID: "releases:bakery/oven", Kind: "release", Service: "oven", Environment: "prod", CAS: rollback.CASAtomic}
	from := rollback.Revision{Digest: "sha256:41aa0f3c9d77", Label: "r41", Since: at("14:02:31")}
	to := rollback.Revision{Digest: "sha256:40bb1e5d8c66", Label: "r40", Good: []string{"served 2 days without an alert"}}
	return rollback.Plan{
		Hash: "9c1e44d0aa17be2260f1", Kind: "incident", Change: "c09", Incident: "INC-1", Verdict: rollback.Conditional,
		Hold: 30 * time.Second, Deadline: 10 * time.Minute, CreatedAt: at("14:20:27"),
		Decision: policy.Decision{Allowed: true, Confirm: policy.ConfirmName, Name: "oven"},
		Alerts:   []rollback.AlertRef{{Provider: "alerts", ID: "a1"}, {Provider: "alerts", ID: "a2"}},
		Units: []rollback.UnitPlan{{
			Unit: u, From: from, To: to, Verdict: rollback.Conditional, Tested: "untested",
			Findings: []rollback.Finding{
				{Rule: "A in-flight", Verdict: rollback.Independent, Text: "nothing is under way on the unit", Evidence: "observed 4s ago"},
				{Rule: "B identity", Verdict: rollback.Independent, Text: "what serves is what the change brought: r41"},
				{Rule: "edge", Verdict: rollback.Conditional, Text: "reads oven-db, whose migration 0087 stays", Evidence: "declared in the catalogue"},
			},
			Proposal: rollback.Proposal{
				Steps:       []rollback.Step{{N: 1, Unit: u.ID, Action: "switch", Title: "switch current to r40"}, {N: 2, Unit: u.ID, Action: "reload", Title: "reload oven"}},
				Diff:        "--- r41/oven.conf\n+++ r40/oven.conf\n@@ -1,3 +1,3 @@\n heat:\n-\tsteps: 1\n+\tsteps: 3\n limit: 250\n",
				NotRestored: []string{"migration 0087 of oven-db: one way, r40 runs on it"},
				Blast:       "12 pods", Estimate: 41 * time.Second, Warnings: []string{"3 baskets are open; their sessions start anew"},
			},
		}},
	}
}

// together is a plan of two units that cannot go back one without the other.
func together() rollback.Plan {
	p := plan()
	oven := p.Units[0]
	shared := rollback.Finding{
		Rule: "H shared change", Verdict: rollback.Coupled, Units: []rollback.UnitID{"releases:bakery/mixer"},
		Text:     "the same change (#31) is live on releases:bakery/mixer and releases:bakery/oven: neither goes back without the other",
		Evidence: "r12 of releases:bakery/mixer and r41 of releases:bakery/oven carry 41aa0f3c9d77",
	}
	flight := func(id string) rollback.Finding {
		return rollback.Finding{Rule: "A in-flight", Verdict: rollback.Independent, Text: "nothing is under way on " + id}
	}
	oven.Verdict, oven.Findings = rollback.Coupled, []rollback.Finding{flight("releases:bakery/oven"), shared}
	mixer := oven
	mixer.Unit.ID, mixer.Unit.Service = "releases:bakery/mixer", "mixer"
	mixer.From.Label, mixer.To.Label = "r12", "r11"
	mixer.Findings = []rollback.Finding{flight("releases:bakery/mixer"), shared}
	mixer.Steps = []rollback.Step{{N: 1, Unit: mixer.Unit.ID, Title: "switch current to r11"}}
	mixer.NotRestored, mixer.Warnings = nil, nil
	p.Verdict, p.Units = rollback.Coupled, []rollback.UnitPlan{mixer, oven}
	return p
}

// pausedRun is a run that waits before its second step, and has looked at nothing since its first.
func pausedRun() rollback.Run {
	r := run(rollback.RunRunning)
	r.PauseBy, r.PausedAt, r.Paused = "bob@bakery", at("14:20:10"), true
	r.Detail = "paused before step 2 (reload oven), as bob@bakery asked; oven serves r40"
	r.Steps[1].State, r.Steps[1].Attempt, r.Steps[1].At = rollback.StepPending, 0, time.Time{}
	r.Before, r.BeforeChecks = r.Symptoms, r.Checks
	r.Symptoms, r.Checks, r.Trail = nil, nil, nil
	return r
}

func run(state rollback.RunState) rollback.Run {
	p := plan()
	r := rollback.Run{
		ID: "RUN-0192", Plan: p, By: rollback.Confirmation{PlanHash: p.Hash, By: policy.Principal{ID: "ana@bakery"}, Typed: "oven"}, State: state,
		Detail: "1 of 2 hosts on r40", StartedAt: at("14:20:00"), AppliedAt: at("14:20:01"), Executor: "tower:4711", Alive: true,
		Steps: []rollback.StepRun{
			{Step: p.Units[0].Steps[0], State: rollback.StepApplied, Attempt: 1, At: at("14:20:00"), EndedAt: at("14:20:00").Add(400 * time.Millisecond)},
			{Step: p.Units[0].Steps[1], State: rollback.StepIntent, Attempt: 1, At: at("14:20:01")},
		},
		Checks: []rollback.Check{
			{Name: "GET /health", State: rollback.CheckPass, Observed: "200 in 3ms", Goal: "200"},
			{Name: "error ratio", State: rollback.CheckUnknown, Goal: "< 1%"},
		},
		BeforeChecks: []rollback.Check{
			{Name: "GET /health", State: rollback.CheckFail, Observed: "503 in 2ms", Goal: "200"},
			{Name: "error ratio", State: rollback.CheckFail, Observed: "8.2%", Goal: "< 1%"},
		},
		Before: []rollback.Symptom{
			{AlertRef: rollback.AlertRef{Provider: "alerts", ID: "a1"}, State: providers.AlertFiring},
			{AlertRef: rollback.AlertRef{Provider: "alerts", ID: "a2"}, State: providers.AlertFiring},
		},
		Trail: &rollback.Trail{Since: at("14:19:59"), Seconds: 30, Rows: []rollback.TrailRow{
			{Name: "alert alerts/a1", Cells: "####"},
			{Name: "alert alerts/a2", Cells: "###="},
			{Name: "check GET /health", Cells: "#+=."},
			{Name: "check error ratio", Cells: "#* ?"},
		}},
		Symptoms: []rollback.Symptom{
			{AlertRef: rollback.AlertRef{Provider: "alerts", ID: "a1", Name: "HighErrorRatio", Service: "oven", StartsAt: at("14:06:02")}, State: providers.AlertFiring},
			{AlertRef: rollback.AlertRef{Provider: "alerts", ID: "a2", Name: "HighErrorRatio", Service: "storefront", StartsAt: at("14:07:30")}, State: providers.AlertResolved},
		},
		Log: []rollback.LogLine{
			{At: at("14:20:00"), Text: "intent journaled: switch current to r40"},
			{At: at("14:20:00"), Text: "applied: current -> r40"},
			{At: at("14:20:01"), Text: "intent journaled: reload oven"},
		},
	}
	if state.Final() {
		r.EndedAt, r.Detail = at("14:20:29"), "2 of 2 hosts on r40, alerts resolved for 30s"
		r.Steps[1].State, r.Steps[1].EndedAt = rollback.StepApplied, at("14:20:02")
		r.Symptoms[0].State = providers.AlertResolved
		r.Checks[1].State, r.Checks[1].Observed = rollback.CheckPass, "0.2%"
	}
	return r
}

// fake stands in for everything outside, counts what reaches it, and can be made to refuse.
type fake struct {
	mu       sync.Mutex
	st       State
	plans    int
	yes      []rollback.Confirmation
	started  []string
	aborted  []string
	paused   []bool
	noted    []string
	planErr  error
	refusal  error
	startErr error
	run      rollback.Run
	plan     rollback.Plan
}

func (f *fake) State(string) State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.st
}

func (f *fake) UnitsOf(context.Context, *providers.Change) ([]rollback.Unit, error) {
	return []rollback.Unit{f.plan.Units[0].Unit, {ID: "migrations:bakery/oven-db", Kind: "migration"}}, nil
}

func (f *fake) Plan(_ context.Context, r rollback.Request) (rollback.Plan, error) {
	f.plans++
	return f.plan, f.planErr
}

func (f *fake) Confirm(_ context.Context, p rollback.Plan, c rollback.Confirmation) (rollback.Run, error) {
	f.yes = append(f.yes, c)
	return f.run, f.refusal
}

func (f *fake) Start(id string) error {
	f.started = append(f.started, id)
	return f.startErr
}

func (f *fake) Run(context.Context, string) (rollback.Run, error) { return f.run, nil }

func (f *fake) Abort(_ context.Context, id string, _ policy.Principal, _ string) error {
	f.aborted = append(f.aborted, id)
	return nil
}

func (f *fake) Pause(_ context.Context, _ string, by policy.Principal, on bool) error {
	f.paused = append(f.paused, on)
	f.run.PauseBy = map[bool]string{true: by.ID}[on]
	return nil
}

func (f *fake) Note(_ context.Context, _, text string) error {
	f.noted = append(f.noted, text)
	return nil
}

func (f *fake) Suspect(_ context.Context, _, id string, confirm bool, reason string) error {
	f.noted = append(f.noted, fmt.Sprint(id, " ", confirm, " ", reason))
	return nil
}

func (f *fake) Edit(_ context.Context, verb, _ string, words []string) (string, error) {
	f.noted = append(f.noted, fmt.Sprint(verb, " ", words))
	return "", nil
}

var errBoom = errors.New("boom")

// world is a console with a clock of its own and a fake outside.
type world struct {
	t    testing.TB
	m    *Model
	f    *fake
	time time.Time
	out  []tea.Msg // messages that went to the terminal or the program
}

func newWorld(t testing.TB, change func(o *Options, f *fake)) *world {
	w := &world{t: t, time: at("14:20:31"), f: &fake{run: run(rollback.RunRunning), plan: plan()}}
	now := func() time.Time { return w.time }
	store := timeline.New(now)
	store.Put("deploys", bakery()...)
	snap := store.Snapshot()
	incidents := snap.Incidents()
	inc := incidents[0]
	inc.ID, inc.Title = "INC-1", "oven 5xx"
	w.f.st = State{
		Version: 1, Snapshot: snap, Incident: &inc, Incidents: []timeline.Incident{inc}, Ranking: ranking(), Health: health(),
		Symptom: symptom(),
		Rollback: map[string]Readiness{
			"c09": {Way: "oven r41 -> r40", Tested: "untested"},
			"c08": {WhyNot: "no unit is known that this change touched"},
		},
	}
	opts := Options{
		Source: w.f, Planner: w.f, Runs: w.f, Notes: w.f, Incidents: w.f, Approvals: &voices{}, Principal: policy.Principal{ID: "ana@bakery", Kind: policy.Human},
		Environment: "prod", Context: "eu-west", Now: now, TimeZone: time.FixedZone("CEST", 7200),
	}
	if change != nil {
		change(&opts, w.f)
	}
	w.m = New(t.Context(), opts)
	w.m.after = func(time.Duration, tea.Msg) tea.Cmd { return nil }
	w.size(120, 36)
	return w
}

func (w *world) size(x, y int) { w.send(tea.WindowSizeMsg{Width: x, Height: y}) }

// send gives a message to the model and does what comes of it, in order, until nothing is left.
func (w *world) send(msg tea.Msg) {
	w.t.Helper()
	_, cmd := w.m.Update(msg)
	w.do(cmd)
}

func (w *world) do(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.BatchMsg:
		for _, c := range msg {
			w.do(c)
		}
	case plannedMsg, confirmedMsg, runMsg, saidMsg, loadedMsg, pollMsg, openedMsg, drillsMsg, drillPlannedMsg, auditMsg, seenMsg, spokenMsg:
		w.send(msg)
	default:
		w.out = append(w.out, msg)
	}
}

// press types keys as a person does, a tenth of a second apart.
func (w *world) press(keys ...string) {
	w.t.Helper()
	for _, k := range keys {
		w.time = w.time.Add(100 * time.Millisecond)
		w.send(keyMsg(k))
	}
}

// wait lets time pass.
func (w *world) wait(d time.Duration) { w.time = w.time.Add(d) }

func keyMsg(k string) tea.KeyPressMsg {
	special := map[string]rune{
		"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "backspace": tea.KeyBackspace, "up": tea.KeyUp, "down": tea.KeyDown,
		"pgup": tea.KeyPgUp, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd,
	}
	if code, ok := special[k]; ok {
		return tea.KeyPressMsg{Code: code}
	}
	if len(k) == 6 && k[:5] == "ctrl+" {
		return tea.KeyPressMsg{Code: rune(k[5]), Mod: tea.ModCtrl}
	}
	if k == "space" {
		return tea.KeyPressMsg{Code: ' ', Text: " "}
	}
	return tea.KeyPressMsg{Code: []rune(k)[0], Text: k}
}

func (w *world) screen() string { return w.m.View().Content }
