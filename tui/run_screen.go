package tui

import (
	"context"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/rollback"
)

// runScreen watches one run. The run belongs to a process of its own: leaving the screen does not stop it.
type runScreen struct {
	keymap
	c       *console
	run     rollback.Run
	err     error // of the last look into the journal
	polling bool
	scroll  scroll
	held    bool // the reader scrolled the log
}

// runMsg brings a newer look at a run.
type runMsg struct {
	to  *runScreen
	run rollback.Run
	err error
}

// pollMsg makes a run's screen look again.
type pollMsg struct{ to *runScreen }

// pollEvery is how often a live run is read again: the one thing on the screen that moves.
const pollEvery = 250 * time.Millisecond

func newRunScreen(c *console, run rollback.Run) (*runScreen, tea.Cmd) {
	s := &runScreen{c: c, run: run}
	s.actions = []action{
		{keys: []string{"A"}, label: "A", desc: "abort (asks)", brief: true, acts: true, why: s.whyNoAbort, line: func() string {
			return c.command(CommandAbort, s.run.ID)
		}, do: s.askAbort},
		{keys: []string{"U"}, label: "U", desc: "plan forward", brief: true, acts: true, why: s.whyNoForward, line: func() string {
			return c.command(CommandPlan, s.run.ID)
		}, do: func() tea.Cmd { return s.planForward("") }},
		{keys: []string{"P"}, label: "P", desc: "pause", brief: true, acts: true, why: s.whyNoPause, line: func() string {
			return c.command(s.pauseCommand(), s.run.ID)
		}, do: s.pause},
		{keys: []string{"f"}, label: "f", desc: "follow log", brief: true, do: func() tea.Cmd {
			s.held = false
			return nil
		}},
		{keys: moveKeys(), label: "j/k", desc: "scroll the log"},
		{keys: []string{"y"}, label: "y", desc: "copy command", brief: true, do: func() tea.Cmd {
			if s.run.State.Final() {
				return c.copy(c.command(CommandShow, s.run.ID))
			}
			return c.copy(c.command(CommandAttach, s.run.ID))
		}},
		{keys: []string{"r", "c"}, label: "c", desc: "look again", do: s.poll},
	}
	return s, s.poll()
}

// Title implements screen.
func (s *runScreen) Title() string { return plain(s.run.ID) }

// Update implements screen.
func (s *runScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case runMsg:
		if msg.to == s {
			return s.looked(msg)
		}
	case pollMsg:
		if msg.to == s {
			s.polling = false
			return s.poll()
		}
	case stateMsg:
		for i := range msg.state.Runs {
			if r := &msg.state.Runs[i]; r.ID == s.run.ID && r.State.Final() && !s.run.State.Final() {
				return s.poll()
			}
		}
	case tea.KeyPressMsg:
		key := msg.String()
		if cmd, ok := s.press(s.c, key); ok {
			return cmd
		}
		n, rows := len(s.logLines(s.c.w, s.c.body())), s.logRows(s.c.w, s.c.body())
		if !s.held {
			s.scroll.top = max(n-rows, 0)
		}
		if s.scroll.move(key, n, rows) {
			s.held = s.scroll.top < n-rows
		}
	}
	return nil
}

// poll looks into the journal, unless a look is under way.
func (s *runScreen) poll() tea.Cmd {
	if s.polling || s.c.opts.Runs == nil {
		return nil
	}
	s.polling = true
	c, id := s.c, s.run.ID
	return c.call(func(ctx context.Context) tea.Msg {
		m := runMsg{to: s}
		m.run, m.err = c.opts.Runs.Run(ctx, id)
		return m
	})
}

// looked takes a look's answer and, while the run is live, plans the next one.
func (s *runScreen) looked(m runMsg) tea.Cmd {
	s.err = m.err
	if m.err == nil {
		s.run = m.run
	}
	if s.run.State.Final() && m.err == nil {
		s.polling = false
		return s.c.runEnded(&s.run)
	}
	if !s.onScreen() {
		s.polling = false
		return nil
	}
	return s.c.after(pollEvery, pollMsg{s})
}

// onScreen reports whether the screen is still open.
func (s *runScreen) onScreen() bool {
	for _, t := range s.c.stack {
		if t == screen(s) {
			return true
		}
	}
	return false
}

func (s *runScreen) whyNoAbort() string {
	switch {
	case s.c.readOnly() != "":
		return s.c.readOnly()
	case s.run.State.Final():
		return "the run is over: " + string(s.run.State)
	case s.run.AbortBy != "":
		return "already asked for by " + plain(s.run.AbortBy)
	case s.c.opts.Runs == nil:
		return "nothing here can stop a run"
	default:
		return ""
	}
}

func (s *runScreen) askAbort() tea.Cmd {
	c, id := s.c, s.run.ID
	lines := append([]string{
		c.style.bold("STOP " + plain(id) + " IN " + c.badge()), "",
		" It stops before its next step. What it has done stays done,",
		" and nothing is taken back by itself.",
	}, labelled(" command  ", c.command(CommandAbort, id), 64)...)
	c.ask(newAskScreen(c, "abort", append(lines, "", " Press y to stop it."), func() tea.Cmd {
		return c.call(func(ctx context.Context) tea.Msg {
			if err := c.opts.Runs.Abort(ctx, id, c.opts.Principal, "asked for in the console"); err != nil {
				return saidMsg{text: "not stopped: " + err.Error()}
			}
			return saidMsg{text: id + " stops before its next step"}
		})
	}))
	return nil
}

func (s *runScreen) whyNoPause() string {
	switch {
	case s.c.readOnly() != "":
		return s.c.readOnly()
	case s.run.State.Final():
		return "the run is over: " + string(s.run.State)
	case s.c.opts.Runs == nil:
		return "nothing here can pause a run"
	case s.run.PauseBy != "" && !s.run.Alive:
		return "no process works on it: " + s.c.command(CommandResume, s.run.ID)
	case s.run.PauseBy != "":
		return ""
	case s.run.AbortBy != "":
		return "it stops before its next step, as " + plain(s.run.AbortBy) + " asked"
	case !s.run.Pausable():
		return "no step is left to wait before; A ends the watch"
	default:
		return ""
	}
}

func (s *runScreen) pauseCommand() string {
	if s.run.PauseBy != "" {
		return CommandResume
	}
	return CommandPause
}

// pause lets the run wait before its next step, or go on. It goes by what the screen shows, so a key that bounces asks twice
// for the same.
func (s *runScreen) pause() tea.Cmd {
	c, id, on := s.c, s.run.ID, s.run.PauseBy == ""
	return c.call(func(ctx context.Context) tea.Msg {
		if err := c.opts.Runs.Pause(ctx, id, c.opts.Principal, on); err != nil {
			return saidMsg{text: "not done: " + err.Error()}
		}
		if on {
			return saidMsg{text: id + " waits before its next step; P lets it go on"}
		}
		return saidMsg{text: id + " goes on"}
	})
}

func (s *runScreen) whyNoForward() string {
	switch {
	case s.c.readOnly() != "":
		return s.c.readOnly()
	case !s.run.State.Final():
		return "the run is live"
	case s.run.AppliedAt.IsZero():
		return "the run altered nothing"
	case s.c.opts.Planner == nil:
		return "no unit is configured"
	default:
		return ""
	}
}

// planForward opens a plan of its own for the way forward: of everything that the run switched, or of the named unit.
func (s *runScreen) planForward(name string) tea.Cmd {
	if why := s.whyNoForward(); why != "" {
		s.c.say("U is off: " + why)
		return nil
	}
	only := rollback.UnitID("")
	for i := range s.run.Plan.Units {
		if id := s.run.Plan.Units[i].Unit.ID; name != "" && (string(id) == name || unitName(id) == name) {
			only = id
		}
	}
	if name != "" && only == "" {
		s.c.say("the run has no unit " + name)
		return nil
	}
	p, cmd := newForwardScreen(s.c, s.run.ID, only)
	s.c.push(p)
	return cmd
}

// runEnded rings the bell and sets the title, once for each run.
func (c *console) runEnded(r *rollback.Run) tea.Cmd {
	if c.ended[r.ID] == r.State {
		return nil
	}
	c.ended[r.ID] = r.State
	c.title = plain(r.ID) + " " + strings.ToUpper(string(r.State))
	c.say(plain(r.ID) + " " + string(r.State) + ": " + r.Detail)
	return tea.Raw("\a")
}

// runsEnded notices runs that ended while no screen watched them.
func (c *console) runsEnded() tea.Cmd {
	var cmds []tea.Cmd
	for i := range c.st.Runs {
		r := &c.st.Runs[i]
		was, known := c.ended[r.ID]
		switch {
		case !r.State.Final():
			c.ended[r.ID] = r.State
		case !known:
			c.ended[r.ID] = r.State // it was over before the console came
		case !was.Final():
			cmds = append(cmds, c.runEnded(r))
		}
	}
	return tea.Batch(cmds...)
}
