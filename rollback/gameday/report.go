package gameday

import (
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/rollback/proof"
)

// ReportSchema is the schema of a report.
const ReportSchema = "backout.gameday-report/v1"

// Report is everything that is told of one game day. It is made from the record alone.
type Report struct {
	Game     Game      `json:"game"`
	Over     bool      `json:"over"`
	Held     bool      `json:"hypothesis_held"` // cured by the people, and nothing was found
	Runs     []RunFact `json:"runs,omitempty"`
	Segments []Segment `json:"segments"`
	Findings []Finding `json:"findings"`
	Next     time.Time `json:"next,omitzero"` // the date of the next one
	Before   Past      `json:"before"`
	MadeAt   time.Time `json:"made_at"`
}

// Past is how the game days of the same title went, this one included, as honestly as their number allows.
type Past struct {
	Cured proof.Rate      `json:"cured"`
	Took  []time.Duration `json:"took_ns,omitempty"` // from page to cured, in their order
	Games []string        `json:"games"`
}

// Words says what so many of them tell.
func (p *Past) Words() string {
	if p.Cured.Of == 0 {
		return "This scenario has not been played to its end yet."
	}
	text := fmt.Sprintf("Played %s, cured by the people in %d of %d; with so few the true share is anywhere from %.0f %% to %.0f %% (95 %%).",
		times(p.Cured.Of), p.Cured.Passed, p.Cured.Of, 100*p.Cured.Low, 100*p.Cured.High)
	if p.Cured.Of >= fewGames {
		text = fmt.Sprintf("Played %s, cured by the people in %d of %d (95 %%: %.0f %% to %.0f %%).",
			times(p.Cured.Of), p.Cured.Passed, p.Cured.Of, 100*p.Cured.Low, 100*p.Cured.High)
	}
	switch n := len(p.Took); n {
	case 0:
	case 1:
		text += fmt.Sprintf(" From page to cured took %s: one measurement, which says nothing of the next.", Short(p.Took[0]))
	default:
		text += fmt.Sprintf(" From page to cured took %s at the shortest and %s at the longest (n=%d).", Short(slices.Min(p.Took)), Short(slices.Max(p.Took)), n)
	}
	return text
}

// fewGames is below how many games a share is said to be anywhere.
const fewGames = 20

// MakeReport makes the report of a game day of the book from what is known of its runs.
func MakeReport(b *Book, g *Game, runs []RunFact, now time.Time) Report {
	r := Report{Game: *g, Over: !g.Open(), Runs: runs, MadeAt: now.UTC()}
	r.Segments = Segments(g, runs)
	r.Findings = Findings(g, runs, r.Segments)
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	r.Held = r.Over && g.Outcome == OutcomeCured && len(r.Findings) == 0
	if r.Over {
		r.Next = NextDate(g.Scenario.Next, g.EndedAt, len(r.Findings) > 0)
	}
	cured, of := 0, 0
	for _, o := range b.Games {
		if o.Scenario.Title != g.Scenario.Title || o.Open() || o.AnnouncedAt.After(g.AnnouncedAt) {
			continue
		}
		r.Before.Games = append(r.Before.Games, o.ID)
		if o.Outcome == OutcomeCalled || o.Outcome == OutcomeFailed {
			continue // says nothing of the people
		}
		of++
		if o.Outcome == OutcomeCured {
			cured++
			if !o.PageAt.IsZero() && o.CuredAt.After(o.PageAt) {
				r.Before.Took = append(r.Before.Took, o.CuredAt.Sub(o.PageAt))
			}
		}
	}
	r.Before.Cured = proof.RateOf(cured, of)
	return r
}
