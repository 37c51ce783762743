package tui

import (
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// verifyWidths are the columns of what is verified: name, before, now and goal. The trail takes what is left.
type verifyWidths struct{ name, before, now, goal int }

func verifyColumns(w int) verifyWidths {
	if w >= wideWidth {
		return verifyWidths{30, 17, 22, 20}
	}
	rest := max(w-2-rollback.TrailCells-5-15, 30)
	return verifyWidths{rest * 20 / 47, 15, rest * 15 / 47, rest - rest*20/47 - rest*15/47}
}

// verifyRow is one alert or check: how it was before anything was touched, how it is, and what it has to become.
type verifyRow struct {
	name, before, now, goal, trail string
	state                          rollback.CheckState
}

// verifyLines list the alerts and checks. An unknown one is never shown as good.
func (s *runScreen) verifyLines(p *page) {
	cols := verifyColumns(p.w)
	last, legend := "LAST 5 MIN, 30s EACH", false
	if p.w < wideWidth {
		last = "LAST 5 MIN"
	}
	line := func(name, before, now, goal, trail string) {
		p.add("  " + name + " " + before + "  " + now + " " + goal + " " + trail)
	}
	p.add(" " + s.c.style.bold(fit("VERIFY LIVE", cols.name+1)) + " " + fit("BEFORE", cols.before) + "  " + fit("NOW", cols.now) + " " + fit("GOAL", cols.goal) + " " + last)
	rows := s.verifyRows()
	for _, r := range rows {
		now := fit(r.now, cols.now)
		switch r.state {
		case rollback.CheckPass:
			now = s.c.style.good(now)
		case rollback.CheckFail:
			now = s.c.style.bad(now)
		case rollback.CheckUnknown:
			now = s.c.style.careful(now)
		}
		line(fit(r.name, cols.name), fit(r.before, cols.before), now, fit(r.goal, cols.goal), s.trail(r.trail))
		legend = legend || r.trail != ""
	}
	switch {
	case len(rows) == 0:
		p.add("  nothing measured yet")
	case legend && s.c.body() > lowBody:
		p.add("  " + s.c.style.faint(rollback.TrailLegend))
	}
}

// verifyRows are what was looked at last; before that, what there was to see before anything was touched.
func (s *runScreen) verifyRows() []verifyRow {
	r := &s.run
	alerts, checks, looked := r.Symptoms, r.Checks, true
	if len(alerts)+len(checks) == 0 {
		alerts, checks, looked = r.Before, r.BeforeChecks, false
	}
	rows := make([]verifyRow, 0, len(alerts)+len(checks))
	for i := range alerts {
		y := &alerts[i]
		row := verifyRow{name: s.called(y), before: s.stood(y), goal: "resolved", trail: r.Trail.Alert(y.AlertRef), now: string(y.State), state: rollback.CheckUnknown}
		switch y.State {
		case providers.AlertResolved:
			row.state = rollback.CheckPass
		case providers.AlertFiring:
			row.state = rollback.CheckFail
		case providers.AlertSuppressed, providers.AlertUnknown:
		}
		if row.state != rollback.CheckPass {
			row.now = strings.TrimSpace(row.now + " " + plain(y.Detail))
		}
		rows = append(rows, row)
	}
	for i := range checks {
		k := &checks[i]
		row := verifyRow{
			name: plain(k.Name), before: "-", goal: plain(k.Goal), trail: r.Trail.Check(k.Name), now: seenAs(k), state: k.State,
		}
		if at := slices.IndexFunc(r.BeforeChecks, func(b rollback.Check) bool { return b.Name == k.Name }); at >= 0 {
			row.before = seenAs(&r.BeforeChecks[at])
		}
		rows = append(rows, row)
	}
	for i := range rows {
		if !looked {
			rows[i].now, rows[i].state = "not yet", ""
		}
	}
	return rows
}

// seenAs is a check's state and what was observed.
func seenAs(k *rollback.Check) string {
	return strings.TrimSpace(string(k.State) + " " + plain(k.Observed))
}

// called is an alert's name, with its service where that does not stand in it.
func (s *runScreen) called(y *rollback.Symptom) string {
	name := y.Name
	if name == "" {
		name = y.ID
	}
	if alertName(y.Service, name) == name && name != y.Service {
		name = strings.TrimSpace(y.Service + " " + name)
	}
	return plain(name)
}

// stood is how an alert stood before anything was touched, and since when it fires.
func (s *runScreen) stood(y *rollback.Symptom) string {
	since := ""
	if !y.StartsAt.IsZero() {
		since = s.c.clock().row(y.StartsAt, time.Hour)
	}
	at := slices.IndexFunc(s.run.Before, func(b rollback.Symptom) bool { return b.Provider == y.Provider && b.ID == y.ID })
	switch {
	case at >= 0 && s.run.Before[at].State == providers.AlertFiring:
		return strings.TrimSpace("firing " + since)
	case at >= 0:
		return string(s.run.Before[at].State)
	case since != "":
		return "since " + since
	default:
		return "-"
	}
}

// trail is the cells of a row, in the colours of what they mean.
func (s *runScreen) trail(cells string) string {
	var b strings.Builder
	for i := 0; i < len(cells); {
		of := trailStyle(s.c.style, cells[i])
		j := i + 1
		for j < len(cells) && sameKind(cells[i], cells[j]) {
			j++
		}
		b.WriteString(of(plain(cells[i:j])))
		i = j
	}
	return b.String()
}

func trailKind(cell byte) int {
	for kind, set := range []string{".-=", "+*#", "?"} {
		if strings.IndexByte(set, cell) >= 0 {
			return kind
		}
	}
	return -1
}

func sameKind(a, b byte) bool { return trailKind(a) == trailKind(b) }

func trailStyle(st style, cell byte) func(string) string {
	switch trailKind(cell) {
	case 0:
		return st.good
	case 1:
		return st.bad
	case 2:
		return st.careful
	default:
		return func(t string) string { return t }
	}
}
