package tui

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// console is what all screens share: the options, the newest state, the stack of screens and the line that tells things.
// Screens call its methods; nothing is sent as a message that can be called.
type console struct {
	ctx   context.Context // of the program; every call to a collaborator ends with it
	opts  Options
	st    State
	style style
	zone  zone
	w, h  int

	stack  []screen
	modal  screen
	prompt *prompt
	guard  guard
	notice string
	touch  bool // a key was pressed: the cursor is the reader's now
	board  *board
	audit  *auditScreen // once it was opened: it keeps its place and what was verified

	shown  *atomic.Pointer[string] // the incident that the pump asks for
	kept   string                  // the one that is asked for only because it closed while it was shown
	title  string                  // of the window, once a run has ended
	ended  map[string]rollback.RunState
	opened time.Time // when the modal opened
	// after brings a message later; tests replace it, so that time is theirs.
	after func(d time.Duration, msg tea.Msg) tea.Cmd
}

// callTimeout bounds every call to a collaborator.
const callTimeout = 30 * time.Second

// call runs f outside of the loop, with a deadline.
func (c *console) call(f func(ctx context.Context) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(c.ctx, callTimeout)
		defer cancel()
		return f(ctx)
	}
}

// body is how many lines a screen has between header and footer.
func (c *console) body() int {
	if c.h >= tallHeight {
		return c.h - 6
	}
	return c.h - 5
}

func (c *console) now() time.Time { return c.opts.Now() }

func (c *console) clock() clock {
	return clock{zone: c.zone, local: c.opts.TimeZone, now: c.now()}
}

// say puts a sentence on the status line until the next key.
func (c *console) say(text string) { c.notice = plain(text) }

func (c *console) top() screen { return c.stack[len(c.stack)-1] }

func (c *console) push(s screen) { c.stack = append(c.stack, s) }

// replace puts s in the place of old, on top.
func (c *console) replace(old, s screen) {
	for i := range c.stack {
		if c.stack[i] == old {
			c.stack = append(c.stack[:i:i], c.stack[i+1:]...)
			break
		}
	}
	c.push(s)
}

// pop leaves the screen on top; the first one stays.
func (c *console) pop() {
	if len(c.stack) > 1 {
		c.stack = c.stack[:len(c.stack)-1]
	}
}

// ask opens a modal.
func (c *console) ask(s screen) {
	c.modal = s
	c.opened = c.now()
}

func (c *console) dismiss() { c.modal = nil }

func (c *console) command(kind string, args ...string) string {
	if c.opts.Command != nil {
		return plain(c.opts.Command(kind, args...))
	}
	return CommandLine(kind, args...)
}

// copy puts text on the user's clipboard through the terminal, which also works over SSH.
func (c *console) copy(text string) tea.Cmd {
	c.say("copied: " + text)
	return tea.SetClipboard(text)
}

// prod reports whether the environment is production, where a name has to be typed.
func (c *console) prod() bool { return isProd(c.opts.Environment) }

func isProd(env string) bool {
	e := strings.ToLower(env)
	return e == "" || strings.HasPrefix(e, "prod") || e == "live"
}

// badge is the environment as a word. Nothing configured counts as production.
func (c *console) badge() string {
	if c.opts.Environment == "" {
		return "[NO ENV]"
	}
	return "[" + strings.ToUpper(plain(c.opts.Environment)) + "]"
}

// suspect finds a change in the ranking.
func (c *console) suspect(change string) (int, bool) {
	for i := range c.st.Ranking.Ranking {
		if c.st.Ranking.Ranking[i].Change == change {
			return i, true
		}
	}
	return 0, false
}

// noneFirst reports that "none of these" is the likeliest answer.
func (c *console) noneFirst() bool { return noneFirst(&c.st.Ranking) }

func noneFirst(r *culprit.Ranking) bool {
	return len(r.Ranking) == 0 || r.None >= r.Ranking[0].P
}

// change loads a change of the snapshot; false when it is not there any more.
func (c *console) change(id string) (providers.Change, bool) { return c.board.change(id) }

// live lists the runs that are not over.
func (c *console) live() []*rollback.Run {
	var out []*rollback.Run
	for i := range c.st.Runs {
		if !c.st.Runs[i].State.Final() {
			out = append(out, &c.st.Runs[i])
		}
	}
	return out
}

func (c *console) incidentID() string {
	if c.st.Incident == nil {
		return ""
	}
	return c.st.Incident.ID
}

// show asks the pump for another incident.
func (c *console) show(incident string) {
	c.kept = ""
	c.shown.Store(&incident)
}

// keepClosed is for how long an incident that is over stays on the screen while no other opens.
const keepClosed = time.Hour

// keep leaves an incident on the screen that closed while it was shown, so that what is noted, judged or brought forward
// afterwards lands in it; the next one that opens takes its place. One that a person asked for stays in any case.
func (c *console) keep(st *State) {
	was, asked := c.st.Incident, *c.shown.Load()
	if st.Incident == nil && was != nil && asked == "" {
		for i := range st.Incidents {
			if inc := st.Incidents[i]; inc.ID == was.ID {
				c.show(inc.ID)
				c.kept, st.Incident, st.Ranking = inc.ID, &inc, c.st.Ranking
			}
		}
		return
	}
	if c.kept == "" || st.Incident == nil || st.Incident.ID != c.kept {
		return
	}
	other := slices.ContainsFunc(st.Incidents, func(i timeline.Incident) bool { return i.Open() })
	if other || c.now().Sub(st.Incident.ClosedAt) > keepClosed {
		c.show("")
	}
}

// readOnly is why nothing may be altered, "" when it may.
func (c *console) readOnly() string { return c.opts.ReadOnly }
