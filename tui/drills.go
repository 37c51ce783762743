package tui

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
)

// Drills reads what was ever shown of the units' ways back, plans a drill, and begins one; the engine refuses what it may not.
type Drills interface {
	Drills(ctx context.Context) (DrillBook, error)
	PlanDrill(ctx context.Context, unit rollback.UnitID) (rollback.Plan, []rollback.Precondition, error)
	Drill(ctx context.Context, p rollback.Plan, c rollback.Confirmation) (rollback.Drill, error)
}

// DrillBook is every unit with what its way back counts for. Nothing in it may be altered after it was handed out.
type DrillBook struct {
	Units []DrillUnit
	Runs  map[string]rollback.Run // the halves of the drills that are shown, by id
}

// DrillUnit is one unit. Records and Drills are the newest first.
type DrillUnit struct {
	Unit     rollback.Unit
	Owner    string
	Standing proof.Standing
	NoTarget bool      // there is nothing to go back to
	OneWay   string    // why it cannot go back at all, "" it can
	Until    time.Time // when its proof stops counting by its age; zero: none counts
	Records  []proof.Record
	Drills   []rollback.Drill
}

// last is the newest drill, nil none.
func (u *DrillUnit) last() *rollback.Drill {
	if len(u.Drills) == 0 {
		return nil
	}
	return &u.Drills[0]
}

// record is the newest execution, whatever it was made for; nil none.
func (u *DrillUnit) record() *proof.Record {
	if len(u.Records) == 0 {
		return nil
	}
	return &u.Records[0]
}

// earlier is the execution before the newest one, nil none.
func (u *DrillUnit) earlier() *proof.Record {
	if len(u.Records) < 2 {
		return nil
	}
	return &u.Records[1]
}

// told is the last drill, as long as nothing newer than it was executed: nil where a rollback came after it, or there is none.
func (u *DrillUnit) told() *rollback.Drill {
	d, r := u.last(), u.record()
	if d != nil && r != nil && d.State.Final() && r.Drill != d.ID && r.At().After(d.StartedAt) {
		return nil
	}
	return d
}

// The words for how the last execution of a unit's way back stands.
const (
	drillPass    = "pass"
	drillFail    = "FAIL"
	drillStale   = "stale"
	drillNever   = "never"
	drillOneWay  = "one-way"
	drillNowhere = "no target"
	drillLive    = "running"
	drillLeft    = "LEFT BACK"
)

// result is the word for a unit.
func (u *DrillUnit) result() string {
	if d := u.last(); d != nil && !d.State.Final() {
		if d.Alive {
			return drillLive
		}
		return drillLeft
	}
	r := u.record()
	switch {
	case r == nil && u.OneWay != "":
		return drillOneWay
	case r == nil && u.NoTarget:
		return drillNowhere
	case r == nil:
		return drillNever
	case r.Outcome == proof.Pass && len(u.Standing.Reasons) > 0:
		return drillStale
	case r.Outcome == proof.Pass:
		return drillPass
	case r.Outcome == proof.Aborted:
		return "aborted"
	default:
		return drillFail
	}
}

// due is when it should be drilled next.
func (u *DrillUnit) due(now time.Time) string {
	switch {
	case u.result() == drillOneWay, u.result() == drillNowhere:
		return "-"
	case u.result() == drillPass && u.Until.After(now):
		return "in " + ago(u.Until.Sub(now))
	default:
		return "NOW"
	}
}

// segment is one segment of an execution.
type segment struct {
	name string
	took time.Duration
}

// segmentsOf are the segments of an execution, in order: of the way back, and of the way forward.
func segmentsOf(r *proof.Record) []segment {
	var out []segment
	half := func(word string, t *proof.Times) {
		last := time.Time{}
		end, ended := "verify", t.Verified
		if ended.IsZero() {
			end, ended = "not verified", t.Ended
		}
		for _, at := range []struct {
			name string
			at   time.Time
		}{{"decide", t.Decided}, {"approve", t.Approved}, {"first effect", t.FirstEffect}, {"converge", t.Converged}, {end, ended}} {
			if at.at.IsZero() {
				continue
			}
			if !last.IsZero() {
				out = append(out, segment{word + at.name, max(at.at.Sub(last), 0)})
			}
			last = at.at
		}
	}
	half("back: ", &r.Times)
	if r.Forward != nil {
		half("forward: ", &r.Forward.Times)
	}
	return out
}

// slowest is the longest segment, in words.
func slowest(r *proof.Record) string {
	all := segmentsOf(r)
	if len(all) == 0 {
		return "-"
	}
	s := slices.MaxFunc(all, func(a, b segment) int { return cmp.Compare(a.took, b.took) })
	return s.name + " " + roughly(s.took)
}

// tookWord is how long an execution took until it was verified.
func tookWord(r *proof.Record) string {
	if r == nil || r.Times.Took() == 0 {
		return "-"
	}
	return roughly(r.Times.Took())
}

// called is what an execution is called: its drill, or its run.
func called(r *proof.Record) string { return plain(cmp.Or(r.Drill, r.Run)) }

// tally counts the units by how they stand.
type tally struct{ units, lately, passing, failing, never, oneWay int }

func (b *DrillBook) tally(now time.Time) tally {
	t := tally{units: len(b.Units)}
	for i := range b.Units {
		u := &b.Units[i]
		if slices.ContainsFunc(u.Records, func(r proof.Record) bool { return r.Drill != "" && now.Sub(r.At()) <= 30*24*time.Hour }) {
			t.lately++
		}
		switch u.result() {
		case drillPass:
			t.passing++
		case drillFail, drillLeft:
			t.failing++
		case drillNever:
			t.never++
		case drillOneWay, drillNowhere:
			t.oneWay++
		}
	}
	return t
}

// share is a part of all in percent.
func (t tally) share() string {
	if t.units == 0 {
		return "0%"
	}
	return fmt.Sprintf("%d%%", 100*t.lately/t.units)
}

// matches reports whether a unit has all words of a filter in what its row shows.
func (u *DrillUnit) matches(filter string) bool {
	row := strings.ToLower(strings.Join([]string{string(u.Unit.ID), u.Unit.Kind, u.Unit.Service, u.Unit.Environment, u.Owner, u.result()}, " "))
	for _, w := range strings.Fields(strings.ToLower(filter)) {
		if !strings.Contains(row, w) {
			return false
		}
	}
	return true
}
