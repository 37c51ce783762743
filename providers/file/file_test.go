package file_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/file"
	"github.com/backout-dev/backout/providers/incident"
	"github.com/backout-dev/backout/providers/providertest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// open makes a provider of the files; settings are given as a mapping, as a configuration has them.
func open(t testing.TB, dir string, follow bool, paths ...string) *file.Provider {
	t.Helper()
	p, err := file.Factory().New(providers.Environment{
		Name: "feed", Environment: "prod", Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}, func(into any) error {
		b, err := json.Marshal(map[string]any{"Paths": paths, "Follow": follow})
		if err != nil {
			return err
		}
		return json.Unmarshal(b, into)
	})
	if err != nil {
		t.Fatal(err)
	}
	f := p.(*file.Provider)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func write(t testing.TB, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func line(t testing.TB, ev providers.Event) string {
	t.Helper()
	b, err := incident.EncodeEvent(ev)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func change(id string, at time.Time) providers.Event {
	return providers.Event{Change: &providers.Change{ID: id, Title: "change " + id, LandedAt: at}}
}

func alert(id string, from, to time.Time) providers.Event {
	return providers.Event{Alert: &providers.Alert{ID: id, Name: "alert " + id, StartsAt: from, EndsAt: to}}
}

// rows reads the rows of a window, without their refs, and copies them: a batch is used again.
func rows(t testing.TB, p *file.Provider, w providers.Window) []providers.Row {
	t.Helper()
	var out []providers.Row
	for batch, err := range p.Rows(t.Context(), w) {
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(batch); i++ {
			if batch[i].At < batch[i-1].At {
				t.Fatalf("row %s is earlier than the one before it", batch[i].ID)
			}
		}
		out = append(out, batch...)
	}
	for i := range out {
		out[i].Ref = 0
	}
	return out
}

func TestWindowAndLaterVersions(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.jsonl"),
		line(t, alert("old", noon.Add(-9*time.Hour), time.Time{})),
		line(t, change("early", noon.Add(-time.Minute))),
		line(t, change("in", noon)),
		line(t, alert("old", noon.Add(-9*time.Hour), noon.Add(-8*time.Hour))),
		line(t, change("late", noon.Add(time.Hour))),
	)
	p := open(t, dir, false, "a.jsonl")
	w := providers.Window{Since: noon, Until: noon.Add(time.Hour)}
	got := map[string]int64{}
	for _, r := range rows(t, p, w) {
		got[r.ID] = r.End
	}
	if d := cmp.Diff(map[string]int64{"in": 0, "old": noon.Add(-8 * time.Hour).UnixNano()}, got); d != "" {
		t.Errorf("the later version of an alert must be told, or it stays open for ever: %s", d)
	}
	for a, err := range p.Alerts(t.Context(), w) {
		t.Errorf("alert %s (%v) was not open in the window", a.ID, err)
	}
	n := 0
	for c, err := range p.Changes(t.Context(), w) {
		if n++; err != nil || c.ID != "in" || c.Environment != "prod" {
			t.Errorf("%+v, %v", c, err)
		}
	}
	if n != 1 {
		t.Errorf("%d changes", n)
	}
}

func TestBadLinesAreSkippedAndCounted(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.jsonl"), line(t, change("c1", noon)), `{"type":"change"`, "<html>", "", line(t, change("c2", noon)), `{"type":"change","id":"half`)
	p := open(t, dir, false, "*.jsonl")
	if n := len(rows(t, p, providers.Window{})); n != 2 {
		t.Errorf("%d rows", n)
	}
	h := p.Health()
	if h.State != providers.HealthOK || !strings.Contains(h.Detail, "a.jsonl: 3 skipped, first at byte 83") {
		t.Errorf("health %+v", h)
	}
}

func TestIncidentFilesGiveEventsTopologyAndSignals(t *testing.T) {
	dir := t.TempDir()
	const doc = `{"format":"backout.incident/v1","id":"INC-%d","at":"2026-03-01T12:00:00Z","services":[{"name":"s%[1]d"}],"alerts":[{"id":"a%[1]d","starts_at":"2026-03-01T12:00:00Z"}],"changes":[{"id":"c%[1]d","landed_at":"2026-03-01T11:00:00Z"}],"signals":[{"name":"errors","service":"s%[1]d","points":[[1772362800,1],[1772366400,2]]}]}`
	var pretty map[string]any
	if err := json.Unmarshal(fmt.Appendf(nil, doc, 1), &pretty); err != nil {
		t.Fatal(err)
	}
	b, _ := json.MarshalIndent(pretty, "", "  ")
	write(t, filepath.Join(dir, "one.json"), string(b))
	write(t, filepath.Join(dir, "two.jsonl"), fmt.Sprintf(doc, 2), line(t, change("c9", noon)), fmt.Sprintf(doc, 3))
	p := open(t, dir, false, "*.json*")
	services, _, err := p.Topology(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	if d := cmp.Diff([]string{"s1", "s2", "s3"}, names); d != "" {
		t.Error(d)
	}
	for range 2 { // a second read must not see everything twice
		if d := cmp.Diff([]string{"a1", "a2", "a3", "c1", "c2", "c3", "c9"}, loadedIDs(t, p)); d != "" {
			t.Error(d)
		}
	}
	signals, err := p.Signals(t.Context(), providers.Window{Since: noon}, []string{"s2"})
	if err != nil || len(signals) != 1 || len(signals[0].Points) != 1 {
		t.Errorf("signals %+v, %v", signals, err)
	}
}

// loadedIDs loads every row and gives the ids, sorted.
func loadedIDs(t *testing.T, p *file.Provider) []string {
	t.Helper()
	var ids []string
	for batch, err := range p.Rows(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range batch {
			ev, err := p.Load(r.Ref)
			if err != nil {
				t.Fatal(err)
			}
			if (ev.Alert != nil) != r.Alert || (ev.Change != nil && ev.Change.ID != r.ID) {
				t.Errorf("row %+v loads %+v", r, ev)
			}
			ids = append(ids, r.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// TestRowsAreThoseOfThePlainDecode draws lines of any form and compares.
func TestRowsAreThoseOfThePlainDecode(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprintf("f%d.jsonl", n))
		var lines []string
		for range rapid.IntRange(1, 8).Draw(rt, "lines") {
			lines = append(lines, anyLine(rt))
		}
		write(t, path, lines...)
		p := open(t, dir, false, path)
		var want []providers.Row
		for _, l := range lines {
			ev, err := incident.DecodeEvent([]byte(l))
			if err != nil {
				continue
			}
			want = append(want, plainRow(ev))
		}
		slices.SortStableFunc(want, func(a, b providers.Row) int { return int(min(max(a.At-b.At, -1), 1)) })
		if d := cmp.Diff(want, rows(t, p, providers.Window{})); d != "" {
			rt.Fatalf("%s\n%s", strings.Join(lines, "\n"), d)
		}
		if err := p.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// plainRow is the row of an event with the environment that the provider adds.
func plainRow(ev providers.Event) providers.Row {
	nanos := func(t time.Time) int64 {
		if t.IsZero() {
			return 0
		}
		return t.UnixNano()
	}
	if a := ev.Alert; a != nil {
		return providers.Row{At: nanos(a.StartsAt), End: nanos(a.EndsAt), Alert: true, State: a.State, Service: a.Service, Environment: env(a.Environment), ID: a.ID, Provider: a.Provider}
	}
	c := ev.Change
	r := providers.Row{At: nanos(c.At()), End: nanos(c.EffectiveTo), Kind: c.Kind, Service: c.Service, Environment: env(c.Environment), Unit: c.Unit, ID: c.ID, Provider: c.Provider, Commit: c.Commit}
	if len(c.Artifacts) > 0 {
		r.Artifact = c.Artifacts[0]
	}
	return r
}

func env(s string) string {
	if s == "" {
		return "prod"
	}
	return s
}

// anyLine draws a feed line: well formed, or with something odd about it.
func anyLine(t *rapid.T) string {
	values := map[string][]string{
		"text":       {`"pay"`, `"a b"`, `""`, `"\u0061"`, `"é"`, `"x\ty"`, `"\ud800"`, `null`, `7`, `"\u001b[2Jx"`, `"` + "\x01" + `"`, `"\x"`, `["a"]`},
		"time":       {`"2026-03-01T12:00:00Z"`, `"2026-03-01T12:00:00.123456789Z"`, `"2026-02-30T12:00:00Z"`, `"2024-02-29T23:59:59.5Z"`, `"2026-03-01T13:00:00+01:00"`, `"2026-03-01"`, `null`, `""`, `"1970-01-01T00:00:00Z"`, `"2200-01-01T00:00:00Z"`, `"2026-03-01T24:00:00Z"`, `"2026-03-01T12:00:00,5Z"`, `"9999-12-31T23:59:59-01:00"`},
		"texts":      {`["d1","d2"]`, `[]`, `null`, `["\u0064"]`, `[1]`, `"d"`, `["d1",]`, `[null]`},
		"map":        {`{"name":"ana","kind":"human"}`, `{}`, `null`, `{"name":7}`, `{"Name":"x"}`, `{"name":"a","name":"b"}`, `{"a":}`},
		"int":        {`12`, `-3`, `1.5`, `1e3`, `012`, `99999999999999999999`, `"1"`, `null`},
		"bool":       {`true`, `false`, `null`, `1`, `tru`},
		"rollout":    {`[{"at":"2026-03-01T12:00:00Z","share":0.5}]`, `[{"share":1e999}]`, `[{"share":"x"}]`, `[{}]`, `[{"at":"2026-03-01T12:00:00Z","share":1,"x":2}]`},
		"assistance": {`{"state":"agent","evidence":["x",{"raw":"y"}],"checked":["git"]}`, `{"state":1}`, `{"evidence":"x"}`, `{"tools":[null]}`, `{"other":{}}`},
		"any":        {`1`, `{"a":[{"b":null}]}`, `[1,2,`, `"é\n"`, `-`, `1.`, `.5`, `{"k" : [ ] }`, `{"a":1,}`, `true`, `nul`, `"`},
		"type":       {`"change"`, `"change"`, `"change"`, `"alert"`, `"alert"`, `"note"`, `"\u0061lert"`, `null`},
		"state":      {`"firing"`, `"resolved"`, `"on fire"`, `"Firing"`, `5`},
	}
	kinds := map[string]string{
		"type": "type", "id": "text", "provider": "text", "kind": "text", "service": "text", "environment": "text", "title": "text", "unit": "text", "commit": "text",
		"name": "text", "summary": "text", "url": "text", "state": "state", "landed_at": "time", "effective_from": "time", "effective_to": "time", "starts_at": "time",
		"ends_at": "time", "artifacts": "texts", "paths": "texts", "author": "map", "labels": "map", "files": "int", "landed_approximate": "bool", "rollout": "rollout",
		"assistance": "assistance", "sources": "texts", "x_other": "any", "ID": "text", "Landed_At": "time", "commıt": "text", "\\u0069d": "text",
	}
	var names []string
	for n := range kinds {
		names = append(names, n)
	}
	slices.Sort(names)
	odd := rapid.IntRange(0, 3).Draw(t, "odd") == 0 // three of four lines have only values of their kind's first two
	parts := []string{`"type":` + rapid.SampledFrom(values["type"][:5]).Draw(t, "type"), `"id":"` + rapid.StringMatching(`[a-z]{1,4}`).Draw(t, "id") + `"`}
	for range rapid.IntRange(0, 7).Draw(t, "fields") {
		if !odd {
			n := rapid.SampledFrom(names[3:]).Draw(t, "name")
			if !strings.ContainsAny(n, "\\ı") && n != "type" && n != "id" {
				parts = append(parts, `"`+n+`":`+rapid.SampledFrom(values[kinds[n]][:2]).Draw(t, "value"))
			}
			continue
		}
		n := rapid.SampledFrom(names).Draw(t, "name")
		parts = append(parts, `"`+n+`"`+rapid.SampledFrom([]string{":", " : "}).Draw(t, "colon")+rapid.SampledFrom(values[kinds[n]]).Draw(t, "value"))
	}
	parts = rapid.Permutation(parts).Draw(t, "order")
	s := "{" + strings.Join(parts, rapid.SampledFrom([]string{",", ", "}).Draw(t, "comma")) + "}"
	if odd {
		s += rapid.SampledFrom([]string{"", "", "", " ", "}", "x", "{}"}).Draw(t, "tail")
	}
	return s
}

func TestConformance(t *testing.T) {
	make := func(t *testing.T) providers.Provider {
		dir := t.TempDir()
		var lines []string
		for i := range 200 {
			at := noon.Add(time.Duration(i) * time.Minute)
			lines = append(lines, line(t, change(fmt.Sprint("c", i), at)), line(t, alert(fmt.Sprint("a", i), at, at.Add(time.Minute))))
		}
		lines = append(lines, line(t, change("c1", noon.Add(time.Minute))), `{"type":"change","id":"evil\u001b[2J","title":"\u202ex","landed_at":"2026-03-01T12:03:00Z"}`)
		write(t, filepath.Join(dir, "feed.jsonl"), lines...)
		return open(t, dir, true, "feed.jsonl")
	}
	missing := func(t *testing.T) providers.Provider { return open(t, t.TempDir(), false, "none.jsonl") }
	providertest.Run(t, providertest.Suite{
		New:    make,
		Window: providers.Window{Since: noon, Until: noon.Add(time.Hour)},
		Faults: map[string]providertest.Fault{
			"no such file": {New: missing, Class: providers.ClassPermanent},
			"not there yet": {
				New:   func(t *testing.T) providers.Provider { return open(t, t.TempDir(), true, "none.jsonl") },
				Class: providers.ClassRetryable,
			},
			"half a document": {
				New: func(t *testing.T) providers.Provider {
					dir := t.TempDir()
					write(t, filepath.Join(dir, "x.json"), `{"format":"backout.incident/v1","changes":[`)
					return open(t, dir, false, "x.json")
				},
				Class: providers.ClassPermanent,
			},
		},
		Big: func(t *testing.T) providers.Provider {
			dir := t.TempDir()
			var b strings.Builder
			for i := range 100_000 {
				fmt.Fprintf(&b, `{"type":"change","id":"c%d","title":"change","landed_at":"2026-03-01T12:00:00Z"}`+"\n", i)
			}
			write(t, filepath.Join(dir, "big.jsonl"), b.String())
			return open(t, dir, true, "big.jsonl")
		},
		BigEvents: 100_000,
	})
}

// watching collects what Watch tells, by id.
func watching(t *testing.T, p *file.Provider) <-chan string {
	t.Helper()
	ids := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ev, err := range p.Watch(ctx) {
			id := ""
			switch {
			case err != nil:
				id = "error: " + err.Error()
			case ev.Change != nil:
				id = ev.Change.ID
			default:
				id = ev.Alert.ID
			}
			select {
			case ids <- id:
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return ids
}

func expect(t *testing.T, ids <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-ids:
			if got != w {
				t.Fatalf("got %q, want %q", got, w)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%q does not come", w)
		}
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// A watch that begins while the files are still being read leaves them to that reading.
func TestFollowWhileReading(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "feed.jsonl")
	var lines []string
	for i := range 50_000 {
		lines = append(lines, line(t, change(fmt.Sprint("old", i), noon)))
	}
	write(t, path, lines...)
	p := open(t, dir, true, "*.jsonl")
	n := 0
	for batch, err := range p.Rows(t.Context(), providers.Window{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			ids, got := watching(t, p), ""
			for i := 0; got == "" && i < 1000; i++ { // the watch may not have begun when the first one is written
				appendTo(t, path, line(t, change(fmt.Sprint("new", i), noon))+"\n")
				select {
				case got = <-ids:
				case <-time.After(20 * time.Millisecond):
				}
			}
			if !strings.HasPrefix(got, "new") {
				t.Fatalf("%q is the first that the watch tells", got)
			}
		}
		n += len(batch)
	}
	if n < len(lines) {
		t.Errorf("%d rows of %d", n, len(lines))
	}
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "feed.jsonl")
	l := func(id string) string { return line(t, change(id, noon)) + "\n" }
	write(t, path, strings.TrimSuffix(l("c1"), "\n"))
	p := open(t, dir, true, "*.jsonl")
	if n := len(rows(t, p, providers.Window{})); n != 1 {
		t.Fatalf("%d rows", n)
	}
	appendTo(t, path, l("between reading and watching"))
	ids := watching(t, p)
	expect(t, ids, "between reading and watching")

	half := l("in two parts")
	appendTo(t, path, half[:20])
	appendTo(t, path, half[20:]+"garbage\n"+l("after garbage"))
	expect(t, ids, "in two parts", "after garbage")
	for i := 0; !strings.Contains(p.Health().Detail, "1 skipped"); i++ {
		if time.Sleep(10 * time.Millisecond); i > 1000 { // between two looks: the system tells of a write when it likes
			t.Fatalf("health %+v", p.Health())
		}
	}

	if runtime.GOOS == "windows" {
		t.Skip("SKIP rotation: this system does not rename a file that is open")
	}
	if err := os.Rename(path, filepath.Join(dir, "feed.jsonl.1")); err != nil {
		t.Fatal(err)
	}
	appendTo(t, filepath.Join(dir, "feed.jsonl.1"), l("last words"))
	appendTo(t, path, l("rotated"))
	expect(t, ids, "last words", "rotated")

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, l("x"))
	expect(t, ids, "x")

	appendTo(t, filepath.Join(dir, "new.jsonl"), l("of a new file"))
	expect(t, ids, "of a new file")
	select {
	case id := <-ids:
		t.Errorf("%q came beside", id)
	default:
	}
}
