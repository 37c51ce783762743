package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/providers"
)

// span is one choice of the window key; zero is everything.
type span struct {
	name string
	d    time.Duration
}

func spans() []span {
	const day = 24 * time.Hour
	return []span{
		{"15m", 15 * time.Minute},
		{"1h", time.Hour},
		{"2h", 2 * time.Hour},
		{"6h", 6 * time.Hour},
		{"12h", 12 * time.Hour},
		{"24h", day},
		{"7d", 7 * day},
		{"30d", 30 * day},
		{"1y", 365 * day},
		{"all", 0},
	}
}

// timelineScreen lists what happened, newest first, under lanes that show when. It follows the newest entry until the
// reader moves away from the top, and then says how much is new.
type timelineScreen struct {
	keymap
	c      *console
	list   list
	view   *view
	filter string
	span   span

	hold   bool   // the reader is somewhere: new entries must not move it
	pinned string // the entry under the cursor
	pinAt  time.Time
	above  int       // entries that came in above since the reader holds
	jumped time.Time // when the cursor last moved by itself to another suspect
	chosen bool      // the reader chose the window
}

func newTimelineScreen(c *console) *timelineScreen {
	s := &timelineScreen{c: c, span: spans()[1], view: &view{}}
	s.actions = []action{
		{keys: moveKeys(), label: "j/k", desc: "move", brief: true},
		{keys: []string{"enter", "tab"}, label: "enter", desc: "culprit", brief: true, do: s.open},
		{keys: []string{"e"}, label: "e", desc: "the evidence for and against it", do: s.open},
		{keys: []string{"r"}, label: "r", desc: "plan", brief: true, why: s.whyNoPlan, do: s.plan},
		{keys: []string{"/"}, label: "/", desc: "filter", brief: true, do: func() tea.Cmd {
			c.prompt = newFilter(c, s)
			return nil
		}},
		{keys: []string{"t"}, label: "t", desc: "window", brief: true, do: s.nextSpan},
		{keys: []string{"n"}, label: "n/p", desc: "suspects", brief: true, why: s.whyNoSuspect, do: func() tea.Cmd { return s.suspect(1) }},
		{keys: []string{"p"}, why: s.whyNoSuspect, do: func() tea.Cmd { return s.suspect(-1) }},
		{keys: []string{"f"}, label: "f", desc: "follow the newest", do: s.follow},
		{keys: []string{"y"}, label: "y", desc: "copy id", brief: true, why: s.whyEmpty, do: func() tea.Cmd { return c.copy(plain(s.handle())) }},
		{keys: []string{"o"}, label: "o", desc: c.openWord(), why: s.whyNoLink, do: func() tea.Cmd { return c.open(s.link()) }},
		{keys: []string{"s"}, label: "s", desc: "copy a command that opens this incident as it is now", why: func() string {
			return whyIf(c.st.Incident == nil, "no incident is open")
		}, do: func() tea.Cmd { return c.copy(c.share()) }},
	}
	return s
}

func moveKeys() []string {
	return []string{"j", "k", "down", "up", "g", "G", "home", "end", "ctrl+f", "ctrl+b", "pgdown", "pgup", "ctrl+d", "ctrl+u"}
}

func whyIf(off bool, why string) string {
	if off {
		return why
	}
	return ""
}

// Title implements screen. The first screen needs none.
func (s *timelineScreen) Title() string { return "" }

// Update implements screen.
func (s *timelineScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case stateMsg, tickMsg, tea.WindowSizeMsg:
		s.refresh()
		return s.load()
	case tea.KeyPressMsg:
		key := msg.String()
		if cmd, ok := s.press(s.c, key); ok {
			return tea.Batch(cmd, s.load())
		}
		if s.list.move(key, s.view.len(), s.rows()) {
			s.pin()
		}
		return s.load()
	}
	return nil
}

// load brings the visible lines that are not in memory.
func (s *timelineScreen) load() tea.Cmd { return s.c.load(s.view, s.list.top, s.list.top+s.rows()) }

// pin keeps the reader on the entry under the cursor.
func (s *timelineScreen) pin() {
	s.hold = s.list.cursor > 0
	if !s.hold {
		s.above = 0
	}
	e := s.current()
	s.pinned, s.pinAt = e.id, e.at
}

func (s *timelineScreen) current() entry { return s.view.entry(s.list.cursor) }

func (s *timelineScreen) rows() int {
	_, _, rows := s.layout(s.c.w, s.c.body())
	return rows
}

// window is what is shown. Live, it has no end, so that an entry from a source whose clock is ahead is not lost.
func (s *timelineScreen) window() providers.Window {
	end := s.end()
	w := providers.Window{}
	if !s.c.opts.At.IsZero() {
		w.Until = end
	}
	if s.span.d > 0 {
		w.Since = end.Add(-s.span.d)
	}
	return w
}

// end is the right edge of the lanes, in steps of a hundredth of the window, so that they do not creep.
func (s *timelineScreen) end() time.Time {
	end := s.c.now()
	if at := s.c.opts.At; !at.IsZero() {
		end = at.Add(s.span.d / 4)
	}
	if step := s.span.d / 100; step > 0 {
		end = end.Truncate(step).Add(step)
	} else if s.c.opts.At.IsZero() {
		end = end.Truncate(time.Minute).Add(time.Minute) // of everything there is no hundredth
	}
	return end
}

// refresh asks the snapshot again and finds the reader's place in the answer.
func (s *timelineScreen) refresh() {
	if !s.chosen && !s.c.touch {
		s.autoSpan()
	}
	s.view = s.c.board.query(s.filter, s.window())
	n := s.view.len()
	switch {
	case !s.c.touch:
		s.autoPlace()
	case s.hold:
		if i, ok := s.view.find(s.pinned, s.pinAt); ok {
			s.above += max(i-s.list.cursor, 0)
			s.list.top += i - s.list.cursor
			s.list.cursor = i
		}
	default:
		s.list.cursor, s.list.top = 0, 0
	}
	s.list.clamp(n, s.rows())
	if !s.hold || !s.c.touch {
		s.pin()
	}
}

// autoSpan chooses the shortest window that shows the incident with half an hour before it and its top suspect, or,
// without an incident, some history.
func (s *timelineScreen) autoSpan() {
	if s.c.st.Snapshot == nil || s.c.st.Snapshot.Len() == 0 {
		return
	}
	since := time.Time{}
	if inc := s.c.st.Incident; inc != nil {
		since = inc.OpenedAt.Add(-30 * time.Minute)
		if r := s.c.st.Ranking.Ranking; len(r) > 0 {
			if ch, ok := s.c.change(r[0].Change); ok && !ch.At().IsZero() && ch.At().Before(since) {
				since = ch.At().Add(-time.Minute)
			}
		}
	}
	for _, sp := range spans()[1:] {
		s.span = sp
		if !since.IsZero() && sp.d > 0 && !since.Before(s.end().Add(-sp.d)) {
			return
		}
		if since.IsZero() && s.c.board.query("", s.window()).len() >= 10 {
			return
		}
	}
}

// autoPlace stands on the change that was asked for, else on the top suspect, else on the newest entry.
func (s *timelineScreen) autoPlace() {
	want := s.c.opts.Change
	if want == "" && s.c.st.Incident != nil && !s.c.noneFirst() {
		want = s.c.st.Ranking.Ranking[0].Change
	}
	if want == "" {
		s.list.cursor = 0
		return
	}
	ch, ok := s.c.change(want)
	if !ok {
		return
	}
	if i, ok := s.view.find(ch.ID, ch.At()); ok {
		if s.pinned != "" && s.pinned != ch.ID {
			s.jumped = s.c.now()
		}
		s.list.cursor = i
	}
}

func (s *timelineScreen) nextSpan() tea.Cmd {
	all := spans()
	for i, sp := range all {
		if sp == s.span {
			s.setSpan(all[(i+1)%len(all)])
			break
		}
	}
	return nil
}

func (s *timelineScreen) setSpan(sp span) {
	s.span, s.chosen = sp, true
	s.hold = s.list.cursor > 0
	s.refresh()
	s.above = 0
	s.c.say("window: " + sp.name)
}

func (s *timelineScreen) setFilter(f string) {
	s.filter = f
	s.refresh()
	s.above = 0
}

func (s *timelineScreen) follow() tea.Cmd {
	s.list, s.hold, s.above = list{}, false, 0
	s.pin()
	s.c.say("following the newest")
	return nil
}

// open shows the culprit of the entry under the cursor.
func (s *timelineScreen) open() tea.Cmd {
	s.c.push(newCulpritScreen(s.c, s.current().id))
	return nil
}

func (s *timelineScreen) plan() tea.Cmd {
	p, cmd := newPlanScreen(s.c, *s.current().change)
	s.c.push(p)
	return cmd
}

func (s *timelineScreen) suspect(step int) tea.Cmd {
	r := s.c.st.Ranking.Ranking
	i, ok := s.c.suspect(s.current().id)
	if ok {
		i = (i + step + len(r)) % len(r)
	}
	if ch, found := s.c.change(r[i].Change); found {
		if at, there := s.view.find(ch.ID, ch.At()); there {
			s.list.cursor = at
			s.list.clamp(s.view.len(), s.rows())
			s.pin()
			return nil
		}
	}
	s.c.push(newCulpritScreen(s.c, r[i].Change))
	return nil
}

func (s *timelineScreen) whyEmpty() string { return whyIf(s.view.len() == 0, "the list is empty") }

func (s *timelineScreen) whyNoSuspect() string {
	return whyIf(len(s.c.st.Ranking.Ranking) == 0, "there is no ranking: no incident, or no change before it")
}

// whyNoPlan is why the entry under the cursor cannot be planned.
func (s *timelineScreen) whyNoPlan() string {
	switch e := s.current(); {
	case s.view.len() == 0:
		return "the list is empty"
	case e.alert:
		return "an alert cannot be taken back: stand on a change"
	case e.note:
		return "a note altered nothing: stand on a change"
	case s.c.opts.Planner == nil:
		return "no unit is configured"
	case e.change == nil:
		return "the change is still being read: press again"
	case s.c.now().Sub(s.jumped) < s.c.opts.Grace:
		return "the cursor has only just moved to another suspect: press again"
	default:
		return s.c.st.Rollback[e.id].WhyNot
	}
}

func (s *timelineScreen) link() string {
	if s.view.len() == 0 {
		return ""
	}
	e := s.current()
	return s.c.linkOf(e.provider, e.id, e.change)
}

func (s *timelineScreen) whyNoLink() string { return whyIf(s.link() == "", "no link is known for it") }

// status says how much there is, what the filter hides and what is new above.
func (s *timelineScreen) status(w int) string {
	n := s.view.len()
	parts := []string{count(n) + " in " + s.span.name}
	parts[0] += " " + s.shownRange()
	if s.filter != "" {
		parts = append(parts, count(s.view.hidden())+" hidden by filter: "+plain(s.filter))
	}
	if s.hold && s.above > 0 {
		parts = append(parts, s.c.style.bold(count(s.above)+" new above, f/g follow"))
	}
	if t := s.c.troubled(); t != "" {
		parts = append(parts, t)
	}
	return cut(strings.Join(parts, "   "), w)
}

// shownRange is from when to when the window goes, with the offset, which belongs on the screen however times are shown.
func (s *timelineScreen) shownRange() string {
	ck, end := s.c.clock(), s.end()
	from, to := ck.in(end.Add(-s.span.d)), ck.in(end)
	switch {
	case s.span.d == 0:
		return ck.offset()
	case s.span.d > 24*time.Hour:
		return from.Format(time.DateOnly) + " to " + to.Format(time.DateOnly) + " " + ck.offset()
	case from.YearDay() != to.YearDay():
		return from.Format("01-02 15:04") + " to " + to.Format("01-02 15:04") + " " + ck.offset()
	default:
		return from.Format("15:04") + "-" + to.Format("15:04") + " " + ck.offset()
	}
}

// handle is the short name of the entry under the cursor.
func (s *timelineScreen) handle() string {
	e := s.current()
	return e.handle()
}

// standsOn is the change under the cursor, for a judgement.
func (s *timelineScreen) standsOn() string {
	if e := s.current(); !e.alert && !e.note {
		return e.id
	}
	return ""
}
