package tui

import (
	"fmt"
	"maps"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// culpritScreen shows one suspect with what speaks for and against it. It stays with its change when the ranking moves.
type culpritScreen struct {
	keymap
	c      *console
	change string // "" until there is a ranking
	scroll scroll
}

func newCulpritScreen(c *console, change string) *culpritScreen {
	s := &culpritScreen{c: c, change: change}
	if _, ok := c.suspect(change); !ok {
		s.change = ""
		s.settle()
	}
	s.actions = []action{
		{keys: []string{"n"}, label: "n/p", desc: "next", brief: true, why: s.whyNone, do: func() tea.Cmd { return s.step(1) }},
		{keys: []string{"p"}, why: s.whyNone, do: func() tea.Cmd { return s.step(-1) }},
		{keys: moveKeys(), label: "j/k", desc: "scroll"},
		{keys: []string{"e"}, label: "e", desc: "evidence", brief: true, why: s.whyNone, do: func() tea.Cmd {
			s.scroll.top = s.page(c.w).evidence // window keeps the end in sight
			return nil
		}},
		{keys: []string{"o"}, label: "o", desc: c.openWord(), brief: true, why: func() string {
			return whyIf(s.link() == "", "no link is known for it")
		}, do: func() tea.Cmd { return c.open(s.link()) }},
		{keys: []string{"r"}, label: "r", desc: "plan", brief: true, why: s.whyNoPlan, do: s.plan},
		{keys: []string{"y"}, label: "y", desc: "copy id", brief: true, why: s.whyNone, do: func() tea.Cmd { return c.copy(c.handle(s.change)) }},
		{keys: []string{"tab", "enter"}, label: "tab", desc: "timeline", do: func() tea.Cmd { c.pop(); return nil }},
	}
	return s
}

// Title implements screen.
func (s *culpritScreen) Title() string { return "CULPRIT" }

// settle takes the first suspect once there is one.
func (s *culpritScreen) settle() {
	if r := s.c.st.Ranking.Ranking; s.change == "" && len(r) > 0 {
		s.change = r[0].Change
	}
}

// standsOn is the change that a judgement is about.
func (s *culpritScreen) standsOn() string { return s.change }

// Update implements screen.
func (s *culpritScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case stateMsg:
		s.settle()
	case tea.KeyPressMsg:
		if cmd, ok := s.press(s.c, msg.String()); ok {
			return cmd
		}
		s.scroll.move(msg.String(), len(s.lines(s.c.w)), s.c.body())
	}
	return nil
}

func (s *culpritScreen) step(n int) tea.Cmd {
	r := s.c.st.Ranking.Ranking
	i, _ := s.c.suspect(s.change)
	s.change = r[(i+n+len(r))%len(r)].Change
	s.scroll.top = 0
	return nil
}

func (s *culpritScreen) whyNone() string { return whyIf(s.change == "", "there is no suspect") }

func (s *culpritScreen) whyNoPlan() string {
	switch {
	case s.change == "":
		return "there is no suspect"
	case s.c.opts.Planner == nil:
		return "no unit is configured"
	default:
		return s.c.st.Rollback[s.change].WhyNot
	}
}

func (s *culpritScreen) plan() tea.Cmd {
	ch, ok := s.c.board.fresh(s.change)
	if !ok {
		s.c.say(s.change + " is not in the snapshot any more")
		return nil
	}
	p, cmd := newPlanScreen(s.c, ch)
	s.c.push(p)
	return cmd
}

func (s *culpritScreen) link() string {
	ch, ok := s.c.change(s.change)
	if !ok {
		return ""
	}
	return s.c.linkOf(ch.Provider, ch.ID, &ch)
}

func (s *culpritScreen) lines(w int) []string { return s.page(w).lines }

func (s *culpritScreen) page(w int) *page {
	p := newPage(w, 1000)
	i, _ := s.c.suspect(s.change)
	s.c.culpritLines(p, i, true)
	return p
}

// status names the next suspects, which n shows.
func (s *culpritScreen) status(w int) string {
	r := s.c.st.Ranking.Ranking
	i, _ := s.c.suspect(s.change)
	var parts []string
	for j := 1; j < min(len(r), 4); j++ {
		n := &r[(i+j)%len(r)]
		name := plain(n.Change)
		if ch, ok := s.c.change(n.Change); ok {
			e := changeEntry(&ch)
			name = plain(e.unit)
		}
		parts = append(parts, share(n.P)+" "+name)
	}
	text, more := "", ""
	if len(parts) > 0 {
		text = "next: " + strings.Join(parts, "   ")
	}
	if below := len(s.lines(w+1)) - s.c.body() - s.scroll.top; below > 0 {
		more = plural(below, "line") + " below"
	}
	return between(text, more, w)
}

// Render implements screen.
func (s *culpritScreen) Render(w, h int) string {
	return strings.Join(s.scroll.window(s.lines(w), h), "\n")
}

// noneSentence says plainly that no listed change is likely to blame, with the numbers.
func (c *console) noneSentence() string {
	r := &c.st.Ranking
	if len(r.Ranking) == 0 {
		return "NO SUSPECT: no change is known that could have caused it"
	}
	return fmt.Sprintf("NOTHING LISTED IS LIKELY TO BLAME: none of these %s, first suspect %s", share(r.None), share(r.Ranking[0].P))
}

// elsewhere says where to look when no listed change is likely to blame: first at what alerts without any change to it.
func (c *console) elsewhere() string {
	text := "look at the services themselves, at what they depend on, and at what no source here reports"
	changed := map[string]bool{}
	if c.st.Changed != nil {
		maps.Copy(changed, c.st.Changed)
	} else {
		for i := range c.st.Ranking.Ranking {
			if ch, ok := c.change(c.st.Ranking.Ranking[i].Change); ok {
				changed[ch.Service] = true
			}
		}
	}
	changed[""] = true
	var untouched []string
	for _, a := range c.st.Incident.Alerts {
		if !changed[a.Service] {
			changed[a.Service] = true
			untouched = append(untouched, plain(a.Service))
		}
	}
	switch len(untouched) {
	case 0:
		return text
	case 1:
		return untouched[0] + " alerts, and no earlier change to it is known: look there first. Then " + text
	default:
		return strings.Join(untouched, ", ") + " alert, and no earlier change to them is known: look there first. Then " + text
	}
}

// culpritLines draw the i-th suspect. Full adds the details that only the screen of its own has room for.
func (c *console) culpritLines(p *page, i int, full bool) {
	r := &c.st.Ranking
	if c.st.Incident == nil {
		p.add(" "+c.style.bold("NO INCIDENT"), " nothing alerts; the list shows what changed")
		return
	}
	if c.noneFirst() {
		for _, l := range wrap(c.noneSentence(), p.w-2) {
			p.add(" " + c.style.bold(l))
		}
		for _, l := range wrap(c.elsewhere(), p.w-2) {
			p.add(" " + l)
		}
		p.add("")
	}
	if len(r.Ranking) == 0 {
		return
	}
	s := &r.Ranking[i]
	c.suspectHead(p, i, full)
	p.add("")
	c.readinessLines(p, s.Change) // before the evidence, which may be longer than the pane
	p.add("")
	if !full {
		c.briefEvidence(p, s)
		return
	}
	c.evidenceLines(p, s)
	c.nextSuspects(p, i)
}

// suspectHead is which suspect it is, what a person said of it, and how likely that none of them is to blame.
func (c *console) suspectHead(p *page, i int, full bool) {
	r := &c.st.Ranking
	s := &r.Ranking[i]
	confirmed := c.st.Confirmed.Change == s.Change
	head := "SUSPECT"
	switch {
	case confirmed:
		head = "CONFIRMED CULPRIT"
	case i == 0 && !c.noneFirst():
		head = "LIKELY CULPRIT"
	}
	head += fmt.Sprintf("  %d of %d", i+1, len(r.Ranking))
	if r.Tie && i < 2 {
		head += "  " + c.style.careful("TIE")
	}
	p.add(between(" "+c.style.bold(head), share(s.P)+" ", p.w))
	c.suspectFacts(p, s.Change, full)
	if confirmed {
		p.add(labelled(" ", "confirmed by "+plain(c.st.Confirmed.By)+": "+plain(c.st.Confirmed.Reason), p.w-1)...)
	}
	none := "none of these " + share(r.None)
	if r.Tie && i < 2 {
		none += "   the first two cannot be told apart"
	}
	for _, l := range wrap(none, p.w-2) {
		p.add(" " + l)
	}
}

// suspectFacts say what the change is, when it was, by whom, and what is known of AI in it.
func (c *console) suspectFacts(p *page, id string, full bool) {
	ch, ok := c.change(id)
	if !ok {
		p.add(" " + plain(id))
		return
	}
	e := changeEntry(&ch)
	what := plain(e.what)
	if went := plain(e.went); went != "" {
		what = went
	}
	p.add(" " + c.style.bold(cut(plain(e.unit)+"  "+what, p.w-2)))
	if title := plain(ch.Title); title != "" && !strings.Contains(what, title) {
		lines := wrap(title, p.w-2)
		for _, l := range lines[:min(len(lines), 2)] {
			p.add(" " + l)
		}
	}
	by := ""
	if ch.Author.Name != "" {
		by = " by " + plain(ch.Author.Name)
	}
	when := " " + plain(string(ch.Kind)) + " " + c.clock().stamp(ch.At()) + by
	tag := plain(e.handle()) + "  ai: " + assistanceWords(&ch.Assistance)
	if width(when)+width(tag)+3 <= p.w {
		p.add(when + "   " + tag)
	} else {
		p.add(when, " "+tag)
	}
	if !full {
		return
	}
	var from []string
	for _, src := range ch.Sources {
		from = append(from, plain(src.Provider))
	}
	if len(from) > 0 {
		p.add(" reported by " + strings.Join(from, ", "))
	}
}

// readinessLines say whether it can be taken back, as far as is known without planning.
func (c *console) readinessLines(p *page, id string) {
	r, ok := c.st.Rollback[id]
	switch {
	case !ok && c.opts.Planner == nil:
		p.add(" " + c.style.bold("ROLLBACK") + "  no unit is configured")
	case !ok:
		p.add(" " + c.style.bold("ROLLBACK") + "  not looked at yet: r plans it")
	case r.WhyNot != "":
		p.add(" " + c.style.bold("ROLLBACK") + "  " + c.style.careful("not ready"))
		for _, l := range wrap(plain(r.WhyNot), p.w-4) {
			p.add("  " + l)
		}
	default:
		p.add(" " + c.style.bold("ROLLBACK") + "  ready  " + c.tested(r.Tested))
		for _, l := range wrap(plain(r.Way), p.w-4) {
			p.add("  " + l)
		}
	}
}

// tested marks an untested way back as something to be careful with.
func (c *console) tested(word string) string {
	if word == "" {
		word = "untested"
	}
	if strings.HasPrefix(word, "tested") {
		return c.style.good(plain(word))
	}
	return c.style.careful(plain(word))
}

// nextSuspects lists the others in one line each.
func (c *console) nextSuspects(p *page, i int) {
	r := c.st.Ranking.Ranking
	if len(r) < 2 {
		return
	}
	p.add("", " "+c.style.bold("OTHERS"))
	for j := range r {
		if j == i || j > 8 {
			continue
		}
		text := plain(r[j].Change)
		if ch, ok := c.change(r[j].Change); ok {
			e := changeEntry(&ch)
			text = fit(plain(e.unit), 20) + " " + plain(e.what)
		}
		p.add("  " + share(r[j].P) + "  " + text)
	}
}
