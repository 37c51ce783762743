package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback"
)

// drillsEvery is how often the drills are read again while they are looked at.
const drillsEvery = 2 * time.Second

// drillsScreen lists the units with the last execution of their way back, and shows one of them.
type drillsScreen struct {
	keymap
	c       *console
	book    DrillBook
	err     error
	read    bool // an answer came
	reading bool
	filter  string
	list    list
	whole   bool // the unit that is shown has the whole screen
	scroll  scroll
}

// drillsMsg brings the drills.
type drillsMsg struct {
	to   *drillsScreen
	book DrillBook
	err  error
}

// drillsAgainMsg makes the screen read them again.
type drillsAgainMsg struct{ to *drillsScreen }

// drillPlannedMsg brings a drill's plan.
type drillPlannedMsg struct {
	to     *drillsScreen
	unit   rollback.UnitID
	plan   rollback.Plan
	before []rollback.Precondition
	err    error
}

func newDrillsScreen(c *console) (*drillsScreen, tea.Cmd) {
	s := &drillsScreen{c: c}
	none := func() string { return whyIf(len(s.rows()) == 0, s.noUnit()) }
	s.actions = []action{
		{keys: moveKeys(), label: "j/k", desc: "move"},
		{keys: []string{"enter"}, label: "enter", desc: "details", brief: true, why: none, do: func() tea.Cmd {
			s.whole, s.scroll = !s.whole, scroll{}
			return nil
		}},
		{keys: []string{"D"}, label: "D", desc: "run drill (asks)", brief: true, acts: true, why: s.whyNoDrill, line: func() string {
			return c.command(CommandDrill, string(s.unit()))
		}, do: s.plan},
		{keys: []string{"/"}, label: "/", desc: "filter", brief: true, do: func() tea.Cmd {
			c.prompt = s.newFilter()
			return nil
		}},
		{keys: []string{"x"}, label: "x", desc: "export: copy the command", brief: true, do: func() tea.Cmd { return c.copy(c.command(CommandDrills)) }},
		{keys: []string{"y"}, label: "y", desc: "copy command", why: none, do: func() tea.Cmd { return c.copy(c.command(CommandDrill, string(s.unit()))) }},
	}
	return s, s.load()
}

// Title implements screen.
func (s *drillsScreen) Title() string { return "DRILLS" }

// rows are the units that the filter lets through, by their index.
func (s *drillsScreen) rows() []int {
	var out []int
	for i := range s.book.Units {
		if s.book.Units[i].matches(s.filter) {
			out = append(out, i)
		}
	}
	return out
}

// shown is the unit under the cursor, nil none.
func (s *drillsScreen) shown() *DrillUnit {
	rows := s.rows()
	if len(rows) == 0 {
		return nil
	}
	return &s.book.Units[rows[min(s.list.cursor, len(rows)-1)]]
}

func (s *drillsScreen) unit() rollback.UnitID {
	if u := s.shown(); u != nil {
		return u.Unit.ID
	}
	return ""
}

func (s *drillsScreen) newFilter() *prompt {
	before := s.filter
	set := func(text string) { s.filter, s.list = text, list{} }
	return &prompt{
		c: s.c, mark: "/", text: before, live: set,
		send:   func(text string) tea.Cmd { set(text); return nil },
		cancel: func() { set(before) },
		hint: func(string) string {
			return count(len(s.rows())) + " match   unit, kind, service, owner or result   enter keeps, esc drops"
		},
	}
}

// back closes the details before the screen itself is left.
func (s *drillsScreen) back() bool {
	was := s.whole
	s.whole = false
	return was
}

// noUnit says why there is no unit under the cursor.
func (s *drillsScreen) noUnit() string {
	if !s.read {
		return "the units are being looked at"
	}
	return "there is no unit"
}

func (s *drillsScreen) whyNoDrill() string {
	u := s.shown()
	switch {
	case s.c.readOnly() != "":
		return s.c.readOnly()
	case u == nil:
		return s.noUnit()
	case s.c.opts.Runs == nil:
		return "nothing here can start a drill"
	case u.OneWay != "":
		return "one-way: " + plain(u.OneWay)
	case u.NoTarget:
		return "there is no earlier revision that is known to have served well"
	case u.result() == drillLive:
		return u.last().ID + " is under way"
	case u.result() == drillLeft:
		return "go on with the last one first: " + s.c.command(CommandDrillResume, u.last().ID)
	default:
		return ""
	}
}

// Update implements screen.
func (s *drillsScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case drillsMsg:
		if msg.to == s {
			return s.loaded(msg)
		}
	case drillsAgainMsg:
		if msg.to == s {
			return s.load()
		}
	case drillPlannedMsg:
		if msg.to == s {
			s.planned(msg)
		}
	case tea.KeyPressMsg:
		if cmd, ok := s.press(s.c, msg.String()); ok {
			return cmd
		}
		if s.whole {
			s.scroll.move(msg.String(), len(s.details(s.c.w)), s.c.body())
		} else {
			s.list.move(msg.String(), len(s.rows()), s.listRows(s.c.body()))
		}
	}
	return nil
}

// load reads the drills, unless that is under way.
func (s *drillsScreen) load() tea.Cmd {
	c := s.c
	if s.reading || c.opts.Drills == nil {
		return nil
	}
	s.reading = true
	return c.call(func(ctx context.Context) tea.Msg {
		m := drillsMsg{to: s}
		m.book, m.err = c.opts.Drills.Drills(ctx)
		return m
	})
}

func (s *drillsScreen) loaded(m drillsMsg) tea.Cmd {
	s.reading, s.read, s.err = false, true, m.err
	if m.err == nil || len(m.book.Units) > 0 {
		s.book = m.book
	}
	for _, t := range s.c.stack {
		if t == screen(s) {
			return s.c.after(drillsEvery, drillsAgainMsg{s})
		}
	}
	return nil
}

// plan plans a drill of the unit; what comes back is asked about.
func (s *drillsScreen) plan() tea.Cmd {
	c, unit := s.c, s.unit()
	c.say("planning a drill of " + string(unit))
	return c.call(func(ctx context.Context) tea.Msg {
		m := drillPlannedMsg{to: s, unit: unit}
		m.plan, m.before, m.err = c.opts.Drills.PlanDrill(ctx, unit)
		return m
	})
}

func (s *drillsScreen) planned(m drillPlannedMsg) {
	switch {
	case m.err != nil:
		s.c.say(m.err.Error())
	case m.plan.Decision.NeedsReason:
		s.c.say("needs --reason WHY, something is unknown: " + s.c.command(CommandDrill, string(m.unit)))
	case s.c.top() == screen(s) && s.c.modal == nil:
		s.c.say("")
		s.c.ask(newDrillConfirm(s.c, m))
	}
}
