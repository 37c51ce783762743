package tui

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/posture"
)

// Audit reads the record. It is asked outside of the loop, with a deadline, and alters nothing of what the record says.
type Audit interface {
	Search(ctx context.Context, q ledger.Query) (ledger.Found, error)
	// Index goes on for a moment with making the index that searches use, and says how many entries are left.
	Index(ctx context.Context) (left int64, err error)
	// Verify tells now and then how many entries it has read.
	Verify(ctx context.Context, tell func(read int64)) (ledger.Report, error)
	// Signed says who signed an entry, in words, or that nobody did.
	Signed(ctx context.Context, seq int64) ([]string, error)
}

// longTimeout bounds what walks over the whole record.
const longTimeout = 15 * time.Minute

// auditScreen shows the record: it is read, searched, verified and exported here, and never altered.
type auditScreen struct {
	keymap
	c    *console
	text string // what was looked for, as it was typed
	rows auditRows
	list list
	err  error // of the last read

	loading  bool
	asked    int // rises with every new query: an answer to an earlier one is dropped
	indexing bool
	indexErr error

	posture    *posture.Report // as it was worked out last; nil: not yet
	postureErr error
	judging    bool

	stop     context.CancelFunc // of the verification that is under way; nil: none is
	began    time.Time
	read     atomic.Int64   // entries, by the verification that is under way
	report   *ledger.Report // of the last verification that ended
	ended    time.Time
	checkErr error
}

// auditMsg brings what was done outside of the loop back into it.
type auditMsg struct{ take func() tea.Cmd }

func newAuditScreen(c *console) *auditScreen {
	s := &auditScreen{c: c, rows: newAuditRows(ledger.Query{})}
	none := func() string {
		_, ok := s.rows.row(s.list.cursor)
		return whyIf(!ok, "there is no entry")
	}
	s.actions = []action{
		{keys: moveKeys(), label: "j/k", desc: "move", brief: true},
		{keys: []string{"enter"}, label: "enter", desc: "record", brief: true, why: none, do: func() tea.Cmd {
			row, _ := s.rows.row(s.list.cursor)
			record := newRecordScreen(c, s, row)
			c.push(record)
			return record.look()
		}},
		{keys: []string{"/"}, label: "/", desc: "search", brief: true, do: func() tea.Cmd {
			c.prompt = newAuditPrompt(c, s)
			return nil
		}},
		{keys: []string{"v"}, label: "v", desc: "verify chain", brief: true, do: s.verify},
		{keys: []string{"x"}, label: "x", desc: "export", brief: true, line: func() string {
			return c.command("ledger search" + s.flags() + " --output jsonl")
		}, why: func() string { return whyIf(c.opts.Export == nil, "there is nothing to write it to") }, do: s.export},
		{keys: []string{"y"}, label: "y", desc: "copy line", brief: true, why: none, do: func() tea.Cmd {
			row, _ := s.rows.row(s.list.cursor)
			return s.copyLine(row)
		}},
		{keys: []string{"o"}, label: "o", desc: "open incident", brief: true, why: s.whyNoIncident, do: func() tea.Cmd {
			row, _ := s.rows.row(s.list.cursor)
			c.showNamed(row.entry.Incident)
			c.stack = c.stack[:1]
			return nil
		}},
		{keys: []string{"c"}, label: "c", desc: "look again", do: func() tea.Cmd {
			s.posture, s.postureErr = nil, nil
			return tea.Batch(s.search(s.text), s.judge())
		}},
	}
	return s
}

// Title implements screen.
func (s *auditScreen) Title() string { return "AUDIT" }

// back ends the verification that is under way, before the screen is left.
func (s *auditScreen) back() bool {
	if s.stop == nil {
		return false
	}
	s.stop()
	return true
}

// Update implements screen.
func (s *auditScreen) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		if cmd, ok := s.press(s.c, k.String()); ok {
			return cmd
		}
		s.list.move(k.String(), s.rows.n(), s.visible(s.c.w, s.c.body()))
	}
	if s.c.top() != screen(s) {
		return nil
	}
	return s.load()
}

// load reads what is missing around the cursor, one answer at a time, and goes on with the index while that is not whole.
func (s *auditScreen) load() tea.Cmd {
	c, h := s.c, s.visible(s.c.w, s.c.body())
	s.list.clamp(s.rows.n(), h)
	q, missing := s.rows.want(s.list.top, h)
	switch {
	case missing && !s.loading && s.err == nil:
		s.loading = true
		asked := s.asked
		return c.call(func(ctx context.Context) tea.Msg {
			found, err := c.opts.Audit.Search(ctx, q)
			return auditMsg{func() tea.Cmd { return s.loaded(asked, q, found, err) }}
		})
	case s.rows.behind > 0 && !s.indexing && s.indexErr == nil && !s.loading:
		s.indexing = true
		return c.call(func(ctx context.Context) tea.Msg {
			left, err := c.opts.Audit.Index(ctx)
			return auditMsg{func() tea.Cmd { return s.indexed(left, err) }}
		})
	}
	return nil
}

func (s *auditScreen) loaded(asked int, q ledger.Query, f ledger.Found, err error) tea.Cmd {
	s.loading = false
	if asked == s.asked {
		if s.err = err; err == nil {
			s.rows.take(q, f)
		}
	}
	return s.load()
}

func (s *auditScreen) indexed(left int64, err error) tea.Cmd {
	s.indexing, s.indexErr = false, err
	if err == nil && left == 0 {
		s.restart() // entries that nobody looked at may be among them
	} else {
		s.rows.behind = left
	}
	return s.load()
}

// search begins anew with what was typed.
func (s *auditScreen) search(text string) tea.Cmd {
	q, err := auditQuery(text, s.c.now())
	if err != nil {
		s.c.say(err.Error())
		return nil
	}
	s.text, s.rows, s.list, s.indexErr = text, newAuditRows(q), list{}, nil
	s.restart()
	return s.load()
}

func (s *auditScreen) restart() {
	s.rows, s.err, s.loading = newAuditRows(s.rows.q), nil, false
	s.asked++
}

// verify walks over the whole record, in the background; the same key ends that.
func (s *auditScreen) verify() tea.Cmd {
	if s.stop != nil {
		s.stop()
		return nil
	}
	c := s.c
	ctx, cancel := context.WithTimeout(c.ctx, longTimeout)
	s.stop, s.began = cancel, c.now()
	s.read.Store(0)
	return func() tea.Msg {
		defer cancel()
		report, err := c.opts.Audit.Verify(ctx, s.read.Store)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return auditMsg{func() tea.Cmd {
			s.stop, s.checkErr = nil, err
			if err == nil {
				s.report, s.ended = &report, c.now()
			}
			return nil
		}}
	}
}

func (s *auditScreen) export() tea.Cmd {
	c, q := s.c, s.rows.q
	c.say("writing what is listed ...")
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(c.ctx, longTimeout)
		defer cancel()
		where, err := c.opts.Export(ctx, q)
		if err != nil {
			return saidMsg{text: "not written: " + err.Error()}
		}
		return saidMsg{text: where}
	}
}

func (s *auditScreen) copyLine(row auditRow) tea.Cmd {
	s.c.say(fmt.Sprintf("copied: the line of entry %d", row.entry.Seq))
	return tea.SetClipboard(string(row.line))
}

func (s *auditScreen) whyNoIncident() string {
	row, ok := s.rows.row(s.list.cursor)
	switch {
	case !ok:
		return "there is no entry"
	case row.entry.Incident == "":
		return "the entry belongs to no incident"
	default:
		return ""
	}
}

// newAuditPrompt takes what is looked for.
func newAuditPrompt(c *console, s *auditScreen) *prompt {
	return &prompt{
		c: c, mark: "/", text: s.text, send: s.search,
		hint: func(string) string {
			return `words "in this order" begin*   actor: unit: kind: outcome: ai: since:7d until:   enter searches, esc drops`
		},
	}
}

// auditQuery takes apart what was typed: words, and fields by their name.
func auditQuery(text string, now time.Time) (ledger.Query, error) {
	var q ledger.Query
	var words []string
	for _, word := range strings.Fields(text) {
		name, value, ok := strings.Cut(word, ":")
		if !ok || value == "" {
			words = append(words, word)
			continue
		}
		var err error
		switch name {
		case "actor":
			q.Actor = value
		case "unit":
			q.Unit = value
		case "kind":
			q.Kind = ledger.Kind(value)
		case "outcome":
			q.Outcome = value
		case "ai":
			q.Assistance = value
		case "since":
			q.Since, err = auditTime(value, now)
		case "until":
			q.Until, err = auditTime(value, now)
		default:
			words = append(words, word)
		}
		if err != nil {
			return q, err
		}
	}
	q.Text = strings.Join(words, " ")
	return q, q.Check()
}

// auditTime reads how long ago ("7d", "90m"), a day ("2026-10-09"), or a time as a record has it ("2026-10-09T14:02:00Z").
func auditTime(value string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04"} {
		if t, err := time.Parse(form, value); err == nil {
			return t.UTC(), nil
		}
	}
	var days int
	if n, err := fmt.Sscanf(value, "%dd", &days); err == nil && n == 1 && value == fmt.Sprintf("%dd", days) {
		return now.UTC().AddDate(0, 0, -days), nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 {
		return time.Time{}, fmt.Errorf("%q is no time: 7d, 90m, 2026-10-09 or 2026-10-09T14:02 (UTC)", value)
	}
	return now.UTC().Add(-d), nil
}

// flags are what the command line takes for the same.
func (s *auditScreen) flags() string {
	q, out := s.rows.q, ""
	if q.Text != "" {
		out += " -- " + shellWord(q.Text)
	}
	for _, f := range [][2]string{{"actor", q.Actor}, {"unit", q.Unit}, {"kind", string(q.Kind)}, {"outcome", q.Outcome}, {"assistance", q.Assistance}} {
		if f[1] != "" {
			out = " --" + f[0] + " " + shellWord(f[1]) + out
		}
	}
	for name, t := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !t.IsZero() {
			out = " --" + name + " " + t.Format(time.RFC3339) + out
		}
	}
	return out
}

// shellWord is one word for a shell.
func shellWord(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
