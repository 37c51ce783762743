package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// runsScreen lists the runs that are live or ended lately.
type runsScreen struct {
	keymap
	c    *console
	list list
}

func newRunsScreen(c *console) *runsScreen {
	s := &runsScreen{c: c}
	none := func() string { return whyIf(len(c.st.Runs) == 0, "there is no run") }
	s.actions = []action{
		{keys: moveKeys(), label: "j/k", desc: "move", brief: true},
		{keys: []string{"enter"}, label: "enter", desc: "open run", brief: true, why: none, do: func() tea.Cmd {
			r, cmd := newRunScreen(c, c.st.Runs[s.at()])
			c.push(r)
			return cmd
		}},
		{keys: []string{"y"}, label: "y", desc: "copy id", brief: true, why: none, do: func() tea.Cmd { return c.copy(c.st.Runs[s.at()].ID) }},
	}
	return s
}

func (s *runsScreen) at() int { return min(s.list.cursor, len(s.c.st.Runs)-1) }

// Title implements screen.
func (s *runsScreen) Title() string { return "RUNS" }

// Update implements screen.
func (s *runsScreen) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		if cmd, ok := s.press(s.c, k.String()); ok {
			return cmd
		}
		s.list.move(k.String(), len(s.c.st.Runs), s.c.body()-1)
	}
	return nil
}

// Render implements screen.
func (s *runsScreen) Render(w, h int) string {
	p := newPage(w, h)
	ck := s.c.clock()
	span, id, by := time.Duration(1<<62), 20, 14
	if w < wideWidth {
		span, id, by = 100*24*time.Hour, 14, 0
	}
	tw := ck.columns(span)
	p.add(s.c.style.faint(" " + fit(ck.label(), tw) + " " + fit("RUN", id) + " " + fit("STATE", 22) + " " + fit("BY", by) + " WHAT"))
	l := s.list
	l.clamp(len(s.c.st.Runs), h-1)
	for i := l.top; i < len(s.c.st.Runs); i++ {
		r := &s.c.st.Runs[i]
		text := fit(ck.row(r.StartedAt, span), tw) + " " + fit(plain(r.ID), id) + " " + fit(runWord(r), 22) + " " +
			fit(plain(r.By.By.ID), by) + " " + what(&r.Plan)
		if i == l.cursor {
			p.add(s.c.style.reverse(fit(">"+text, w)))
			continue
		}
		p.add(" " + text)
	}
	if len(s.c.st.Runs) == 0 {
		p.add("", " there is no run")
	}
	return p.text()
}

// sourcesScreen shows each source's health in full.
type sourcesScreen struct {
	keymap
	c      *console
	scroll scroll
}

func newSourcesScreen(c *console) *sourcesScreen {
	s := &sourcesScreen{c: c}
	s.actions = []action{{keys: moveKeys(), label: "j/k", desc: "scroll", brief: true}}
	return s
}

// Title implements screen.
func (s *sourcesScreen) Title() string { return "SOURCES" }

// Update implements screen.
func (s *sourcesScreen) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		s.scroll.move(k.String(), len(s.lines(s.c.w)), s.c.body())
	}
	return nil
}

func (s *sourcesScreen) lines(w int) []string {
	p := newPage(w, 1000)
	p.add(s.c.style.faint(" " + fit("SOURCE", 18) + " " + fit("STATE", 9) + " " + fit("LAST ANSWER", 24) + " " + fit("TOOK", 8) + " CLOCK"))
	for i := range s.c.st.Health {
		h := &s.c.st.Health[i]
		last := "never"
		if !h.LastOK.IsZero() {
			last = s.c.clock().stamp(h.LastOK)
		}
		skew := "same"
		if h.Skew != 0 {
			skew = lasted(h.Skew.Abs())
			if h.Skew > 0 {
				skew += " ahead"
			} else {
				skew += " behind"
			}
		}
		state := fit(string(h.State), 9)
		switch h.State {
		case providers.HealthOK:
			state = s.c.style.good(state)
		case providers.HealthFailing:
			state = s.c.style.bad(state)
		default:
			state = s.c.style.careful(state)
		}
		p.add(" " + fit(plain(h.Provider), 18) + " " + state + " " + fit(last, 24) + " " + fit(lasted(h.Latency), 8) + " " + skew)
		if h.Detail != "" {
			for _, l := range wrap(plain(h.Detail), w-5) {
				p.add("    " + s.c.style.faint(l))
			}
		}
	}
	if len(s.c.st.Health) == 0 {
		p.add(" no source is configured")
	}
	for _, h := range s.c.opts.Hints {
		p.add("", " "+plain(h))
	}
	return p.lines
}

// Render implements screen.
func (s *sourcesScreen) Render(w, h int) string {
	return strings.Join(s.scroll.window(s.lines(w), h), "\n")
}

// usageColumn is how wide the commands are in the help; the text of a longer one goes below it.
const usageColumn = 14

// helpScreen is the modal with every key of the screen below it, why it is off, and its command line.
type helpScreen struct {
	keymap
	c      *console
	of     screen
	scroll scroll
}

func newHelpScreen(c *console, of screen) *helpScreen {
	s := &helpScreen{c: c, of: of}
	s.actions = []action{{keys: []string{"?", "q", "enter"}, label: "esc", desc: "close", brief: true, do: func() tea.Cmd {
		c.dismiss()
		return nil
	}}}
	return s
}

// Title implements screen.
func (s *helpScreen) Title() string { return "HELP" }

// Update implements screen.
func (s *helpScreen) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		if cmd, ok := s.press(s.c, k.String()); ok {
			return cmd
		}
		s.scroll.move(k.String(), len(s.lines()), s.c.h-6)
	}
	return nil
}

func (s *helpScreen) lines() []string {
	var out []string
	add := func(actions []action) {
		for i := range actions {
			a := &actions[i]
			if a.label == "" {
				continue // the second key of a pair
			}
			out = append(out, " "+fit(a.label, 8)+" "+a.desc)
			if why := a.off(); why != "" {
				out = append(out, "          "+s.c.style.careful("off: "+plain(why)))
			}
			if a.line != nil && a.line() != "" {
				out = append(out, "          "+s.c.style.faint(a.line()))
			}
		}
	}
	add(s.of.keys())
	out = append(out, "", " "+s.c.style.bold("EVERYWHERE"))
	add(globals())
	out = append(out, "", " "+s.c.style.bold("COMMANDS"))
	for _, v := range verbs() {
		if len(v.usage) > usageColumn {
			out = append(out, " :"+v.usage, pad(usageColumn+3)+v.help)
			continue
		}
		out = append(out, " :"+fit(v.usage, usageColumn)+" "+v.help)
	}
	return out
}

// Render implements screen.
func (s *helpScreen) Render(w, h int) string {
	bw := min(84, w-4)
	lines := s.lines()
	rows := min(len(lines), h-6)
	title := s.of.Title()
	if title == "" {
		title = "TIMELINE"
	}
	body := []string{between(s.c.style.bold("KEYS OF "+title), "j/k scroll   esc close", bw-4)}
	body = append(body, s.scroll.window(lines, rows)...)
	for i := range body {
		body[i] = cut(body[i], bw-4)
	}
	return strings.Join(s.c.style.box(body, bw), "\n")
}

// runWord is where a run stands; one that waits for somebody says so.
func runWord(r *rollback.Run) string {
	if r.Paused && !r.State.Final() {
		return "PAUSED by " + plain(r.PauseBy)
	}
	return string(r.State)
}
