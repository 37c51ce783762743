package gameday

import (
	"slices"
	"strings"
	"time"
)

// The picture's measures, in units of its view box.
const (
	pictureWidth = 960
	pictureLeft  = 150 // where the time begins
	pictureRight = 24
	rowHeight    = 26
	pictureTop   = 10
	maxRows      = 10 // of alerts, and of runs
)

// Picture is the timeline of a report, laid out for a drawing.
type Picture struct {
	Width, Height, Left, Right, Axis int
	Rows                             []PictureRow
	Ticks                            []PictureMark
	Lines                            []PictureMark // through all rows: page and cure
}

// PictureRow is one row: a name, bars and marks.
type PictureRow struct {
	Name string
	Y    int // its middle
	Bars []PictureBar
	Dots []PictureMark
}

// PictureBar is a stretch of time. Open: it had not ended.
type PictureBar struct {
	X, W  int
	Class string
	Title string
	Open  bool
}

// PictureMark is a moment.
type PictureMark struct {
	X     int
	Text  string
	Class string
	Up    bool // its text stands above that of its neighbour
}

// drawing scales times to columns.
type drawing struct {
	from, to time.Time
	p        *Picture
}

func (d *drawing) x(t time.Time) int {
	room := pictureWidth - pictureLeft - pictureRight
	at := int(float64(room) * float64(t.Sub(d.from)) / float64(d.to.Sub(d.from)))
	return pictureLeft + min(max(at, 0), room)
}

func (d *drawing) row(name string) *PictureRow {
	y := pictureTop + 30 + len(d.p.Rows)*rowHeight
	d.p.Rows = append(d.p.Rows, PictureRow{Name: shortened(name, 20), Y: y})
	return &d.p.Rows[len(d.p.Rows)-1]
}

func (d *drawing) bar(r *PictureRow, class string, from, to time.Time, title string) {
	if from.IsZero() {
		return
	}
	open := to.IsZero()
	if open {
		to = d.to
	}
	x := d.x(from)
	r.Bars = append(r.Bars, PictureBar{X: x, W: max(d.x(to)-x, 3), Class: class, Title: title, Open: open})
}

func shortened(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// Picture lays the timeline out: the fault, whether all was well, the alerts, who looked, the runs.
func (r *Report) Picture() Picture {
	g := &r.Game
	d := &drawing{from: g.AnnouncedAt, to: r.MadeAt, p: &Picture{Width: pictureWidth, Left: pictureLeft, Right: pictureWidth - pictureRight}}
	if !g.EndedAt.IsZero() {
		d.to = g.EndedAt
	}
	for _, run := range r.Runs {
		if run.EndedAt.After(d.to) {
			d.to = run.EndedAt
		}
	}
	if d.to.Sub(d.from) < time.Second {
		d.to = d.from.Add(time.Second)
	}
	for i := range g.Steps {
		row := d.row("fault " + unitName(g.Steps[i].Unit))
		d.bar(row, "fault", g.Steps[i].Injecting, g.Steps[i].Undone, r.fault(i))
	}
	row := d.row("steady state")
	broken, well := g.BrokenAt, g.CuredAt
	if broken.IsZero() {
		d.bar(row, "well", d.from, d.to, "held all the time")
	} else {
		d.bar(row, "well", d.from, broken, "held")
		if well.IsZero() && !g.StoppedAt.IsZero() {
			well = g.EndedAt
		}
		d.bar(row, "bad", broken, well, "did not hold")
		if !well.IsZero() {
			d.bar(row, "well", well, d.to, "held again")
		}
	}
	for _, a := range g.Alerts[:min(len(g.Alerts), maxRows)] {
		d.bar(d.row("alert "+a.Name), "alert", a.From, a.To, a.Name)
	}
	if len(g.Looks) > 0 {
		row := d.row("looks")
		for _, l := range g.Looks {
			row.Dots = append(row.Dots, PictureMark{X: d.x(l.At), Text: l.By, Class: "look"})
		}
	}
	for _, run := range r.Runs[:min(len(r.Runs), maxRows)] {
		row := d.row(run.ID)
		d.bar(row, "planning", run.PlannedAt, run.ApprovedAt, run.ID+" planned, not confirmed yet")
		d.bar(row, "run", run.ApprovedAt, run.EndedAt, run.ID+" by "+run.By+": "+run.State)
		if !run.EffectAt.IsZero() {
			row.Dots = append(row.Dots, PictureMark{X: d.x(run.EffectAt), Text: "first effect", Class: "effect"})
		}
	}
	d.finish(g)
	return *d.p
}

// finish draws the axis and the lines of the page, the cure and the stop.
func (d *drawing) finish(g *Game) {
	d.p.Axis = pictureTop + 30 + len(d.p.Rows)*rowHeight
	d.p.Height = d.p.Axis + 34
	for _, l := range []struct {
		at    time.Time
		text  string
		class string
	}{{g.PageAt, "page", "page"}, {g.CuredAt, "cured", "cured"}, {g.StoppedAt, "stopped", "page"}} {
		if !l.at.IsZero() {
			d.p.Lines = append(d.p.Lines, PictureMark{X: d.x(l.at), Text: l.text, Class: l.class})
		}
	}
	slices.SortFunc(d.p.Lines, func(a, b PictureMark) int { return a.X - b.X })
	for i := 1; i < len(d.p.Lines); i++ {
		d.p.Lines[i].Up = d.p.Lines[i].X-d.p.Lines[i-1].X < 60 && !d.p.Lines[i-1].Up
	}
	step := tick(d.to.Sub(d.from))
	for at := time.Duration(0); at <= d.to.Sub(d.from); at += step {
		text := "+" + Short(at)
		if at == 0 {
			text = stamp(d.from)
		}
		d.p.Ticks = append(d.p.Ticks, PictureMark{X: d.x(d.from.Add(at)), Text: text})
	}
}

// tick is the distance between two ticks, so that there are some eight.
func tick(whole time.Duration) time.Duration {
	for _, d := range []time.Duration{
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
		10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour,
	} {
		if whole/d <= 8 {
			return d
		}
	}
	return 2 * time.Hour
}

func unitName(id string) string { return id[strings.LastIndexAny(id, "/:")+1:] }
