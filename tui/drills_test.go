package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
)

// drillHall is the drills of the bakery, and notes what reaches it.
type drillHall struct {
	book    DrillBook
	err     error
	plan    rollback.Plan
	before  []rollback.Precondition
	planned []rollback.UnitID
	yes     []rollback.Confirmation
	refusal error
}

func (d *drillHall) Drills(context.Context) (DrillBook, error) { return d.book, d.err }

func (d *drillHall) PlanDrill(_ context.Context, unit rollback.UnitID) (rollback.Plan, []rollback.Precondition, error) {
	d.planned = append(d.planned, unit)
	return d.plan, d.before, d.err
}

func (d *drillHall) Drill(_ context.Context, _ rollback.Plan, c rollback.Confirmation) (rollback.Drill, error) {
	d.yes = append(d.yes, c)
	return rollback.Drill{ID: "DRILL-0078"}, d.refusal
}

// times are those of one half, from a moment on.
func times(from time.Time, verified bool) proof.Times {
	t := proof.Times{Decided: from, Approved: from.Add(4 * time.Second), FirstEffect: from.Add(5 * time.Second), Converged: from.Add(9 * time.Second), Ended: from.Add(40 * time.Second)}
	if verified {
		t.Verified = t.Ended
	}
	return t
}

// executed is a record of a drill of a unit, so many days ago.
func executed(drill, unit string, days int, outcome proof.Outcome) proof.Record {
	from := at("14:00:00").Add(-time.Duration(days) * 24 * time.Hour)
	r := proof.Record{
		ID: "RUN " + unit, Run: "RUN-0170", Drill: drill, Kind: "drill", Unit: "releases:bakery/" + unit, Environment: "prod", Class: proof.Prod, Slice: proof.Full,
		From: proof.Content{Digest: "a", Label: "r41"}, To: proof.Content{Digest: "b", Label: "r40"}, Times: times(from, outcome == proof.Pass), Outcome: outcome,
		People: proof.People{Executor: "ana@bakery"},
	}
	if outcome == proof.Pass {
		r.Forward = &proof.Forward{Run: "RUN-0171", Returned: true, Verified: true, Times: times(from.Add(time.Minute), true)}
	} else {
		r.Detail = "it serves r18 again (RUN-0191); it was stopped: check GET /health fails (503 \"schema 0042 required\"), for 20s"
	}
	return r
}

// hall has a unit for each word of the list.
func hall() *drillHall {
	unit := func(name, kind string) rollback.Unit {
		return rollback.Unit{ID: rollback.UnitID("releases:bakery/" + name), Kind: kind, Service: name, Environment: "prod"}
	}
	pass, old, failed := executed("DRILL-0070", "oven", 3, proof.Pass), executed("DRILL-0012", "search", 31, proof.Pass), executed("DRILL-0077", "cart", 2, proof.Fail)
	oven := DrillUnit{Unit: unit("oven", "release directory"), Owner: "bakers", Records: []proof.Record{pass, executed("DRILL-0061", "oven", 20, proof.Pass)}, Until: at("14:00:00").Add(27 * 24 * time.Hour)}
	oven.Standing = proof.Standing{Level: proof.L4, Earned: proof.L4, Proof: &pass, Tier: 1}
	cart := DrillUnit{Unit: unit("cart", "deployment"), Owner: "cart", Records: []proof.Record{failed, executed("DRILL-0060", "cart", 9, proof.Pass)}}
	cart.Standing = proof.Standing{Proof: &failed, Tier: 1, Reasons: []proof.Reason{{Rule: "I7", Text: "the last time, RUN-0170, it failed"}}}
	back, forward := run(rollback.RunUnverified), run(rollback.RunSucceeded)
	back.ID, forward.ID = "RUN-0190", "RUN-0191"
	cart.Drills = []rollback.Drill{{
		ID: "DRILL-0077", Unit: cart.Unit, Back: back.ID, Forward: forward.ID, State: rollback.DrillStopped, Detail: failed.Detail,
		Before: []rollback.Precondition{{Name: rollback.DrillAlerts, State: rollback.CheckPass, Text: "no alert is firing on cart, storefront"}},
	}}
	search := DrillUnit{Unit: unit("search", "deployment"), Owner: "search", Records: []proof.Record{old}}
	search.Standing = proof.Standing{Level: proof.L1, Proof: &old, Tier: 1, Reasons: []proof.Reason{{Rule: "age", Cap: proof.L1, Text: "the last proof is 31 days old (30 days allowed)"}}}
	mailer := DrillUnit{Unit: unit("mailer", "deployment"), Owner: "growth", Standing: proof.Standing{Level: proof.L1, Tier: 1}}
	left := DrillUnit{Unit: unit("gateway", "deployment"), Owner: "edge", Standing: proof.Standing{Tier: 1}, Drills: []rollback.Drill{{
		ID: "DRILL-0076", StartedAt: at("13:50:00"), State: rollback.DrillLeft, Detail: "gateway serves r3 and not r4: going forward did not work: the disk is full",
	}}}
	db := DrillUnit{Unit: unit("oven-db", "migration"), Owner: "bakers", OneWay: "drops column old_heat", Standing: proof.Standing{Tier: 1}}
	first := DrillUnit{Unit: unit("loaf", "deployment"), Owner: "bakers", NoTarget: true, Standing: proof.Standing{Tier: 1}}
	p := plan()
	p.Kind, p.Slice, p.Deadline = "drill", proof.Full, 10*time.Minute
	p.Units[0].Unit, p.Decision.Name = cart.Unit, "cart"
	return &drillHall{
		book: DrillBook{Units: []DrillUnit{cart, left, mailer, oven, db, search, first}, Runs: map[string]rollback.Run{back.ID: back, forward.ID: forward}}, plan: p,
		before: []rollback.Precondition{
			{Name: rollback.DrillNoTarget, State: rollback.CheckPass, Text: "r41 to r40"},
			{Name: rollback.DrillAlerts, State: rollback.CheckUnknown, Text: "no source of alerts is configured: nothing but its checks and its deadline would stop it"},
		},
	}
}

func drillWorld(t *testing.T, d *drillHall, change ...func(*Options)) *world {
	t.Helper()
	return newWorld(t, func(o *Options, _ *fake) {
		o.Drills = d
		for _, c := range change {
			c(o)
		}
	})
}

func TestDrillScreens(t *testing.T) {
	ways := map[string]func(w *world, d *drillHall){
		"drills":  func(w *world, _ *drillHall) { w.press("6") },
		"passed":  func(w *world, _ *drillHall) { w.press("6", "j", "j", "j") },
		"left":    func(w *world, _ *drillHall) { w.press("6", "j") },
		"details": func(w *world, _ *drillHall) { w.press("6", "enter") },
		"filter":  func(w *world, _ *drillHall) { w.press("6", "/", "o", "v") },
		"confirm": func(w *world, _ *drillHall) {
			w.press("6", "D")
			w.wait(defaultGrace)
			w.press("c", "a")
		},
		"refused": func(w *world, d *drillHall) {
			d.before[1] = rollback.Precondition{Name: rollback.DrillAlerts, State: rollback.CheckFail, Refuse: true, Text: "1 alert is firing: HighErrorRatio on storefront"}
			w.press("6", "D")
		},
		"empty": func(w *world, d *drillHall) {
			d.book = DrillBook{}
			w.press("6")
		},
	}
	for name, way := range ways {
		for _, size := range [][2]int{{80, 24}, {120, 36}} {
			t.Run(fmt.Sprintf("%s-%dx%d", name, size[0], size[1]), func(t *testing.T) {
				d := hall()
				w := drillWorld(t, d, func(o *Options) { o.NoColor, o.ASCII = true, true })
				w.size(size[0], size[1])
				way(w, d)
				check(t, w.screen(), size[0], size[1])
				golden.RequireEqual(t, w.screen())
			})
		}
	}
}

func TestADrillIsTypedAndBegun(t *testing.T) {
	d := hall()
	w := drillWorld(t, d)
	w.press("6", "D", "enter")
	w.wait(defaultGrace)
	w.press("enter", "c", "a", "r", "t")
	if len(d.yes) != 0 {
		t.Fatal("a drill was begun before its name was typed")
	}
	w.press("enter")
	if len(d.yes) != 1 || d.yes[0].Typed != "cart" || d.yes[0].PlanHash != d.plan.Hash || strings.Join(w.f.started, ",") != "DRILL-0078" || w.m.modal != nil {
		t.Errorf("%+v, started %v", d.yes, w.f.started)
	}
	d.refusal = &rollback.DrillRefusal{Why: rollback.DrillAlerts, Text: "1 alert is firing"}
	w.press("D")
	w.wait(defaultGrace)
	w.press("c", "a", "r", "t", "enter")
	if !strings.Contains(w.screen(), "no drill: 1 alert is firing") || len(w.f.started) != 1 {
		t.Error(w.screen())
	}
}

func TestADrillIsNotAskedForInVain(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*drillHall, *Options)
		keys []string
		want string
	}{
		"read-only":       {func(_ *drillHall, o *Options) { o.ReadOnly = "read-only mode" }, nil, "read-only mode"},
		"one-way":         {func(*drillHall, *Options) {}, []string{"j", "j", "j", "j"}, "drops column old_heat"},
		"no target":       {func(*drillHall, *Options) {}, []string{"G"}, "no earlier revision"},
		"left back":       {func(*drillHall, *Options) {}, []string{"j"}, "backout drill resume DRILL-0076"},
		"needs a reason":  {func(d *drillHall, _ *Options) { d.plan.Decision.NeedsReason = true }, nil, "--reason WHY"},
		"cannot be asked": {func(d *drillHall, _ *Options) { d.plan.Decision = policy.Decision{} }, nil, "NO DRILL"},
	} {
		t.Run(name, func(t *testing.T) {
			d := hall()
			w := drillWorld(t, d, func(o *Options) { c.set(d, o) })
			w.press(append(append([]string{"6"}, c.keys...), "D")...)
			if !strings.Contains(w.screen(), c.want) || len(d.yes) != 0 {
				t.Errorf("%q is not in\n%s", c.want, w.screen())
			}
		})
	}
	d := hall()
	w := drillWorld(t, d)
	d.err = errors.New("the record is locked")
	w.press("6", "D")
	if !strings.Contains(w.screen(), "the record is locked") {
		t.Error(w.screen())
	}
}

// The unit that a drill is asked of is the one that it tells of, also where another one would go back before it.
func TestADrillTellsOfItsOwnUnit(t *testing.T) {
	d := hall()
	flag := d.plan.Units[0]
	flag.Unit = rollback.Unit{ID: "unleash:prod/window", Kind: "flag", Service: "cart"}
	d.plan.Units = append([]rollback.UnitPlan{flag}, d.plan.Units...)
	w := drillWorld(t, d)
	w.press("6", "D")
	if got := w.screen(); !strings.Contains(got, "unit     releases:bakery/cart") || strings.Contains(got, "unleash:prod/window") {
		t.Errorf("it tells of another one:\n%s", got)
	}
}

// What stands below the list is of one thing: the drill that goes on, or the rollback that came after the last one.
func TestBelowTheListIsOneThing(t *testing.T) {
	d := hall()
	cart := &d.book.Units[0]
	cart.Drills[0].ID, cart.Drills[0].State, cart.Drills[0].Alive, cart.Drills[0].Detail = "DRILL-0090", rollback.DrillBack, true, "going back from r18 to r17"
	w := drillWorld(t, d)
	w.press("6")
	got := ansi.Strip(w.screen())
	if !strings.Contains(got, "DRILL-0090  cart") || !strings.Contains(got, "run before: DRILL-0077 fail") || strings.Contains(got, "finding:") || strings.Contains(got, "going back: going back") {
		t.Errorf("a drill that goes on:\n%s", got)
	}

	d = hall()
	cart = &d.book.Units[0]
	incident := executed("", "cart", 1, proof.Pass)
	incident.Run, cart.Drills[0].StartedAt = "RUN-0200", incident.At().Add(-time.Hour)
	cart.Records = append([]proof.Record{incident}, cart.Records...)
	w = drillWorld(t, d)
	w.press("6")
	if got := ansi.Strip(w.screen()); !strings.Contains(got, "RUN-0200  cart") || strings.Contains(got, "forward  ") {
		t.Errorf("a rollback after the last drill:\n%s", got)
	}
}

// As long as nobody has looked at the units, there are not none of them.
func TestUnitsThatNobodyLookedAtAreNotNone(t *testing.T) {
	d := &drillHall{err: errors.New("the store is away")}
	w := drillWorld(t, d)
	w.press("6")
	if got := ansi.Strip(w.screen()); !strings.Contains(got, "COVERAGE   not known") || !strings.Contains(got, "the store is away") || strings.Contains(got, "0%") {
		t.Errorf("an error:\n%s", got)
	}
	w.m.top().(*drillsScreen).read = false
	w.press("D")
	if got := ansi.Strip(w.screen()); !strings.Contains(got, "the units are being looked at") {
		t.Errorf("before it was read:\n%s", got)
	}
}

// What speaks against a drill, and what is not known, is seen on a small screen too.
func TestWhatSpeaksAgainstADrillStandsFirst(t *testing.T) {
	d := hall()
	var all []rollback.Precondition
	for range 9 {
		all = append(all, rollback.Precondition{Name: rollback.DrillClosed, State: rollback.CheckPass, Text: "no freeze"})
	}
	d.before = append(all, d.before[1])
	w := drillWorld(t, d)
	w.size(80, 24)
	w.press("6", "D")
	if got := ansi.Strip(w.screen()); !strings.Contains(got, "no source of alerts is configured") || !strings.Contains(got, "more with the command above") {
		t.Errorf("it is not seen:\n%s", got)
	}
}
