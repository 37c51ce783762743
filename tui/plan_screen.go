package tui

import (
	"context"
	"errors"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/timeline"
)

// planScreen makes a plan, shows all of it, and is the only place from which a run can be started.
type planScreen struct {
	keymap
	c       *console
	request rollback.Request
	title   string
	units   []rollback.Unit // everything that the change touched
	only    map[rollback.UnitID]bool
	plan    *rollback.Plan
	busy    string // what is under way, "" nothing
	err     error
	before  *rollback.Plan // what was shown before, when planning the same again gave another plan
	chosen  bool           // the selection of units changed, so another plan is no surprise
	list    list
	reason  string // why, for the record; some plans need one
	diff    bool
	scroll  scroll
	waiting *rollback.Waiting     // what it waits for; nil: nothing
	tried   int                   // how many words there were when it was tried last
	yes     rollback.Confirmation // that it waits with: it was confirmed already
	seq     int                   // number of the request under way; an answer to an older one is dropped
}

// plannedMsg brings a plan to the screen that asked for it.
type plannedMsg struct {
	to    *planScreen
	seq   int
	units []rollback.Unit
	plan  rollback.Plan
	err   error
}

// newPlanScreen plans taking one change back.
func newPlanScreen(c *console, ch providers.Change) (*planScreen, tea.Cmd) {
	e := changeEntry(&ch)
	s := newPlan(c, "PLAN "+e.handle(), rollback.Request{Change: &ch})
	return s, s.replan()
}

// newForwardScreen plans undoing what a run switched: all its units, or the one that is named.
func newForwardScreen(c *console, run string, only rollback.UnitID) (*planScreen, tea.Cmd) {
	s := newPlan(c, "FORWARD "+run, rollback.Request{Run: run})
	if only != "" {
		s.request.Only = []rollback.UnitID{only}
	}
	return s, s.replan()
}

func newPlan(c *console, title string, r rollback.Request) *planScreen {
	s := &planScreen{c: c, title: plain(title), request: r, only: map[rollback.UnitID]bool{}}
	s.request.Incident = c.incidentID()
	s.request.Alerts = alertRefs(c.st.Incident)
	s.request.Edges = c.board.edges()
	s.actions = []action{
		{keys: []string{"space"}, label: "space", desc: "select unit", brief: true, why: s.whyNoChoice, do: s.toggle},
		{keys: moveKeys(), label: "j/k", desc: "move, scroll"},
		{keys: []string{"d"}, label: "d", desc: "diff", brief: true, why: s.whyNoPlan, do: func() tea.Cmd {
			s.diff, s.scroll.top = !s.diff, 0
			return nil
		}},
		{keys: []string{"c", "r"}, label: "c", desc: "check again", brief: true, why: s.whyBusy, do: s.replan},
		{keys: []string{"y"}, label: "y", desc: "copy command", brief: true, why: s.whyNoPlan, do: func() tea.Cmd { return c.copy(s.line()) }},
		{keys: []string{"R"}, label: "R", desc: "run (asks)", brief: true, acts: true, why: s.whyNoRun, line: s.line, do: s.run},
	}
	return s
}

// alertRefs are the symptoms that a verified rollback has to cure.
func alertRefs(inc *timeline.Incident) []rollback.AlertRef {
	if inc == nil {
		return nil
	}
	refs := make([]rollback.AlertRef, 0, len(inc.Alerts))
	for i := range inc.Alerts {
		a := &inc.Alerts[i]
		refs = append(refs, rollback.AlertRef{Provider: a.Provider, ID: a.ID, Name: a.Name, Service: a.Service, StartsAt: a.StartsAt})
	}
	return refs
}

// unitName is the last segment of a unit's id.
func unitName(id rollback.UnitID) string {
	s := string(id)
	if i := strings.LastIndexAny(s, "/:"); i >= 0 && i+1 < len(s) {
		s = s[i+1:]
	}
	return plain(s)
}

// Title implements screen.
func (s *planScreen) Title() string { return s.title }

// replan asks for the plan again; nothing outside is altered by it.
func (s *planScreen) replan() tea.Cmd {
	s.seq++
	seq, req, c := s.seq, s.request, s.c
	snap := c.st.Snapshot
	s.busy, s.err, s.waiting = "planning", nil, nil
	return c.call(func(ctx context.Context) tea.Msg {
		m := plannedMsg{to: s, seq: seq}
		if req.Change != nil {
			if m.units, m.err = c.opts.Planner.UnitsOf(ctx, req.Change); m.err != nil {
				return m
			}
		}
		if c.opts.Prepare != nil {
			m.err = c.opts.Prepare(ctx, &req)
		} else {
			req.Context, m.err = around(ctx, snap, req.Change)
		}
		if m.err == nil {
			m.plan, m.err = c.opts.Planner.Plan(ctx, req)
		}
		return m
	})
}

// Update implements screen.
func (s *planScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case plannedMsg:
		if msg.to == s && msg.seq == s.seq {
			s.planned(msg)
		}
	case stateMsg:
		return s.goOn()
	case tea.KeyPressMsg:
		if cmd, ok := s.press(s.c, msg.String()); ok {
			return cmd
		}
		s.move(msg.String())
	}
	return nil
}

// back closes the diff.
func (s *planScreen) back() bool {
	was := s.diff
	s.diff, s.scroll.top = false, 0
	return was
}

// move goes through the diff, or through the units; past the last unit, and by pages, it scrolls the rest of the plan.
func (s *planScreen) move(key string) {
	h := s.c.body()
	if s.diff {
		s.scroll.move(key, len(s.diffLines(s.c.w)), h)
		return
	}
	was := s.list.cursor
	single := key == "j" || key == "k" || key == "up" || key == "down"
	if single && s.scroll.top == 0 && s.list.move(key, len(s.rows()), len(s.rows())) && s.list.cursor != was {
		return
	}
	s.scroll.move(key, len(s.lines(s.c.w)), h)
}

func (s *planScreen) planned(m plannedMsg) {
	s.busy, s.err = "", m.err
	if len(m.units) > 0 {
		s.units = m.units
	}
	if errors.Is(m.err, rollback.ErrNotAlone) && s.chosen && s.plan != nil {
		s.c.say("not without the others: " + m.err.Error())
		s.err, s.request.Only, s.chosen = nil, nil, false
		s.selected()
		return
	}
	if m.err != nil {
		s.plan = nil
		return
	}
	if s.plan != nil && s.plan.Hash != m.plan.Hash && !s.chosen {
		s.before = s.plan
	}
	s.chosen = false
	s.plan = &m.plan
	for i := range m.plan.Units { // what was taken out of the plan can be taken in again
		if u := m.plan.Units[i].Unit; !slices.ContainsFunc(s.units, func(o rollback.Unit) bool { return o.ID == u.ID }) {
			s.units = append(s.units, u)
		}
	}
	if len(s.only) == 0 {
		s.selected()
	}
}

// selected marks what is in the plan, and nothing else.
func (s *planScreen) selected() {
	clear(s.only)
	for i := range s.plan.Units {
		s.only[s.plan.Units[i].Unit.ID] = true
	}
}

// toggle takes the unit under the cursor into the plan or out of it, and plans again.
func (s *planScreen) toggle() tea.Cmd {
	s.scroll.top = 0 // the units stand there: nobody selects one unseen
	rows := s.rows()
	id := rows[min(s.list.cursor, len(rows)-1)].id
	s.only[id] = !s.only[id]
	var only []rollback.UnitID
	for _, r := range rows {
		if s.only[r.id] {
			only = append(only, r.id)
		}
	}
	if len(only) == 0 {
		s.only[id] = true
		s.c.say("a plan needs at least one unit")
		return nil
	}
	s.request.Only, s.before, s.chosen = only, nil, true
	return s.replan()
}

// run asks for the confirmation, and before it for the reason where the policy wants one.
func (s *planScreen) run() tea.Cmd {
	if s.plan.Decision.NeedsReason && s.reason == "" && s.plan.Reason == "" {
		s.c.prompt = newReason(s.c, s)
		return nil
	}
	s.c.ask(newConfirmScreen(s.c, s))
	return nil
}

// line is the command line that runs the same plan.
func (s *planScreen) line() string {
	if s.plan == nil {
		return ""
	}
	hash := shortHash(s.plan.Hash)
	name := plain(s.request.Run)
	if s.request.Change != nil {
		name = s.c.handle(s.request.Change.ID)
	}
	args := []string{name, hash}
	for _, u := range s.request.Only {
		args = append(args, string(u))
	}
	line := s.c.command(CommandRollback, args...)
	for _, name := range s.plan.Destroyed() {
		line += " --destroy " + name
	}
	return line
}

// shortHash is as much of a digest as a person compares; commands take any unique beginning.
func shortHash(h string) string {
	h = plain(strings.TrimPrefix(h, "sha256:"))
	return h[:min(len(h), 12)]
}

// confirmed follows a confirmation: to the run, or back to the plan with what stood against it.
func (s *planScreen) confirmed(m confirmedMsg) tea.Cmd {
	s.busy = ""
	var waiting *rollback.Waiting
	switch {
	case errors.As(m.err, &waiting):
		s.wait(m, waiting)
		return s.goOn() // the last yes may have come meanwhile
	case m.err == nil:
		r, cmd := newRunScreen(s.c, m.run)
		s.c.replace(s, r)
		return cmd
	case errors.Is(m.err, rollback.ErrPlanChanged):
		s.c.say("not run: " + m.err.Error() + "; this is the plan as it is now")
		return s.replan()
	case m.run.ID != "":
		s.err = m.err
		r, cmd := newRunScreen(s.c, m.run)
		s.c.replace(s, r)
		s.c.say(m.run.ID + " is confirmed but no process works on it (" + m.err.Error() + "): " + s.c.command(CommandResume, m.run.ID))
		return cmd
	default:
		s.err = m.err
		s.c.say("not run: " + m.err.Error())
		return nil
	}
}

func (s *planScreen) whyBusy() string { return whyIf(s.busy != "", s.busy+" is under way") }

func (s *planScreen) whyNoPlan() string { return whyIf(s.plan == nil, "there is no plan yet") }

func (s *planScreen) whyNoChoice() string {
	switch {
	case s.busy != "":
		return s.busy + " is under way"
	case len(s.rows()) < 2:
		return "there is only one unit"
	default:
		return ""
	}
}

// whyNoRun is why the plan cannot be run. The engine asks all of this again; here it only saves a wasted confirmation.
func (s *planScreen) whyNoRun() string {
	switch p := s.plan; {
	case s.c.readOnly() != "":
		return s.c.readOnly()
	case s.busy != "":
		return s.busy + " is under way"
	case p == nil:
		return "there is no plan"
	case len(p.Units) == 0:
		return "the plan has no unit"
	case s.c.opts.Runs == nil:
		return "nothing here can start a run"
	case !p.Decision.Allowed && len(p.Decision.Reasons) > 0:
		return plain(strings.Join(p.Decision.Reasons, "; "))
	case !p.Decision.Allowed:
		return "refused by policy"
	default:
		return missing(p)
	}
}

// because sets the reason that goes into the record with the confirmation.
func (s *planScreen) because(text string) { s.reason = text }

func missing(p *rollback.Plan) string {
	for i := range p.Units {
		if m := p.Units[i].Missing; len(m) > 0 {
			return unitName(p.Units[i].Unit.ID) + ": missing " + plain(strings.Join(m, ", "))
		}
	}
	return ""
}
