package tui

import (
	"time"
	"unicode"

	tea "charm.land/bubbletea/v2"
)

// press routes a key; see [Model.Update] for the order.
func (m *Model) press(k tea.KeyPressMsg) tea.Cmd {
	name, now := k.String(), m.now()
	if name == "ctrl+c" {
		return tea.Quit
	}
	m.notice, m.touch = "", true
	burst := m.guard.burst(name, now)
	switch {
	case m.modal != nil:
		return m.pressModal(k, burst, now)
	case m.prompt != nil:
		if burst && k.Text == "" {
			return nil // a pasted line break must not send what was pasted
		}
		return m.prompt.typed(name, k.Text)
	case burst:
		m.say("that looked like a paste: keys dropped")
		return nil
	case m.guard.early(now, time.Time{}, m.opts.Grace) && upper(k.Text):
		m.say("key dropped: the terminal only just got the focus back")
		return nil
	}
	if cmd, ok := m.global(name); ok {
		return cmd
	}
	if why := m.noKey(name); why != "" {
		m.say(why)
		return nil
	}
	return m.top().Update(k)
}

// noKey says what to do instead of a key that the screen does not have, "" where it has it.
func (m *Model) noKey(name string) string {
	for _, a := range m.top().keys() {
		if a.matches(name) {
			return ""
		}
	}
	switch name {
	case "R":
		return "R works on a plan: r on a change makes one"
	case "D":
		return "D works on a unit: 6 shows the drills"
	case "A", "U", "P":
		return name + " works on a run: 4 shows the runs"
	default:
		return plain(name) + " is no key of this screen: ? lists its keys"
	}
}

// pressModal gives a key to the modal, unless it was meant for what was there before the modal or comes from a paste.
func (m *Model) pressModal(k tea.KeyPressMsg, burst bool, now time.Time) tea.Cmd {
	if k.String() == "esc" {
		m.dismiss()
		return nil
	}
	if m.guard.early(now, m.opened, m.opts.Grace) {
		return nil
	}
	if burst {
		m.spoil()
		return nil
	}
	return m.modal.Update(k)
}

// spoiler is a modal that was in the middle of a typed name when a paste arrived.
type spoiler interface{ spoil() }

func (m *Model) spoil() {
	if s, ok := m.modal.(spoiler); ok {
		s.spoil()
	}
}

// paste takes bracketed paste. Only the prompt takes it, without its line breaks; a confirmation has to be typed.
func (m *Model) paste(text string) {
	switch {
	case m.modal != nil:
		m.spoil()
	case m.prompt != nil:
		m.prompt.insert(plain(text))
	default:
		m.say("paste dropped: no text field is open")
	}
}

func upper(text string) bool {
	for _, r := range text {
		if unicode.IsUpper(r) {
			return true
		}
	}
	return false
}

// global handles the keys that mean the same on every screen.
func (m *Model) global(key string) (tea.Cmd, bool) {
	switch key {
	case "?":
		m.ask(newHelpScreen(m.console, m.top()))
	case ":":
		m.prompt = newPalette(m.console)
	case "T":
		m.cycleZone()
	case "esc":
		switch home := m.home(); {
		case m.closesPart():
		case len(m.stack) == 1 && home.filter != "":
			home.setFilter("")
		default:
			m.pop()
		}
	case "q":
		return m.leave(), true
	case "ctrl+r":
		return tea.ClearScreen, true
	case "ctrl+z":
		return tea.Suspend, true
	case "1", "2", "3", "4", "5", "6":
		return m.goTo(key), true
	case "7":
		return m.showAudit(), true
	case "8":
		return m.showWaiting(), true
	default:
		return nil, false
	}
	return nil, true
}

// globals are the keys that every screen has, for the help.
func globals() []action {
	return []action{
		{label: "q", desc: "back, then quit"},
		{label: "ctrl+c", desc: "quit at once; a run goes on"},
		{label: "esc", desc: "back; on the timeline, no filter"},
		{label: ":", desc: "command"},
		{label: "?", desc: "keys of this screen"},
		{label: "T", desc: "times in UTC, local, relative"},
		{label: "1..8", desc: "timeline, culprit, plan, run, sources, drills, audit, approval"},
		{label: "ctrl+r", desc: "draw again"},
	}
}

// leave goes one screen back, or quits from the first one. A live run is pointed out once.
func (m *Model) leave() tea.Cmd {
	if m.closesPart() {
		return nil
	}
	if len(m.stack) > 1 {
		m.pop()
		return nil
	}
	if live := m.live(); len(live) > 0 {
		m.ask(newLeaveScreen(m.console, live[0].ID))
		return nil
	}
	return tea.Quit
}

// closesPart closes a part of the top screen, such as a diff, before the screen itself is left.
func (m *Model) closesPart() bool {
	s, ok := m.top().(interface{ back() bool })
	return ok && s.back()
}

// goTo brings one of the numbered screens to the front. They lie over the timeline, at most one of each.
func (m *Model) goTo(key string) tea.Cmd {
	switch key {
	case "1":
		m.stack = m.stack[:1]
	case "2":
		m.front(newCulpritScreen(m.console, ""))
	case "3":
		m.say("no plan is open: r on a change makes one")
		m.raise(func(s screen) bool { _, ok := s.(*planScreen); return ok })
	case "4":
		if m.raise(func(s screen) bool { _, ok := s.(*runScreen); return ok }) {
			return nil
		}
		m.front(newRunsScreen(m.console))
	case "5":
		m.front(newSourcesScreen(m.console))
	case "6":
		s, cmd := newDrillsScreen(m.console)
		m.front(s)
		return cmd
	}
	return nil
}

// showAudit brings the record to the front, where it was left.
func (c *console) showAudit() tea.Cmd {
	if c.opts.Audit == nil {
		c.say("the record cannot be read here")
		return nil
	}
	if c.audit == nil {
		c.audit = newAuditScreen(c)
	}
	c.replace(c.audit, c.audit)
	return tea.Batch(c.audit.load(), c.audit.judge())
}

// front puts s over the timeline and keeps the plan and run that are open underneath.
func (m *Model) front(s screen) {
	for i := 1; i < len(m.stack); i++ {
		if m.stack[i].Title() == s.Title() {
			m.stack = append(m.stack[:i:i], m.stack[i+1:]...)
			break
		}
	}
	m.push(s)
}

// raise brings the first screen that is wanted to the front and reports whether there was one.
func (m *Model) raise(want func(screen) bool) bool {
	for i := len(m.stack) - 1; i > 0; i-- {
		if s := m.stack[i]; want(s) {
			m.stack = append(m.stack[:i:i], m.stack[i+1:]...)
			m.push(s)
			m.notice = ""
			return true
		}
	}
	return false
}

// cycleZone goes from UTC to local to relative times and back.
func (m *Model) cycleZone() {
	m.zone = (m.zone + 1) % zones
	if m.zone == zoneLocal && m.opts.TimeZone == nil {
		m.zone++
	}
	m.say("times: " + [...]string{"UTC", "local, " + m.clock().offset(), "relative"}[m.zone])
}
