package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// document is a line of an incident file: a release of shop right before the alert, others long before. culprit is the
// id that the truth names; "" none.
func document(id, culprit string, minutes ...int) string {
	at := time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)
	var changes []string
	for i, m := range minutes {
		t := at.Add(-time.Duration(m) * time.Minute).Format(time.RFC3339)
		changes = append(changes, fmt.Sprintf(`{"id":"c%d","kind":"deploy","service":"shop","effective_from":%q}`, i, t))
	}
	truth := `{"culprits":[]}`
	if culprit != "" {
		truth = fmt.Sprintf(`{"culprits":[%q]}`, culprit)
	}
	return fmt.Sprintf(`{"format":"backout.incident/v1","id":%q,"at":"2026-03-04T10:00:00Z","alerts":[{"id":"a","service":"shop","starts_at":"2026-03-04T10:00:00Z"}],"changes":[%s],"truth":%s}`+"\n",
		id, strings.Join(changes, ","), truth)
}

func measure(t *testing.T, args []string, lines ...string) figures {
	t.Helper()
	name := filepath.Join(t.TempDir(), "cases.jsonl")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(append(append([]string{"-json"}, args...), name), &out); err != nil {
		t.Fatal(err)
	}
	var f figures
	if err := json.Unmarshal(out.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestFiguresOfCasesThatCanBeCountedByHand(t *testing.T) {
	f := measure(t, nil,
		document("right", "c0", 1, 300, 600),
		document("wrong", "c2", 1, 300, 600),
		document("none", "", 700, 800),
		document("late", "c1", 300, -5), // the culprit is not there yet at the time of the ranking
	)
	if f.Docs != 4 || f.N != 3 || f.Invisible != 1 || f.Leaks != 0 || f.Unlisted != 0 || !near(f.Candidates, (3+3+1)/3.0) {
		t.Errorf("counts: %+v", f)
	}
	if !near(f.Ranking.AC1, 1.0/3) || !near(f.Ranking.AC3, 2.0/3) || !near(f.Ranking.MRR, (1+1.0/3)/3) {
		t.Errorf("ranking: %+v", f.Ranking)
	}
	if !near(f.Latest.AC1, 1.0/3) || !near(f.Random.AC1, 2.0/9) || !near(f.Random.AC3, 2.0/3) || !near(f.Random.MRR, 2*(1+0.5+1.0/3)/9) {
		t.Errorf("floors: latest %+v, random %+v", f.Latest, f.Random)
	}
}

func TestFiguresOfCalibration(t *testing.T) {
	f := measure(t, nil, document("right", "c0", 1, 300, 600), document("none", "", 700, 800))
	if f.SumError > 1e-9 || f.AUROC <= 0 || f.AUROC > 1 || f.Brier <= 0 {
		t.Errorf("calibration: %+v", f)
	}
}

func TestAtOffsetShowsWhatComesLater(t *testing.T) {
	lines := []string{document("late", "c1", 300, -1)}
	if now, later := measure(t, nil, lines...), measure(t, []string{"-at-offset", "120"}, lines...); now.Invisible != 1 || later.Invisible != 0 || later.Candidates != 2 {
		t.Errorf("now %+v, two minutes later %+v", now, later)
	}
}

func TestExpectedTies(t *testing.T) {
	h := expect(map[string]float64{"a": 1, "b": 1, "c": 1, "d": 0}, map[string]bool{"a": true, "d": true})
	if !near(h.AC1, 1.0/3) || !near(h.AC3, 1) || !near(h.MRR, (1+0.5+1.0/3)/3) {
		t.Errorf("one of three that tie: %+v", h)
	}
	if h := expect(map[string]float64{"a": 1, "b": 1, "c": 1}, map[string]bool{"a": true, "b": true}); !near(h.AC1, 2.0/3) || !near(h.MRR, 2.0/3+0.5/3) {
		t.Errorf("two of three that tie: %+v", h)
	}
	if h := expect(map[string]float64{"a": 1}, map[string]bool{"gone": true}); h != (hits{}) {
		t.Errorf("a culprit that is not ranked counts for nothing: %+v", h)
	}
}

func TestCalibrationErrorInTenBins(t *testing.T) {
	var tops []top
	for i := range 20 {
		tops = append(tops, top{p: 0.8, id: fmt.Sprint(i), right: 1})
	}
	if e := calibrationError(tops); !near(e, 0.2) {
		t.Errorf("always right at 0.8 is off by 0.2, not %v", e)
	}
	if e := calibrationError(nil); e != 0 {
		t.Errorf("nothing is off by nothing: %v", e)
	}
}

func TestBadInputIsNamed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "half.jsonl")
	if err := os.WriteFile(name, []byte(document("a", "c0", 1)+`{"format":`), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{name}, &out); err == nil || !strings.Contains(err.Error(), "line 2") || !strings.Contains(err.Error(), "half.jsonl") {
		t.Errorf("error: %v", err)
	}
	if err := run(nil, &out); err == nil {
		t.Error("no file is an error")
	}
}

func TestTextForPeople(t *testing.T) {
	name := filepath.Join(t.TempDir(), "one.jsonl")
	if err := os.WriteFile(name, []byte(document("a", "c0", 1, 300)), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run([]string{"-at-offset", "60", "-rankings", filepath.Join(t.TempDir(), "r.jsonl"), name}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"(+60 s)", "1 documents, n 1, 2.00 candidates each", "latest first   top-1 1.000", "leaks 0"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
}
