package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback/ledger"
)

// recordScreen is one entry in full: what it says, what it is linked to, and the line as it is stored.
type recordScreen struct {
	keymap
	c      *console
	of     *auditScreen
	row    auditRow
	signed []string // who signed it, in words; nil: that is being looked up
	scroll scroll
}

// look finds out who signed the entry: signatures lie beside the lines.
func (s *recordScreen) look() tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(s.c.ctx, callTimeout)
		defer cancel()
		words, err := s.c.opts.Audit.Signed(ctx, s.row.entry.Seq)
		if err != nil {
			words = []string{"not known: " + err.Error()}
		}
		return auditMsg{func() tea.Cmd {
			s.signed = words
			return nil
		}}
	}
}

func newRecordScreen(c *console, of *auditScreen, row auditRow) *recordScreen {
	s := &recordScreen{c: c, of: of, row: row}
	s.actions = []action{
		{keys: moveKeys(), label: "j/k", desc: "scroll", brief: true},
		{keys: []string{"y"}, label: "y", desc: "copy line", brief: true, do: func() tea.Cmd { return of.copyLine(row) }},
		{keys: []string{"v"}, label: "v", desc: "verify chain", brief: true, do: of.verify},
		{keys: []string{"p"}, label: "p", desc: "copy the command that proves it to others", line: func() string {
			return c.command("ledger prove " + itoa(int(row.entry.Seq)))
		}, do: func() tea.Cmd { return c.copy(c.command("ledger prove " + itoa(int(row.entry.Seq)))) }},
	}
	return s
}

// Title implements screen.
func (s *recordScreen) Title() string { return "RECORD " + itoa(int(s.row.entry.Seq)) }

func (s *recordScreen) back() bool { return s.of.back() }

// Update implements screen.
func (s *recordScreen) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		if cmd, ok := s.press(s.c, k.String()); ok {
			return cmd
		}
		s.scroll.move(k.String(), len(s.lines(s.c.w)), s.c.body())
	}
	return nil
}

// Render implements screen.
func (s *recordScreen) Render(w, h int) string {
	lines := s.scroll.window(s.lines(w), h)
	for i := range lines {
		lines[i] = cut(lines[i], w)
	}
	return strings.Join(lines, "\n")
}

func (s *recordScreen) lines(w int) []string {
	e, st := &s.row.entry, s.c.style
	out := []string{between(" "+st.bold("ENTRY "+count(int(e.Seq))), s.of.standing(), w)}
	add := func(name, value string) {
		if value == "" {
			return
		}
		for i, l := range wrap(plain(value), w-14) {
			if i > 0 {
				name = ""
			}
			out = append(out, " "+st.faint(fit(name, 11))+" "+l)
		}
	}
	add("what", e.Text)
	add("when", e.At.UTC().Format(time.RFC3339Nano))
	add("who", strings.TrimSpace(e.Actor+" "+bracketed(e.ActorKind)))
	add("kind", string(e.Kind))
	add("result", s.row.result)
	add("run", e.Run)
	add("unit", e.Unit)
	add("change", e.Change)
	add("incident", e.Incident)
	out = append(out, "")
	add("chain", s.of.chain(&s.row))
	add("prev", e.Prev)
	if s.row.line == nil {
		return out
	}
	add("hash", ledger.DigestOf(s.row.line).String())
	add("payload", e.Payload)
	for _, words := range s.signed {
		add("signature", words)
	}
	if e.Redacted != nil {
		add("redacted", strings.Join(e.Redacted.Fields, ", ")+": what was written is gone; its hash stays")
	}
	for _, f := range further(s.row.line) {
		add(f[0], f[1])
	}
	if len(e.Body) > 0 {
		out = append(out, "", " "+st.bold("BODY"))
		var b bytes.Buffer
		if json.Indent(&b, e.Body, "", "  ") == nil {
			for l := range strings.SplitSeq(b.String(), "\n") {
				indent := len(l) - len(strings.TrimLeft(l, " "))
				for _, part := range wrap(plain(l[indent:]), max(w-2-indent, 10)) {
					out = append(out, " "+pad(indent)+part)
				}
			}
		}
	}
	out = append(out, "", " "+st.bold("LINE")+"  as it is stored; its SHA-256 is the hash")
	if e.Redacted != nil {
		out[len(out)-1] = " " + st.bold("LINE") + "  that stands in for the one with that hash"
	}
	for _, l := range wrap(plain(string(s.row.line)), w-2) {
		out = append(out, " "+l)
	}
	return out
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

// further are the fields of a line that have no place above, such as a signature.
func further(line []byte) [][2]string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(line, &fields) != nil {
		return nil
	}
	shown := []string{"seq", "at", "kind", "actor", "actor_kind", "run", "unit", "change", "incident", "text", "body", "payload", "prev", "redacted"}
	var out [][2]string
	for name, raw := range fields {
		if slices.Contains(shown, name) {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		out = append(out, [2]string{name, text})
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}
