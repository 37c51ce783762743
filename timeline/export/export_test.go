package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/timeline/export"
)

var t0 = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC)

// token looks like a credential, and is put together here so that no scanner takes this file for a leak.
var token = "ghp_" + strings.Repeat("a1B2", 9)

// data is an incident with secrets and hostile text in every corner.
func data() export.Data {
	d := export.Data{
		Incident: timeline.Incident{ID: "INC-7", Title: "pricing answers 500", OpenedAt: t0},
		At:       t0.Add(10 * time.Minute), GeneratedAt: t0.Add(time.Hour),
		Services: []providers.Service{
			{Name: "storefront", DependsOn: []string{"pricing"}}, {Name: "pricing", Owner: "shop-team"},
		},
		Alerts: []providers.Alert{
			{
				ID: "a1", Provider: "probe", Name: "ProbeFailing", Service: "pricing", Environment: "prod", Severity: "critical",
				Summary: "GET https://bot:hunter2@pricing.example/ | answers `500` <script>alert(1)</script>", StartsAt: t0, EndsAt: t0.Add(9 * time.Minute),
				Labels: map[string]string{"region": "eu", "api_token": "opensesame"}, URL: "https://alerts.example/a1?x=(1)|2",
			},
			{ID: "a2", Provider: "probe", Name: "ProbeFailing", Service: "storefront", StartsAt: t0.Add(4 * time.Second), URL: "javascript:alert(1)"},
		},
		Changes: []providers.Change{
			{
				ID: "rel-9", Provider: "releases", Kind: providers.KindDeploy, Service: "pricing", Environment: "prod", Unit: "releases:shop/pricing",
				Title: "=cmd|' /C calc'!A0 round prices | for jane.doe@example.com", Author: providers.Author{Name: "Jane Doe", Kind: "human"}, Approvers: []string{"Ada L"},
				LandedAt: t0.Add(-2 * time.Minute), EffectiveFrom: t0.Add(-3 * time.Second), From: "r8", To: "r9", Files: 2, Lines: 31,
				Assistance: providers.Assistance{
					State: providers.AssistanceAssisted, Tools: []string{"Claude Code"}, Checked: []string{"commit.trailers", "commit.author"},
					Evidence: []providers.Evidence{{
						Role: "co-authored", Strength: "declared", Tool: "Claude Code", Source: "trailer:co-authored-by",
						Raw: "Co-authored-by: Claude <noreply@anthropic.com>", Session: "https://claude.example/s/1",
					}},
				},
				Rollout: []providers.RolloutStep{{At: t0.Add(-3 * time.Second), Share: 0.5}},
			},
			{
				ID: "cfg/" + token, Provider: "git", Kind: providers.KindConfig, Title: "password=hunter2 and token " + token,
				Author: providers.Author{Name: "renovate[bot]", Kind: "automation"}, LandedAt: t0.Add(-3 * time.Hour), LandedApproximate: true,
				Assistance: providers.Assistance{State: providers.AssistanceNone}, URL: "https://git.example/c/1",
			},
			{ID: "old", Provider: "git", Title: "no time is known of this one"},
		},
		Record: []ledger.Entry{
			{Seq: 3, At: t0.Add(2 * time.Minute), Kind: ledger.KindNote, Actor: "Jane Doe", ActorKind: "human", Incident: "INC-7", Text: "Ada L says: | page `nobody` @everyone"},
			{
				Seq: 4, At: t0.Add(3 * time.Minute), Kind: ledger.KindSuspect, Actor: "Jane Doe", ActorKind: "human", Incident: "INC-7", Change: "cfg/" + token,
				Text: "cfg dismissed as a suspect: password: hunter2 was in it", Body: json.RawMessage(`{"confirm":false,"reason":"password: hunter2 was in it"}`),
			},
			{Seq: 5, At: t0.Add(4 * time.Minute), Kind: ledger.KindConfirmation, Actor: "Jane Doe", ActorKind: "human", Run: "run-1", Unit: "releases:shop/pricing", Change: "rel-9", Incident: "INC-7", Text: "Jane Doe confirmed plan 0a1b2c3d"},
			{Seq: 6, At: t0.Add(4*time.Minute + 2*time.Second), Kind: ledger.KindResult, Actor: "Jane Doe", ActorKind: "human", Run: "run-1", Unit: "releases:shop/pricing", Incident: "INC-7", Text: "switch to r8: applied", Payload: strings.Repeat("ab", 32)},
			{Seq: 7, At: t0.Add(9*time.Minute + 30*time.Second), Kind: ledger.KindVerification, Actor: "backout", ActorKind: "automation", Run: "run-1", Incident: "INC-7", Text: "run-1 verified: both alerts ended, checks pass"},
		},
	}
	d.Ranking = culprit.Rank(inputOf(d))
	return d
}

func inputOf(d export.Data) culprit.Input {
	return culprit.Input{
		ID: d.Incident.ID, At: d.At, Services: d.Services, Edges: d.Edges, Alerts: d.Alerts, Changes: d.Changes, Signals: d.Signals,
		Dismissed: map[string]string{"cfg/" + token: "password: hunter2 was in it"},
	}
}

type format func(*bytes.Buffer, export.Data, export.Options) error

func formats() map[string]format {
	return map[string]format{
		"md":   func(b *bytes.Buffer, d export.Data, o export.Options) error { return export.Markdown(b, d, o) },
		"csv":  func(b *bytes.Buffer, d export.Data, o export.Options) error { return export.CSV(b, d, o) },
		"json": func(b *bytes.Buffer, d export.Data, o export.Options) error { return export.JSON(b, d, o) },
	}
}

func write(t *testing.T, name string, d export.Data, o export.Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := formats()[name](&b, d, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGoldens(t *testing.T) {
	zone := time.FixedZone("Asia/Kolkata", 19800)
	for _, name := range []string{"md", "csv", "json"} {
		t.Run(name, func(t *testing.T) { golden.RequireEqual(t, write(t, name, data(), export.Options{})) })
	}
	t.Run("md names and zone", func(t *testing.T) {
		golden.RequireEqual(t, write(t, "md", data(), export.Options{Redact: export.Names, Key: []byte("k"), Zone: zone}))
	})
}

func TestNothingSecretIsWritten(t *testing.T) {
	for name := range formats() {
		text := write(t, name, data(), export.Options{})
		for _, secret := range []string{"hunter2", token, "opensesame", "jane.doe@"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
		for _, kept := range []string{"rel-9", "noreply@"} {
			if name != "csv" && !strings.Contains(strings.ReplaceAll(text, "&#8288;", ""), kept) {
				t.Errorf("%s lost %q", name, kept)
			}
		}
		if off := write(t, name, data(), export.Options{Redact: export.Off}); !strings.Contains(off, "hunter2") {
			t.Errorf("%s: off takes out nothing", name)
		}
	}
}

func TestPeopleAreTheSameEngineersEverywhere(t *testing.T) {
	key := []byte("one export")
	for name := range formats() {
		text := write(t, name, data(), export.Options{Redact: export.Names, Key: key})
		if strings.Contains(text, "Jane Doe") || strings.Contains(text, "Ada L") || !strings.Contains(text, "engineer-1") || !strings.Contains(text, "engineer-2") {
			t.Errorf("%s: people are named:\n%s", name, text)
		}
		if !strings.Contains(strings.ReplaceAll(text, `\`, ""), "renovate[bot]") {
			t.Errorf("%s: what is no person keeps its name", name)
		}
		if text != write(t, name, data(), export.Options{Redact: export.Names, Key: key}) {
			t.Errorf("%s: the same key gives the same names", name)
		}
	}
}

// ranked opens an incident file as anybody would, and ranks it.
func ranked(t *testing.T, file string) (string, incident.Document) {
	t.Helper()
	for doc, err := range incident.Read(strings.NewReader(file)) {
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := culprit.Encode(&b, culprit.Rank(export.Input(doc))); err != nil {
			t.Fatal(err)
		}
		return b.String(), doc
	}
	t.Fatal("no document")
	return "", incident.Document{}
}

func TestTheIncidentFileRanksAgainToTheSameBytes(t *testing.T) {
	for _, mode := range []export.Mode{export.Strict, export.Names, export.Off} {
		o := export.Options{Redact: mode, Key: []byte("k")}
		first, doc := ranked(t, write(t, "json", data(), o))
		// Exported once more, from what was opened: nothing moves.
		again := export.Data{
			Incident: timeline.Incident{ID: doc.ID, Title: doc.Title}, At: doc.At, GeneratedAt: doc.At, Services: doc.Services,
			Edges: doc.Edges, Alerts: doc.Alerts, Changes: doc.Changes, Signals: doc.Signals,
		}
		for _, raw := range doc.Record {
			var e ledger.Entry
			if err := json.Unmarshal(raw, &e); err != nil {
				t.Fatal(err)
			}
			again.Record = append(again.Record, e)
		}
		if second, _ := ranked(t, write(t, "json", again, o)); second != first {
			t.Errorf("%s:\n%s\n%s", mode, first, second)
		}
		if !strings.Contains(first, "dismissed by a person") {
			t.Errorf("%s: the dismissal is lost: %s", mode, first)
		}
	}
}

func TestWithoutSecretsTheRankingIsTheOneThatWasShown(t *testing.T) {
	d := data()
	d.Changes[1].ID, d.Changes[1].Title = "cfg-1", "raise a limit"
	d.Changes[0].Title = "round prices"
	d.Alerts[0].Summary, d.Alerts[0].Labels = "GET / answers 500", nil
	d.Record = d.Record[:1]
	in := inputOf(d)
	in.Dismissed = nil
	var shown bytes.Buffer
	if err := culprit.Encode(&shown, culprit.Rank(in)); err != nil {
		t.Fatal(err)
	}
	if got, _ := ranked(t, write(t, "json", d, export.Options{})); got != shown.String() {
		t.Errorf("shown  %s\nopened %s", shown.String(), got)
	}
}

func TestADismissalAfterAtDoesNotCount(t *testing.T) {
	d := data()
	d.At = t0.Add(time.Minute)
	if got, _ := ranked(t, write(t, "json", d, export.Options{})); strings.Contains(got, "dismissed") {
		t.Errorf("a dismissal of later counts: %s", got)
	}
}

func TestMarkdownCannotBeBrokenByItsText(t *testing.T) {
	text := write(t, "md", data(), export.Options{})
	columns := 0
	for i, l := range strings.Split(text, "\n") {
		if strings.Contains(l, "<script") || strings.Contains(l, "javascript:") || strings.Contains(l, "@everyone") {
			t.Errorf("line %d is not safe: %s", i+1, l)
		}
		if !strings.HasPrefix(l, "|") {
			columns = 0
			continue
		}
		if n := strings.Count(l, "|"); columns != 0 && n != columns {
			t.Errorf("line %d has %d bars, its table %d: %s", i+1, n, columns, l)
		} else {
			columns = n
		}
	}
	if strings.Contains(text, "`") {
		t.Error("a backtick came through")
	}
}

func TestFactsClaimNoCause(t *testing.T) {
	text := write(t, "md", data(), export.Options{})
	facts := text[strings.Index(text, "## Facts"):strings.Index(text, "## Narrative")]
	for _, word := range []string{"caus", "because", "due to", "blame", "culprit", "broke", "fault", "fixed", "successfully"} {
		if strings.Contains(strings.ToLower(facts), word) {
			t.Errorf("the facts say %q:\n%s", word, facts)
		}
	}
	for _, want := range []string{"none found", "assisted (Claude Code)", "not looked at", "T-00:00:03", "T+00:09:30", "2026-03-04 10:00:00 +00:00"} {
		if !strings.Contains(text, want) {
			t.Errorf("the timeline does not say %q", want)
		}
	}
}

func TestCSVIsReadBackAndRunsNothing(t *testing.T) {
	text := write(t, "csv", data(), export.Options{})
	if strings.Count(text, "\r\n") != strings.Count(text, "\n") {
		t.Error("RFC 4180 ends lines with CR LF")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	last := ""
	for _, row := range rows[1:] {
		for _, cell := range row {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("a formula: %q", cell)
			}
		}
		if row[0] < last {
			t.Errorf("%s comes after %s", row[0], last)
		}
		last = row[0]
	}
	if len(rows) < 12 {
		t.Errorf("only %d rows", len(rows))
	}
}

// A note stands on the timeline too, because the record is a source of it. An export tells it once, among the words of
// people and not among the facts.
func TestNotesStandApartFromFactsAndOnce(t *testing.T) {
	d := data()
	for i, text := range []string{d.Record[0].Text, "only on the timeline"} {
		d.Changes = append(d.Changes, providers.Change{
			ID: "note-" + string(rune('3'+i)), Provider: "backout", Kind: providers.KindOperation, Status: providers.StatusNote, Title: text,
			Author: providers.Author{Name: "Jane Doe", Kind: "agent"}, LandedAt: d.Record[i].At, EffectiveFrom: d.Record[i].At,
		})
	}
	text := write(t, "md", d, export.Options{})
	facts, rest, _ := strings.Cut(text, "## What people wrote at the time")
	words, rest, _ := strings.Cut(rest, "## Narrative")
	if strings.Contains(facts, "Ada L says") || strings.Contains(rest, "Ada L says") {
		t.Errorf("a note stands outside of people's words:\n%s", text)
	}
	if n := strings.Count(words, "Ada L says"); n != 1 {
		t.Errorf("the note stands %d times among people's words:\n%s", n, words)
	}
	if !strings.Contains(words, "| Jane Doe (agent) | only on the timeline |") {
		t.Errorf("a note that the record does not hold is missing:\n%s", words)
	}
}

func TestAChangeIsNotReportedByItselfAsWell(t *testing.T) {
	d := data()
	d.Changes[0].Sources = []providers.Source{{Provider: "releases", ID: "rel-9"}, {Provider: "git", ID: "abc"}}
	text := write(t, "md", d, export.Options{})
	if strings.Contains(text, "also reported by: releases rel-9") || !strings.Contains(text, "also reported by: git abc") {
		t.Error(text)
	}
}
