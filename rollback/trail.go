package rollback

import (
	"math"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// How much of a trail is kept: five minutes, and a bounded number of rows however many alerts there are.
const (
	TrailCell  = 30 * time.Second
	TrailCells = 10
	trailRows  = 100
)

// TrailLegend explains the letters of a trail in one line.
const TrailLegend = ".-= well, +*# not (denser is worse), ? unknown, blank: nobody looked"

// Trail is how checks and alerts looked lately, one cell for each [TrailCell], the newest last. A cell is a letter: "." "-"
// "=" well, "+" "*" "#" not well, "?" unknown, and a blank where nobody looked. Among the well and the not well ones a
// denser letter is a number that is nearer to its limit, or farther beyond it. A cell is as it was at its end, unless what
// was well became not well within it: then it stays not well.
type Trail struct {
	Since   time.Time  `json:"since"` // the first look of all
	Seconds int        `json:"cell_seconds"`
	Dropped int        `json:"dropped,omitempty"` // cells that were before those that are kept
	Rows    []TrailRow `json:"rows"`

	slipped map[string]int // by name: the newest cell in which it became not well
}

// TrailRow is one check's or alert's cells; all rows of a trail have as many.
type TrailRow struct {
	Name  string `json:"name"` // "check NAME" or "alert PROVIDER/ID"
	Cells string `json:"cells"`
}

// Check is the cells of a check, "" where there are none.
func (t *Trail) Check(name string) string { return t.row("check " + name) }

// Alert is the cells of an alert, "" where there are none.
func (t *Trail) Alert(a AlertRef) string { return t.row(alertRow(a)) }

func alertRow(a AlertRef) string { return "alert " + a.Provider + "/" + a.ID }

func (t *Trail) row(name string) string {
	if t == nil {
		return ""
	}
	for i := range t.Rows {
		if t.Rows[i].Name == name {
			return t.Rows[i].Cells
		}
	}
	return ""
}

// seen is one row's letter at one look.
type seen struct {
	name string
	cell byte
}

// looked is what one look saw. Of two checks of one name the worse one counts.
func looked(checks []Check, symptoms []Symptom, applied time.Time) []seen {
	var out []seen
	at := map[string]int{}
	add := func(name string, cell byte) {
		i, twice := at[name]
		switch {
		case !twice:
			at[name] = len(out)
			out = append(out, seen{name, cell})
		case strings.IndexByte(byBadness, cell) > strings.IndexByte(byBadness, out[i].cell):
			out[i].cell = cell
		}
	}
	for _, s := range symptoms {
		add(alertRow(s.AlertRef), s.cell(applied))
	}
	for _, c := range checks {
		add("check "+c.Name, c.cell())
	}
	return out[:min(len(out), trailRows)]
}

const byBadness = ".-=?+*#"

func well(cell byte) bool { return cell == '.' || cell == '-' || cell == '=' }

// cell is an alert's letter. One that is resolved by an answer from before the effect is unknown, as everywhere.
func (s *Symptom) cell(applied time.Time) byte {
	switch {
	case s.State == providers.AlertResolved && !s.SeenAt.IsZero() && !s.SeenAt.Before(applied):
		return '='
	case s.State == providers.AlertResolved || s.State == providers.AlertUnknown || s.State == "":
		return '?'
	default:
		return '#'
	}
}

// cell is a check's letter.
func (c *Check) cell() byte {
	switch {
	case c.State == CheckPass && c.measured():
		return ".-="[step(c.excess(), 1./3, 2./3)]
	case c.State == CheckPass:
		return '='
	case c.State == CheckFail && c.measured():
		return "+*#"[step(c.excess(), 1.5, 3)]
	case c.State == CheckFail:
		return '#'
	default:
		return '?'
	}
}

func (c *Check) measured() bool {
	return c.Value != nil && c.Limit != nil && *c.Value >= 0 && *c.Limit > 0
}

// excess is the number as a share of its limit. Where a number may not fall below its limit, it is the other way round.
func (c *Check) excess() float64 {
	share := *c.Value / *c.Limit
	if (c.State == CheckPass) == (share > 1) {
		return 1 / share
	}
	return share
}

func step(v, low, high float64) int {
	switch {
	case v <= low:
		return 0
	case v <= high:
		return 1
	default:
		return 2
	}
}

// finite leaves out what is no number: it could not be journaled.
func finite(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return v
}

// add takes one look in, and reports whether it began a cell.
func (t *Trail) add(at, applied time.Time, look []seen) (began bool) {
	if t.Since.IsZero() {
		t.Since, t.Seconds = at, int(TrailCell/time.Second)
	}
	if t.slipped == nil {
		t.slipped = map[string]int{}
	}
	n := t.length()
	last := max(t.cell(at, applied), t.Dropped+n-1)
	began = last >= t.Dropped+n
	for _, s := range look {
		if t.row(s.name) == "" && len(t.Rows) < trailRows {
			t.Rows = append(t.Rows, TrailRow{Name: s.name, Cells: strings.Repeat(" ", n)})
		}
	}
	now := map[string]byte{}
	for _, s := range look {
		now[s.name] = s.cell
	}
	more := min(last-t.Dropped-n+1, TrailCells)
	for i := range t.Rows {
		r := &t.Rows[i]
		r.Cells += strings.Repeat(" ", more)
		if cell, ok := now[r.Name]; ok {
			r.Cells = r.Cells[:len(r.Cells)-1] + string(t.settled(r, last, cell))
		}
		r.Cells = r.Cells[max(len(r.Cells)-TrailCells, 0):]
	}
	t.Dropped = last + 1 - t.length()
	return began
}

func (t *Trail) length() int {
	if len(t.Rows) == 0 {
		return 0
	}
	return len(t.Rows[0].Cells)
}

// cell is the number of the cell of an instant. The looks from before the effect have cells of their own.
func (t *Trail) cell(at, applied time.Time) int {
	if applied.IsZero() || applied.Before(t.Since) {
		return int(at.Sub(t.Since) / TrailCell)
	}
	return int(applied.Sub(t.Since)/TrailCell) + 1 + int(at.Sub(applied)/TrailCell)
}

// settled is the newest cell of a row after one more look.
func (t *Trail) settled(r *TrailRow, n int, cell byte) byte {
	was := r.Cells[len(r.Cells)-1]
	if well(was) && !well(cell) {
		t.slipped[r.Name] = n
	}
	if slip, ok := t.slipped[r.Name]; ok && slip == n && well(cell) && !well(was) {
		return was
	}
	return cell
}

// trace takes the look that was just made into the run's trail.
func (x *execution) trace(checks []Check, symptoms []Symptom) {
	look := looked(checks, symptoms, x.run.AppliedAt)
	if len(look) == 0 {
		return
	}
	if x.run.Trail == nil {
		x.run.Trail = &Trail{}
	}
	x.grew = x.run.Trail.add(x.e.cfg.Now().UTC(), x.run.AppliedAt, look) || x.grew
}
