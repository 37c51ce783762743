package tui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// kept is a real record, and what was asked of it.
type kept struct {
	*store.DB
	exported []ledger.Query
	queries  []ledger.Query
}

func (k *kept) Search(ctx context.Context, q ledger.Query) (ledger.Found, error) {
	k.queries = append(k.queries, q)
	return k.DB.Search(ctx, q)
}

func (k *kept) Verify(ctx context.Context, _ func(int64)) (ledger.Report, error) {
	return k.DB.Verify(ctx)
}

func (k *kept) Signed(context.Context, int64) ([]string, error) {
	return []string{"signed by ana@acme, SHA256:lVh5bH0ZQ7Yd0uXv2mJq9W8c3rTn6sKfGx1aPzEoBiM"}, nil
}

func (k *kept) Index(ctx context.Context) (int64, error) { return k.IndexPiece(ctx) }

func (k *kept) export(_ context.Context, q ledger.Query) (string, error) {
	k.exported = append(k.exported, q)
	return "12 entries are in record.jsonl", nil
}

func newRecord(t testing.TB, entries ...ledger.Entry) *kept {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "b.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	err = db.Update(t.Context(), func(tx *store.Tx) error {
		for _, e := range entries {
			if _, err := tx.Append(e, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &kept{DB: db}
}

// baking is what the bakery's record holds.
func baking() []ledger.Entry {
	raw := func(v any) json.RawMessage {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return b
	}
	oven := "releases:bakery/oven"
	unit := []ledger.RunUnit{{Unit: oven, From: "41aa", To: "40bb", FromLabel: "r41", ToLabel: "r40"}}
	return []ledger.Entry{
		{At: at("13:50:00"), Kind: ledger.KindNote, Actor: "mira@bakery", ActorKind: "human", Text: "the oven smells"},
		{At: at("14:07:00"), Kind: ledger.KindRefusal, Actor: "bot/baker", ActorKind: "agent", Unit: oven, Text: "refused bot/baker: an agent may not", Body: raw(ledger.RunBody{State: "refused", Units: unit, Assistance: "agent"})},
		{At: at("14:20:00"), Kind: ledger.KindPlan, Actor: "ana@bakery", ActorKind: "human", Run: "RUN-0192", Unit: oven, Change: "c09", Incident: "INC-1", Text: "plan 9c1e44d0: " + oven + " from r41 to r40", Body: raw(ledger.RunBody{PlanHash: "9c1e44d0", Units: unit, Assistance: "assisted"})},
		{At: at("14:20:00"), Kind: ledger.KindConfirmation, Actor: "ana@bakery", ActorKind: "human", Run: "RUN-0192", Unit: oven, Incident: "INC-1", Text: "ana@bakery confirmed plan 9c1e44d0 (console)"},
		{At: at("14:20:29"), Kind: ledger.KindOutcome, Actor: "ana@bakery", ActorKind: "human", Run: "RUN-0192", Unit: oven, Incident: "INC-1", Text: "RUN-0192 succeeded: 2 of 2 hosts on r40", Body: raw(ledger.RunBody{State: "succeeded", Reason: "crusts burn", Units: unit})},
		{At: at("14:20:29"), Kind: ledger.KindVerification, Actor: "ana@bakery", ActorKind: "human", Run: "RUN-0192", Unit: oven, Text: "RUN-0192: going back with " + oven + " from r41 to r40: pass", Body: json.RawMessage(`{"outcome":"pass"}`)},
	}
}

// audited is a world with a record, and its audit screen open.
func audited(t testing.TB, k *kept, change func(o *Options)) *world {
	w := newWorld(t, func(o *Options, _ *fake) {
		o.Audit, o.Export = k, k.export
		if change != nil {
			change(o)
		}
	})
	w.press("7")
	return w
}

func (w *world) typed(text string) {
	for _, r := range text {
		if r == ' ' {
			w.press("space")
			continue
		}
		w.press(string(r))
	}
}

func TestAuditScreens(t *testing.T) {
	ways := map[string]func(w *world){
		"audit":          func(*world) {},
		"audit-verified": func(w *world) { w.press("j", "j", "v") },
		"audit-search": func(w *world) {
			w.press("/")
			w.typed(`crusts actor:ana@bakery`)
			w.press("enter")
		},
		"audit-nothing": func(w *world) {
			w.press("/")
			w.typed("cake")
			w.press("enter")
		},
		"audit-record": func(w *world) { w.press("j", "v", "enter") },
	}
	for name, way := range ways {
		for _, size := range [][2]int{{80, 24}, {120, 36}} {
			for _, color := range []string{"color", "nocolor"} {
				t.Run(fmt.Sprintf("%s-%dx%d-%s", name, size[0], size[1], color), func(t *testing.T) {
					k := newRecord(t, baking()...)
					w := audited(t, k, func(o *Options) { o.NoColor, o.ASCII = color == "nocolor", color == "nocolor" })
					w.size(size[0], size[1])
					way(w)
					golden.RequireEqual(t, w.screen())
				})
			}
		}
	}
}

func TestAuditFitsWhateverIsInTheRecord(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := func() string { return nasty().Draw(rt, "outside") }
		entries := baking()
		for i := range entries {
			entries[i].Text, entries[i].Actor, entries[i].Unit, entries[i].Incident = text(), text(), text(), text()
		}
		rows := newAuditRows(ledger.Query{})
		f := ledger.Found{}
		for i := range entries {
			entries[i].Seq = int64(len(entries) - i)
			line, err := ledger.Line(entries[i])
			if err != nil {
				rt.Skip(err)
			}
			f.Entries, f.Lines = append(f.Entries, entries[i]), append(f.Lines, line)
		}
		w := newWorld(t, func(o *Options, _ *fake) { o.Audit = &kept{} })
		s := newAuditScreen(w.m.console)
		rows.take(rows.q, f)
		s.rows = rows
		w.m.push(s)
		for _, open := range []func(){func() {}, func() { w.m.push(newRecordScreen(w.m.console, s, s.rows.bySeq[3])) }} {
			open()
			x, y := rapid.IntRange(minWidth, 200).Draw(rt, "w"), rapid.IntRange(minHeight, 60).Draw(rt, "h")
			check(rt, w.m.Render(x, y), x, y)
		}
	})
}

func TestAuditKeys(t *testing.T) {
	k := newRecord(t, baking()...)
	w := audited(t, k, func(o *Options) { o.ReadOnly = "read-only mode" })
	w.press("x")
	if len(k.exported) != 1 || !strings.Contains(w.screen(), "12 entries are in record.jsonl") {
		t.Errorf("exported %v:\n%s", k.exported, w.screen())
	}
	w.press("o")
	if !strings.Contains(w.screen(), "the entry belongs to no incident") {
		t.Errorf("an entry of no incident:\n%s", w.screen())
	}
	w.press("j", "y")
	if got := fmt.Sprint(w.out[len(w.out)-1]); !strings.Contains(got, `"state":"succeeded"`) || !strings.Contains(got, `"seq":5`) {
		t.Errorf("copied %s", got)
	}
	w.press("o")
	if strings.Contains(w.screen(), "AUDIT") || !strings.Contains(w.screen(), "showing INC-1") {
		t.Errorf("the incident is not open:\n%s", w.screen())
	}
	w.press("7")
	if !strings.Contains(w.screen(), ">2026-10-09 14:20 ana@bakery       outcome") {
		t.Errorf("it is not where it was left:\n%s", w.screen())
	}
	w.press("?")
	if !strings.Contains(w.screen(), "backout ledger search --output jsonl") {
		t.Errorf("the help does not name the command:\n%s", w.screen())
	}
}

func TestAuditFindsDamage(t *testing.T) {
	k := newRecord(t, baking()...)
	w := audited(t, k, nil)
	w.press("v")
	if got := ansiFree(w.screen()); strings.Count(got, " ok ") < 6 || !strings.Contains(got, "chain of 6 verified") {
		t.Errorf("what holds is not told:\n%s", got)
	}
	w.m.audit.report.Add(4, ledger.Altered, "entry 4 was altered")
	got := ansiFree(w.m.Render(120, 36))
	if !strings.Contains(got, "1 problem, the first at 4: altered") || strings.Count(got, "BAD") != 1 || strings.Count(got, "unknown") != 5 {
		t.Errorf("what is damaged is not told, or more is called good than was shown:\n%s", got)
	}
}

// slow answers a verification when its context ends: a real one is over before a key could be pressed.
type slow struct{ *kept }

func (s slow) Verify(ctx context.Context, tell func(int64)) (ledger.Report, error) {
	tell(430_000)
	<-ctx.Done()
	return ledger.Report{}, errors.Join(errors.New("cut short"), ctx.Err())
}

func TestVerificationIsEndedByAKey(t *testing.T) {
	k := newRecord(t, baking()...)
	w := newWorld(t, func(o *Options, _ *fake) { o.Audit = slow{k} })
	w.press("7")
	verify := w.m.audit.verify()
	if got := w.screen(); !strings.Contains(got, "AUDIT") {
		t.Fatal(got)
	}
	w.wait(90 * time.Second)
	w.send(tickMsg{})
	if got := w.screen(); !strings.Contains(got, "verifying for 1:30, v ends it") {
		t.Errorf("it is not told how long:\n%s", got)
	}
	w.m.audit.read.Store(20_000)
	if got := ansiFree(w.m.Render(80, 24)); !strings.Contains(got, "verifying, 20,000 read for 1:30, v ends it") {
		t.Errorf("it is not told how far:\n%s", got)
	}
	w.press("esc")
	w.send(verify())
	if w.m.audit.read.Load() != 430_000 {
		t.Error("how far it came was told to nobody")
	}
	if got := w.screen(); !strings.Contains(got, "AUDIT") || !strings.Contains(got, "ended before it was through") {
		t.Errorf("after esc:\n%s", got)
	}
}

// TestALongRecordIsReadWhereItIsLookedAt goes over a record of a million entries that nobody could hold.
func TestALongRecordIsReadWhereItIsLookedAt(t *testing.T) {
	const n, h = 1_000_000, 30
	r, reads := newAuditRows(ledger.Query{}), 0
	answer := func(q ledger.Query) ledger.Found {
		reads++
		from := int64(n)
		if q.Before > 0 {
			from = q.Before - 1
		}
		f := ledger.Found{More: from > int64(q.Limit)}
		for seq := from; seq > max(0, from-int64(q.Limit)); seq-- {
			f.Entries, f.Lines = append(f.Entries, ledger.Entry{Seq: seq}), append(f.Lines, nil)
		}
		return f
	}
	var l list
	show := func() {
		l.clamp(r.n(), h)
		for q, missing := r.want(l.top, h); missing; q, missing = r.want(l.top, h) {
			r.take(q, answer(q))
			l.clamp(r.n(), h)
		}
		if row, ok := r.row(l.cursor); !ok || row.entry.Seq != n-int64(l.cursor) {
			t.Fatalf("row %d is entry %d", l.cursor, row.entry.Seq)
		}
	}
	show()
	for _, key := range strings.Fields(strings.Repeat("pgdown ", 500) + "G " + strings.Repeat("k ", 500) + strings.Repeat("pgup ", 100) + "g") {
		l.move(key, r.n(), h)
		show()
	}
	if len(r.bySeq) > auditKept+auditPage || reads > 250 || r.n() != n {
		t.Errorf("%d entries are held after %d reads, of %d", len(r.bySeq), reads, r.n())
	}
}

func TestAuditQuery(t *testing.T) {
	now := at("14:00:00")
	q, err := auditQuery(`crust "very dark" actor:ana@bakery unit:releases:bakery/oven kind:note outcome:pass ai:agent since:7d until:2026-10-09 http://x`, now)
	want := ledger.Query{
		Text: `crust "very dark" http://x`, Actor: "ana@bakery", Unit: "releases:bakery/oven", Kind: "note", Outcome: "pass", Assistance: "agent",
		Since: now.AddDate(0, 0, -7), Until: at("00:00:00"),
	}
	if err != nil || q != want {
		t.Errorf("%+v, %v", q, err)
	}
	for _, odd := range []string{"since:yesterday", "until:2026-13-01", "kind:plna", "ai:robot"} {
		if _, err := auditQuery(odd, now); err == nil {
			t.Errorf("%s is taken, and nothing would be found", odd)
		}
	}
	for text, want := range map[string]string{"since:2026-10-09T14:02:00Z": "14:02:00", "since:2026-10-09T14:02": "14:02:00", "since:2026-10-09T16:02:00+02:00": "14:02:00"} {
		if q, err := auditQuery(text, now); err != nil || !q.Since.Equal(at(want)) {
			t.Errorf("%s: %v, %v", text, q.Since, err)
		}
	}
}
