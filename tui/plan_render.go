package tui

import (
	"strings"

	"github.com/backout-dev/backout/rollback"
)

// planRow is one unit of the change: in the plan, or left out of it.
type planRow struct {
	id   rollback.UnitID
	unit rollback.Unit
	plan *rollback.UnitPlan
}

// rows are the units of the plan in its order, then those that it leaves out.
func (s *planScreen) rows() []planRow {
	var rows []planRow
	in := map[rollback.UnitID]bool{}
	if s.plan != nil {
		for i := range s.plan.Units {
			u := &s.plan.Units[i]
			in[u.Unit.ID] = true
			rows = append(rows, planRow{u.Unit.ID, u.Unit, u})
		}
	}
	for _, u := range s.units {
		if !in[u.ID] {
			rows = append(rows, planRow{u.ID, u, nil})
		}
	}
	return rows
}

// Render implements screen.
func (s *planScreen) Render(w, h int) string {
	lines := s.lines(w)
	if s.diff {
		lines = s.diffLines(w)
	}
	return strings.Join(s.scroll.window(lines, h), "\n")
}

func (s *planScreen) lines(w int) []string {
	p := newPage(w, 2000)
	if s.err != nil {
		for _, l := range wrap("no plan: "+plain(s.err.Error()), w-2) {
			p.add(" " + s.c.style.bad(l))
		}
		p.add("")
	}
	if s.plan == nil {
		if s.busy != "" {
			p.add(" " + s.busy + ": units are being looked at, nothing is altered")
		}
		return p.lines
	}
	s.headline(p)
	s.approvals(p)
	s.unitTable(p)
	p.add(s.c.style.rule(w))
	well := s.preflight(p)
	low := s.c.h < tallHeight // there, what will be done has to be seen before what is well
	if !low {
		well(p)
	}
	p.add(s.c.style.rule(w))
	s.steps(p)
	s.leaves(p)
	if low {
		p.add(s.c.style.rule(w))
		well(p)
	}
	return p.lines
}

// status is the command line that runs the same plan, and how much of the plan is out of sight.
func (s *planScreen) status(w int) string {
	h := s.c.body()
	lines := len(s.lines(w + 1))
	if s.diff {
		lines = len(s.diffLines(w + 1))
	}
	more := ""
	if below := lines - h - min(s.scroll.top, max(lines-h, 0)); below > 0 {
		more = plural(below, "line") + " below"
	}
	if s.plan == nil {
		return more
	}
	return between("same: "+s.c.style.bold(s.line()), more, w)
}

// headline is the verdict, and whether the plan is another one than was shown before.
func (s *planScreen) headline(p *page) {
	if s.before != nil {
		p.add(" " + s.c.style.careful("THE PLAN CHANGED") + "  it was " + shortHash(s.before.Hash) + ", it is " + shortHash(s.plan.Hash))
		for _, d := range differences(s.before, s.plan) {
			p.add("   " + d)
		}
	}
	head := plural(len(s.plan.Units), "unit") + "   verdict " + s.verdict(s.plan.Verdict) + "   hash " + shortHash(s.plan.Hash)
	if s.plan.Hold > 0 {
		head += "   verified if well for " + lasted(s.plan.Hold)
	}
	p.add(" " + head)
	if n := len(s.plan.Units); n > 1 {
		names := make([]string, n)
		for i := range s.plan.Units {
			names[i] = itoa(i+1) + " " + unitName(s.plan.Units[i].Unit.ID)
		}
		text := "they go " + s.direction() + " together, in this order: "
		if s.plan.Atomic {
			text = "they need each other in a circle and go back as one set: "
		}
		for _, l := range wrap(text+strings.Join(names, ", ")+". Why: COUPLED below", p.w-2) {
			p.add(" " + s.c.style.bold(l))
		}
	}
}

// direction is the way in which the plan switches its units.
func (s *planScreen) direction() string {
	if s.plan.Kind == "forward" {
		return "forward"
	}
	return "back"
}

// differences says in words what is another between two plans for the same request.
func differences(old, now *rollback.Plan) []string {
	was := map[rollback.UnitID]*rollback.UnitPlan{}
	for i := range old.Units {
		was[old.Units[i].Unit.ID] = &old.Units[i]
	}
	var out []string
	for i := range now.Units {
		u := &now.Units[i]
		o, name := was[u.Unit.ID], unitName(u.Unit.ID)
		delete(was, u.Unit.ID)
		switch {
		case o == nil:
			out = append(out, name+" is new in it")
		case o.From.Digest != u.From.Digest:
			out = append(out, name+" now serves "+revision(u.From)+", it was "+revision(o.From))
		case o.To.Digest != u.To.Digest:
			out = append(out, name+" now goes to "+revision(u.To)+", it was "+revision(o.To))
		case o.Verdict != u.Verdict:
			out = append(out, name+" is now "+string(u.Verdict)+", it was "+string(o.Verdict))
		}
	}
	for i := range old.Units {
		if id := old.Units[i].Unit.ID; was[id] != nil {
			out = append(out, unitName(id)+" is not in it any more")
		}
	}
	if len(out) == 0 {
		out = append(out, "the same units and revisions; what it rests on, its steps or its checks are others")
	}
	return out
}

func (s *planScreen) unitTable(p *page) {
	wide := p.w >= wideWidth
	name, kinds, blast := 22, 10, 0
	rev := max((p.w-name-46)/2, 6)
	if wide { // how much it touches gives way on a narrow terminal: the confirmation has it
		name, kinds, rev, blast = 27, 15, 16, 10
	}
	p.add(s.c.style.faint("     " + fit("UNIT", name) + " " + fit("KIND", kinds) + " " + fit("FROM", rev) + " " + fit("TO", rev) + " " +
		fit("ALONE", 9) + " " + fit("PROOF", 8) + " " + tailColumns("EST", "BLAST", blast)))
	for i, r := range s.rows() {
		mark := "[ ]"
		if s.only[r.id] {
			mark = "[x]"
		}
		cur := " "
		if i == s.list.cursor {
			cur = ">"
		}
		kind := fit(kindIn(r.unit.Kind, kinds), kinds)
		if r.plan == nil {
			p.add(cur + mark + " " + fit(unitLabel(r.id, name), name) + " " + kind + " not in this plan")
			continue
		}
		u := r.plan
		est := "unknown"
		if u.Estimate > 0 {
			est = "~" + roughly(u.Estimate)
		}
		line := cur + mark + " " + fit(unitLabel(r.id, name), name) + " " + kind + " " + fit(revisionIn(u.From, rev), rev) + " " + fit(revisionIn(u.To, rev), rev) +
			" " + fit(alone(u.Verdict), 9) + " " + fit(proofLevel(u), 8) + " " + tailColumns(est, blastOf(u), blast)
		if i == s.list.cursor {
			line = s.c.style.bold(line)
		}
		p.add(line)
	}
}

// tailColumns is the estimate, and how much is touched in w columns behind it, none where w is 0.
func tailColumns(est, blast string, w int) string {
	if w == 0 {
		return est
	}
	return fit(est, 7) + " " + cut(blast, w)
}

// blastOf is how much going back touches; nobody guesses it.
func blastOf(u *rollback.UnitPlan) string {
	if u.Blast == "" {
		return "unknown"
	}
	return plain(u.Blast)
}

// kindIn is a kind of unit in w columns: the first of its words where not all fit.
func kindIn(kind string, w int) string {
	kind = plain(kind)
	if first, _, ok := strings.Cut(kind, " "); ok && width(kind) > w {
		return first
	}
	return kind
}

// unitLabel is the whole id of a unit where it fits into w columns, else its name.
func unitLabel(id rollback.UnitID, w int) string {
	if s := plain(string(id)); width(s) <= w {
		return s
	}
	return unitName(id)
}

// revision is the name that people use, with enough of the digest to tell two of one name apart.
func revision(r rollback.Revision) string {
	short := plain(strings.TrimPrefix(r.Digest, "sha256:"))
	short = short[:min(7, len(short))]
	switch {
	case r.Label == "":
		return short
	case short == "":
		return plain(r.Label)
	default:
		return plain(r.Label) + " " + short
	}
}

// name is what people call a revision; the beginning of its digest where it has no name.
func name(r rollback.Revision) string {
	if r.Label != "" {
		return plain(r.Label)
	}
	return revision(r)
}

// revisionIn leaves the digest out where there is no room for it.
func revisionIn(r rollback.Revision, w int) string {
	if s := revision(r); width(s) <= w || r.Label == "" {
		return s
	}
	return plain(r.Label)
}

func alone(v rollback.Verdict) string {
	switch v {
	case rollback.Independent:
		return "yes"
	case rollback.NoOp:
		return "no-op"
	case rollback.Conditional:
		return "if"
	case rollback.Coupled:
		return "together"
	case rollback.Irreversible:
		return "NO"
	case rollback.Blocked:
		return "BLOCKED"
	default:
		return "unknown"
	}
}

// proofLevel is the level of a way back that is tested, "untested" else.
func proofLevel(u *rollback.UnitPlan) string {
	if u.Proof != nil && u.Proof.Tested() {
		return u.Proof.Level.String()
	}
	word := proven(u.Tested)
	if at := strings.IndexAny(word, ":;"); at >= 0 {
		word = word[:at]
	}
	return word
}

func proven(t string) string {
	if t == "" {
		return "untested"
	}
	return plain(t)
}

func (s *planScreen) verdict(v rollback.Verdict) string {
	switch v {
	case rollback.Independent, rollback.NoOp:
		return s.c.style.good(string(v))
	case rollback.Conditional, rollback.Coupled:
		return s.c.style.careful(string(v))
	case "":
		return s.c.style.careful("unknown")
	default:
		return s.c.style.bad(string(v))
	}
}

func (s *planScreen) steps(p *page) {
	s.stepsHead(p)
	n := 0
	for i := range s.plan.Units {
		u := &s.plan.Units[i]
		for _, st := range u.Steps {
			n++
			s.addStep(p, "  "+fitRight(itoa(n), 2)+" ", stepTitle(&st), undoOf(u, &st))
		}
	}
	if n == 0 {
		p.add("   none: there is nothing to do")
		return
	}
	p.add(labelled("  "+fitRight(itoa(n+1), 2)+" ", "verify from outside: "+s.verifies(), p.w-1)...)
	for i := range s.plan.Units {
		u := &s.plan.Units[i]
		for j := range u.Declared {
			s.declared(p, u, &u.Declared[j])
		}
	}
}

// stepTitle is what a step does, and to which unit.
func stepTitle(st *rollback.Step) string {
	name, title := unitName(st.Unit), plain(st.Title)
	if name == "" || strings.Contains(title, name) {
		return title
	}
	return name + ": " + title
}

// leaves says what is destroyed and what a rollback does not bring back.
func (s *planScreen) leaves(p *page) {
	add := func(word, text string) {
		lines := wrap(text, p.w-16)
		p.add(" " + word + "  " + lines[0])
		for _, l := range lines[1:] {
			p.add(pad(15) + l)
		}
	}
	for i := range s.plan.Units {
		u := &s.plan.Units[i]
		for _, d := range u.Destroys {
			add(s.c.style.bad("DESTROYS    "), unitName(u.Unit.ID)+": "+plain(d))
		}
		for _, d := range u.NotRestored {
			add(s.c.style.careful("NOT RESTORED"), unitName(u.Unit.ID)+": "+plain(d))
		}
		for _, m := range u.Measures {
			add(s.c.style.careful("STAYS       "), stays(&m))
		}
		if u.LastingFix != "" {
			add(s.c.style.bold("LASTING FIX "), unitName(u.Unit.ID)+": "+plain(u.LastingFix))
		}
	}
}

// diffLines is the whole diff of the plan. Its text comes from outside.
func (s *planScreen) diffLines(w int) []string {
	p := newPage(w, 20000)
	for i := range s.plan.Units {
		u := &s.plan.Units[i]
		p.add(" " + s.c.style.bold("DIFF "+unitName(u.Unit.ID)) + "   " + revision(u.From) + " -> " + revision(u.To) + "   d closes")
		if u.Diff == "" {
			p.add("  the provider shows no diff")
		}
		for _, l := range strings.Split(u.Diff, "\n") {
			l = plain(strings.ReplaceAll(l, "\t", "    "))
			switch {
			case strings.HasPrefix(l, "+"):
				l = s.c.style.good(l)
			case strings.HasPrefix(l, "-"):
				l = s.c.style.bad(l)
			}
			p.add("  " + l)
		}
		p.add("")
	}
	return p.lines
}
