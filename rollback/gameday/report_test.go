package gameday_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/gameday"
)

// played is a whole game day in which everything that can be found is there to be found.
func played(t *testing.T) *stage {
	t.Helper()
	s := staged(t)
	s.stuck = true
	s.want(3, sick, "broken")
	s.want(30, paged, "page")
	s.tell(sec(40), "nadia", gameday.Event{What: gameday.Looked})
	s.tell(sec(45), "ana", gameday.Event{What: gameday.Looked})
	s.tell(sec(70), "conductor", gameday.Event{What: gameday.Ranked, Suspect: &gameday.Suspect{Change: "CHG-1", Title: "a <b>harmless</b> change", P: 0.6, None: 0.1}})
	s.tell(sec(75), "conductor", gameday.Event{What: gameday.Undone, Step: 1, Detail: "serves r209"})
	s.want(80, well, "")
	s.want(84, well, "cured, UNDO, END cured")
	s.tell(sec(85), "conductor", gameday.Event{What: gameday.Ended, Outcome: gameday.OutcomeCured, Alerts: []gameday.Alert{{Name: "page 502 <script>alert(1)</script>", Service: "pricing", From: sec(3), To: sec(79)}}})
	return s
}

func playedRuns() []gameday.RunFact {
	return []gameday.RunFact{
		{ID: "RUN-0001", By: "nadia", State: "aborted without effect", PlannedAt: sec(41), ApprovedAt: sec(42), EndedAt: sec(43), Units: []string{"releases:shop/pricing"}},
		{
			ID: "RUN-0002", By: "ana", State: "applied, unverified", PlannedAt: sec(60), ApprovedAt: sec(70), EffectAt: sec(72), ConvergedAt: sec(74), EndedAt: sec(84),
			Units: []string{"releases:shop/pricing"}, Untested: []string{"releases:shop/pricing"}, Left: []string{"RUN-0002.1"},
		},
	}
}

func reportOf(s *stage, runs []gameday.RunFact) gameday.Report {
	return gameday.MakeReport(&s.book, s.game(), runs, sec(100))
}

func TestSegments(t *testing.T) {
	r := reportOf(played(t), playedRuns())
	want := map[string]string{
		"page": "29s", "look": "15s", "plan": "15s", "approve": "10s", "effect": "2s", "converged": "2s", "verified": "not known: the run did not get there", "cured": "50s",
	}
	for i := range r.Segments {
		if s := &r.Segments[i]; s.Length() != want[s.Key] {
			t.Errorf("%s: %s, want %s", s.Key, s.Length(), want[s.Key])
		}
	}
	if !r.Segments[0].Late || r.Segments[0].Goal() != "10s, missed" || r.Segments[1].Goal() != "none set" {
		t.Errorf("%+v", r.Segments[:2])
	}
	// Without a run, and without a page, what cannot be known says so.
	s := staged(t)
	for i := range reportOf(s, nil).Segments {
		if seg := &reportOf(s, nil).Segments[i]; seg.Known || seg.Why == "" || seg.Late {
			t.Errorf("%+v", seg)
		}
	}
}

func kinds(r *gameday.Report) []string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, f.Kind)
	}
	return out
}

func TestFindings(t *testing.T) {
	s := played(t)
	r := reportOf(s, playedRuns())
	want := []string{
		gameday.FindIntruder, gameday.FindIntruder, gameday.FindUntested, gameday.FindMeasures, gameday.FindUnverified, gameday.FindSuspect, gameday.FindSlow, gameday.FindFault,
	}
	if got := kinds(&r); !slices.Equal(got, want) || r.Held {
		t.Errorf("%q\nwant %q", got, want)
	}
	if !strings.Contains(r.Findings[5].Text, "60 %") || !strings.Contains(r.Findings[7].Text, "backout gameday resume GAME-0001") {
		t.Errorf("%+v", r.Findings)
	}
}

// A rollback that cures nothing is a finding, and the one after it is what the cure is put down to.
func TestARunInVain(t *testing.T) {
	s := played(t)
	runs := playedRuns()
	runs[0].EffectAt = sec(50)
	r := reportOf(s, runs)
	if got := strings.Join(kinds(&r), ", "); !strings.Contains(got, gameday.FindVain) || strings.Count(got, gameday.FindVain) != 1 || gameday.Curing(s.game(), runs).ID != "RUN-0002" {
		t.Errorf("found %s", got)
	}
}

// A game day in which all went as hoped has no finding, and only that one says that the hypothesis held.
func TestNothingFound(t *testing.T) {
	s := staged(t)
	s.want(3, paged, "page, broken")
	s.tell(sec(10), "conductor", gameday.Event{What: gameday.Ranked, Suspect: &gameday.Suspect{Right: true}})
	s.want(20, well, "")
	s.want(24, well, "cured, UNDO, END cured")
	for n := 1; n <= 2; n++ {
		s.tell(sec(25), "conductor", gameday.Event{What: gameday.Undone, Step: n})
	}
	runs := []gameday.RunFact{{ID: "RUN-0001", By: "ana", State: "succeeded", PlannedAt: sec(12), ApprovedAt: sec(14), EffectAt: sec(15), ConvergedAt: sec(15), VerifiedAt: sec(20), EndedAt: sec(20)}}
	if r := reportOf(s, runs); r.Held || r.Headline() != "Cured, and not over yet." {
		t.Errorf("it is not over: %q %q", r.Headline(), kinds(&r))
	}
	s.tell(sec(25), "conductor", gameday.Event{What: gameday.Ended, Outcome: gameday.OutcomeCured})
	r := reportOf(s, runs)
	if !r.Held || len(r.Findings) != 0 || r.Headline() != "Cured by the people; the hypothesis held." {
		t.Errorf("%q %q", r.Headline(), kinds(&r))
	}
	// Nobody's console is known to have shown it: the plan is timed from the page, and called so.
	var written strings.Builder
	if err := r.Markdown(&written); err != nil {
		t.Fatal(err)
	}
	if md := written.String(); !strings.Contains(md, "| page to first look | not known") || !strings.Contains(md, "| page to plan |") || strings.Contains(md, "| look to plan |") {
		t.Errorf("from when the plan is timed:\n%s", md)
	}
	// 90 days after Monday, 23 November 2026 is a Sunday: the Tuesday after it.
	if got := r.Due(); got != "Tuesday, 23 February 2027" {
		t.Errorf("next: %s", got)
	}
}

func TestNotCured(t *testing.T) {
	s := staged(t)
	s.stuck = true
	s.want(300, well, "stopping, UNDO")
	s.tell(sec(301), "conductor", gameday.Event{What: gameday.NotUndone, Step: 2, Detail: "exit code 1"})
	s.tell(sec(310), "conductor", gameday.Event{What: gameday.Resumed})
	s.tell(sec(320), "conductor", gameday.Event{What: gameday.Ended, Outcome: gameday.OutcomeStopped})
	r := reportOf(s, nil)
	want := []string{gameday.FindNotCured, gameday.FindUnseen, gameday.FindNoPage, gameday.FindFault, gameday.FindFault, gameday.FindInterrupted}
	if got := kinds(&r); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestNextDate(t *testing.T) {
	ended := time.Date(2026, 11, 23, 23, 59, 0, 0, time.FixedZone("", 3600))
	for _, c := range []struct {
		next  gameday.Next
		found bool
		want  string
	}{
		{gameday.Next{Days: 7}, false, "2026-11-30"},
		{gameday.Next{Days: 5}, false, "2026-11-30"}, // a Saturday becomes a Monday
		{gameday.Next{Days: 90, DaysFindings: 7}, true, "2026-11-30"},
		{gameday.Next{Days: 7, Weekday: "Wednesday"}, false, "2026-12-02"},
		{gameday.Next{Days: 5, Weekday: "saturday"}, false, "2026-11-28"},
	} {
		if got := gameday.NextDate(c.next, ended, c.found).Format(time.DateOnly); got != c.want {
			t.Errorf("%+v: %s, want %s", c.next, got, c.want)
		}
	}
}

// Few game days say little, and the report says so.
func TestFewSayLittle(t *testing.T) {
	s := played(t)
	r := reportOf(s, nil)
	if got := r.Before.Words(); !strings.Contains(got, "anywhere from 21 % to 100 %") || !strings.Contains(got, "one measurement") {
		t.Error(got)
	}
	scenario := parsed(t, whole)
	for _, outcome := range []gameday.Outcome{gameday.OutcomeStopped, gameday.OutcomeCalled} {
		id := "GAME-" + string(outcome)
		body, _ := json.Marshal(gameday.Event{Game: id, What: gameday.Announced, Scenario: &scenario})
		s.book.Take(body, noon.Add(-time.Hour), "conductor")
		body, _ = json.Marshal(gameday.Event{Game: id, What: gameday.Ended, Outcome: outcome})
		s.book.Take(body, noon.Add(-time.Hour), "conductor")
	}
	r = reportOf(s, nil)
	if r.Before.Cured.Passed != 1 || r.Before.Cured.Of != 2 { // one that was called off says nothing of the people
		t.Errorf("%+v", r.Before)
	}
}

// hostile is a report of which every text is of somebody who means harm.
func hostile(t *testing.T) gameday.Report {
	t.Helper()
	s := played(t)
	const evil = "</title></svg><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">`|[x](javascript:1)\n# heading"
	g := s.game()
	g.ID, g.Conductor, g.Page, g.StopWhy = evil, evil, evil, evil
	g.Scenario.Title, g.Scenario.Hypothesis, g.Scenario.After = evil, evil, evil
	g.Scenario.OnCall, g.Scenario.StayOut = []string{evil}, []string{evil}
	g.Looks[0].By = evil
	g.Steps[0].Unit, g.Steps[0].Detail = evil, evil
	g.Alerts = append(g.Alerts, gameday.Alert{Name: evil, From: sec(5)})
	runs := playedRuns()
	runs[1].ID, runs[1].By, runs[1].State = evil, evil, evil
	runs[1].Units = []string{evil}
	return gameday.MakeReport(&s.book, g, runs, sec(100))
}

func TestUntrustedTextIsEscaped(t *testing.T) {
	r := hostile(t)
	var page, md bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "</svg><"} {
		if strings.Contains(strings.ToLower(page.String()), bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if begun, ended := strings.Count(page.String(), "<title"), strings.Count(page.String(), "</title>"); begun != ended {
		t.Errorf("%d titles begin and %d end", begun, ended)
	}
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(md.String()) {
		if strings.Contains(line, "<script") && !strings.Contains(line, `\<script`) || strings.Contains(line, "[x](") || strings.HasPrefix(line, "# heading") {
			t.Errorf("the Markdown acts: %q", line)
		}
	}
}

// The picture is well formed, within its frame, and has a row for everything.
func TestPicture(t *testing.T) {
	r := reportOf(played(t), playedRuns())
	p := r.Picture()
	var names []string
	for _, row := range p.Rows {
		names = append(names, row.Name)
		for _, b := range row.Bars {
			if b.X < p.Left || b.X+b.W > p.Right+3 || b.W < 3 {
				t.Errorf("%s: a bar at %d, %d wide", row.Name, b.X, b.W)
			}
		}
	}
	if got := strings.Join(names, ","); got != "fault pricing,fault pricing,steady state,alert page 502 <scr…,looks,RUN-0001,RUN-0002" {
		t.Errorf("rows: %s", got)
	}
	if len(p.Ticks) < 3 || len(p.Ticks) > 10 || len(p.Lines) != 2 {
		t.Errorf("%d ticks, %d lines", len(p.Ticks), len(p.Lines))
	}
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	svg := page.String()[strings.Index(page.String(), "<svg"):]
	svg = svg[:strings.Index(svg, "</svg>")+len("</svg>")]
	if err := xml.Unmarshal([]byte(svg), new(struct{})); err != nil {
		t.Errorf("the picture is no XML: %v", err)
	}
}
