package tui

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback"
)

// Sizes of the terminal at which the layout changes.
const (
	minWidth, minHeight = 60, 15
	wideWidth           = 120
	tallHeight          = 30
)

// Model is the root of the console and its only tea.Model. Make one with [New].
type Model struct {
	*console
	frame  string
	dirty  bool
	broken error // a fault outside of the loop, which ended the program
}

// stateMsg brings a newer state.
type stateMsg struct{ state State }

// tickMsg comes once a second, so that ages and clocks go on.
type tickMsg struct{}

// saidMsg brings the outcome of a command that only has something to tell.
type saidMsg struct {
	text     string
	incident string
	follow   bool // incident is to be shown next
}

// New makes the console. It shows what the source knows at once. Calls to collaborators end when ctx is done.
func New(ctx context.Context, opts Options) *Model {
	c := &console{
		ctx:   ctx,
		opts:  opts,
		style: style{noColor: opts.NoColor, ascii: opts.ASCII},
		shown: &atomic.Pointer[string]{},
		ended: map[string]rollback.RunState{},
		board: &board{},
		after: func(d time.Duration, msg tea.Msg) tea.Cmd {
			return tea.Tick(d, func(time.Time) tea.Msg { return msg })
		},
	}
	if c.opts.Grace == 0 {
		c.opts.Grace = defaultGrace
	}
	c.zone = map[string]zone{"local": zoneLocal, "relative": zoneRelative}[opts.Zone]
	if c.zone == zoneLocal && opts.TimeZone == nil {
		c.zone = zoneUTC
	}
	c.show(opts.Incident)
	c.push(newTimelineScreen(c))
	m := &Model{console: c, dirty: true}
	m.accept(opts.Source.State(opts.Incident))
	return m
}

// Init implements tea.Model.
func (m *Model) Init() tea.Cmd {
	tick := m.after(time.Second, tickMsg{})
	if m.opts.NoColor {
		return tick
	}
	return tea.Batch(tick, tea.RequestBackgroundColor) // a terminal that does not answer is taken for a dark one
}

// Update implements tea.Model. Messages are routed in this order, and the first that takes one keeps it:
//
//	1 size, focus, state, clock, outcomes
//	2 paste: dropped, unless a text field has the focus
//	3 ctrl+c
//	4 guards: keys just after a modal opened or the focus came back, keys in a burst
//	5 modal
//	6 text field
//	7 global keys
//	8 screen
//
// Steps 3 to 8 are [Model.press].
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.dirty = true
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
		return m, m.broadcast(msg)
	case tea.FocusMsg, tea.BlurMsg:
		m.guard.focused = m.now()
		return m, nil
	case stateMsg:
		return m, m.accept(msg.state)
	case tickMsg:
		return m, tea.Batch(m.after(time.Second, tickMsg{}), m.broadcast(msg))
	case saidMsg:
		m.say(msg.text)
		if msg.follow {
			m.show(msg.incident)
			m.touch = false
		}
		return m, nil
	case confirmedMsg: // also when its plan was left meanwhile: a run that started has to be seen
		return m, msg.to.confirmed(msg)
	case auditMsg: // also when the screen was left meanwhile: it is the same one when it is opened again
		return m, msg.take()
	case loadedMsg:
		m.board.keep(msg.entries)
		return m, nil
	case tea.BackgroundColorMsg:
		m.style.light = !msg.IsDark()
		return m, nil
	case openedMsg:
		return m, m.handedOver(msg)
	case brokenMsg:
		m.broken = msg.err
		return m, tea.Quit
	case tea.PasteMsg:
		m.paste(msg.Content)
		return m, nil
	case tea.KeyPressMsg:
		return m, m.press(msg)
	default:
		return m, m.broadcast(msg)
	}
}

// View implements tea.Model. The frame is only composed again after something changed.
func (m *Model) View() tea.View {
	if m.dirty {
		m.frame = m.Render(m.w, m.h)
		m.dirty = false
	}
	v := tea.NewView(m.frame)
	v.AltScreen = true
	v.ReportFocus = true
	v.WindowTitle = m.windowTitle()
	m.progress(&v)
	return v
}

// Render is the whole frame at a size: h lines, none wider than w. It is pure.
func (m *Model) Render(w, h int) string {
	if w < minWidth || h < minHeight {
		return cut("terminal too small, 60x15 needed", max(w, 0))
	}
	head := m.header(w, h)
	foot := m.footer(w)
	body := m.top().Render(w, h-len(head)-len(foot))
	lines := make([]string, 0, h)
	lines = append(lines, head...)
	lines = append(lines, strings.Split(body, "\n")...)
	lines = append(lines, foot...)
	if m.modal != nil {
		m.overlay(lines, w, h)
	}
	return strings.Join(lines, "\n")
}

// overlay draws the modal over the frame.
func (m *Model) overlay(lines []string, w, h int) {
	over := strings.Split(m.modal.Render(w, h-2), "\n")
	y := max((h-len(over))/2, 0)
	for i, l := range over {
		if y+i >= len(lines) {
			break
		}
		n := width(l)
		x := max((w-n)/2, 0)
		lines[y+i] = under(lines[y+i], x, n, w, l)
	}
}

// accept takes a newer state and tells the screens.
func (m *Model) accept(st State) tea.Cmd {
	m.keep(&st)
	m.st = st
	m.board.use(st.Snapshot, &st.Ranking)
	return tea.Batch(m.runsEnded(), m.broadcast(stateMsg{st}))
}

// broadcast gives a message to every screen, the modal included: an answer finds the screen that asked, also when
// another one lies over it.
func (m *Model) broadcast(msg tea.Msg) tea.Cmd {
	var cmds []tea.Cmd
	for _, s := range m.stack {
		cmds = append(cmds, s.Update(msg))
	}
	if m.modal != nil {
		cmds = append(cmds, m.modal.Update(msg))
	}
	return tea.Batch(cmds...)
}
