package tui

import (
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback/policy"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// header never scrolls: environment, incident, freshness, mode and identity; on tall screens the sources below.
func (c *console) header(w, h int) []string {
	left, right := c.headline(w)
	line := between(left, right, w)
	if c.prod() {
		line = c.style.reverse(line)
	}
	lines := []string{line}
	if c.st.Notice != "" {
		lines = append(lines, c.style.careful(cut(" "+plain(c.st.Notice), w)))
	}
	if text := c.waits(); text != "" {
		lines = append(lines, c.style.careful(cut(" "+text, w)))
	}
	if h >= tallHeight {
		lines = append(lines, c.healthLine(w))
	}
	return append(lines, c.style.rule(w))
}

// tightness is how much of the header gives way on a narrow screen. Each step takes more than the one before; what stays
// is the environment, the incident and its state, freshness, and whether anything may be altered.
type tightness int

const (
	roomy     tightness = iota // only the incident's title gives way, then the context
	closer                     // one blank between two things
	untitled                   // without the screen's name, which its body has too
	anonymous                  // without the name of who acts
	tightest                   // of a live run its id alone
)

// headline is both ends of the header, no tighter than it has to be.
func (c *console) headline(w int) (left, right string) {
	for t := roomy; t <= tightest; t++ {
		right = c.headRight(w, t)
		n := w - width(right) - 2
		if left = c.headLeft(w, n, t); width(left) <= n+1 {
			break
		}
	}
	return left, right
}

// headLeft is the environment, the screen and the incident in n columns. The incident's title gives way, not its state.
func (c *console) headLeft(w, n int, tight tightness) string {
	gap := "  "
	switch {
	case w >= wideWidth:
		gap = "   "
	case tight >= closer:
		gap = " "
	}
	parts := []string{strings.TrimRight(" "+c.style.bold(c.badge())+" "+plain(c.opts.Context), " ")}
	if t := c.top().Title(); t != "" && tight < untitled {
		parts = append(parts, t)
	}
	inc := c.st.Incident
	if inc == nil {
		return strings.Join(append(parts, "no incident"), gap)
	}
	name := plain(inc.ID)
	parts = append(parts, name)
	at := len(parts) - 1
	state := c.incidentState(inc)
	if sev := strings.ToUpper(plain(inc.Severity)); sev != "" && width(strings.Join(parts, gap)+sev+state)+2*len(gap) <= n {
		parts = append(parts, sev) // where there is little room, how it stands goes first
	}
	parts = append(parts, state)
	if width(strings.Join(parts, gap)) > n {
		parts[0] = " " + c.style.bold(c.badge())
	}
	if room := n - width(strings.Join(parts, gap)) - 1; room >= 12 && inc.Title != "" {
		parts[at] += " " + cut(plain(inc.Title), room)
	}
	return strings.Join(parts, gap)
}

// incidentState says for how long an incident is open, or since when it is over, and how many others are open.
func (c *console) incidentState(inc *timeline.Incident) string {
	text := "open " + ago(c.now().Sub(inc.OpenedAt))
	if !inc.Open() {
		text = "closed " + ago(max(c.now().Sub(inc.ClosedAt), 0)) + " ago"
	}
	if n := c.others(inc.ID); n > 0 {
		text += " (+" + itoa(n) + " more)"
	}
	return text
}

// others counts the open incidents that are not shown.
func (c *console) others(shown string) (n int) {
	for i := range c.st.Incidents {
		if inc := &c.st.Incidents[i]; inc.Open() && inc.ID != shown {
			n++
		}
	}
	return n
}

func (c *console) headRight(w int, tight tightness) string {
	fresh, n := c.fresh()
	parts := []string{c.mode() + " " + itoa(fresh) + "/" + itoa(n)}
	if live := c.live(); len(live) > 0 && plain(live[0].ID) != c.top().Title() {
		text := plain(live[0].ID)
		if tight < tightest {
			text += " " + string(live[0].State)
		}
		parts = append([]string{text}, parts...)
	}
	who, may, short := plain(c.opts.Principal.ID), "READ-WRITE", "RW"
	if c.opts.Principal.Kind == policy.Agent {
		may, short = "PROPOSE ONLY", "PROPOSE" // it may not confirm anything
	}
	switch wide := w >= wideWidth; {
	case tight >= anonymous && c.readOnly() != "":
		parts = append(parts, c.style.bold("READ-ONLY"))
	case tight >= anonymous:
		parts = append(parts, short)
	case c.readOnly() != "" && wide:
		parts = append(parts, c.style.bold("READ-ONLY")+" as "+who)
	case c.readOnly() != "":
		parts = append(parts, c.style.bold("READ-ONLY")+" "+cut(who, 12))
	case wide:
		parts = append(parts, may+" as "+who)
	default:
		parts = append(parts, short+" "+cut(who, 12))
	}
	if tight >= closer {
		return strings.Join(parts, " ") + " "
	}
	return strings.Join(parts, "  ") + " "
}

// mode says whether what is shown is now, or how old it is.
func (c *console) mode() string {
	switch {
	case c.st.Version == 0:
		return "WAITING"
	case !c.st.CachedAt.IsZero():
		return "CACHED " + ago(c.now().Sub(c.st.CachedAt)) + " AGO"
	case !c.opts.At.IsZero():
		return "AT " + c.in(c.opts.At)
	default:
		return "LIVE"
	}
}

func (c *console) in(t time.Time) string { return c.clock().in(t).Format("15:04") }

// fresh counts the sources that answer in time.
func (c *console) fresh() (ok, all int) {
	for i := range c.st.Health {
		if c.st.Health[i].State == providers.HealthOK {
			ok++
		}
	}
	return ok, len(c.st.Health)
}

// healthLine tells of every source in a word and its age, and of a failing one why. Where none fails, what a source says
// of its answer has the room: lines that could not be read, a rebase under way.
func (c *console) healthLine(w int) string {
	if len(c.st.Health) == 0 {
		return c.style.faint(" no source is configured")
	}
	fresh, n := c.fresh()
	right := itoa(fresh) + "/" + itoa(n) + " fresh "
	parts, room, failing, remarked := make([]string, n), w-width(right), 0, 0
	for i := range c.st.Health {
		h := &c.st.Health[i]
		parts[i] = c.healthWord(h, 0)
		room -= width(parts[i]) + 3
		switch {
		case why(h) != "":
			failing++
		case remark(h) != "":
			remarked++
		}
	}
	for i := range c.st.Health {
		h := &c.st.Health[i]
		switch {
		case why(h) != "":
			parts[i] = c.healthWord(h, max(room/failing-2, leastWhy))
		case failing == 0 && remark(h) != "" && room/remarked-2 >= leastRemark:
			parts[i] += ": " + cut(remark(h), room/remarked-2)
		}
	}
	return between(" "+strings.Join(parts, "   "), right, w)
}

// leastWhy is how many columns of why a source fails are shown however narrow the screen is; fewer than leastRemark of what one
// that is well says tell nothing.
const leastWhy, leastRemark = 32, 16

// why is why a source fails, "" where it does not.
func why(h *providers.Health) string {
	if h.State != providers.HealthFailing {
		return ""
	}
	return plain(h.Detail)
}

// remark is what a source that is well says of its answer. That its clock is off has a word of its own.
func remark(h *providers.Health) string {
	if h.State != providers.HealthOK || h.ClockOff() {
		return ""
	}
	return plain(h.Detail)
}

// healthWord is one source: "flags SLOW 9s". Of why it fails it tells as much as fits into room.
func (c *console) healthWord(h *providers.Health, room int) string {
	name := plain(h.Provider)
	old := "never"
	if !h.LastOK.IsZero() {
		old = age(c.now().Sub(h.LastOK))
	}
	switch h.State {
	case providers.HealthOK:
		if h.ClockOff() {
			return name + " ok " + old + " " + c.style.careful("CLOCK "+offset(h.Skew))
		}
		return name + " ok " + old
	case providers.HealthSlow:
		return name + " " + c.style.careful("SLOW "+lasted(h.Latency))
	case providers.HealthStale:
		return name + " " + c.style.careful("STALE "+old)
	case providers.HealthFailing:
		text := "FAIL " + old
		if room > 0 {
			text += ": " + cut(why(h), room)
		}
		return name + " " + c.style.bad(text)
	default:
		if !h.LastOK.IsZero() {
			return name + " " + c.style.faint("asking, known "+old)
		}
		return name + " " + c.style.faint("asking")
	}
}

// offset is how far a clock is ahead, or behind, with its sign.
func offset(d time.Duration) string {
	if d < 0 {
		return "-" + lasted(-d)
	}
	return "+" + lasted(d)
}

// troubled is the worst source in a sentence, "" when all are well.
func (c *console) troubled() string {
	worst := -1
	for i := range c.st.Health {
		if n := trouble(c.st.Health[i].State); n > 0 && (worst < 0 || n > trouble(c.st.Health[worst].State)) {
			worst = i
		}
	}
	if worst < 0 {
		return ""
	}
	return c.sentence(&c.st.Health[worst])
}

// recordOld says that the record is away and a copy of it is shown, "" where it is not: every run, drill and entry comes from it.
func (c *console) recordOld() string {
	for i := range c.st.Health {
		if h := &c.st.Health[i]; h.Provider == record && h.State == providers.HealthStale {
			return c.sentence(h)
		}
	}
	return ""
}

// record is what the source is called that the record is on the timeline.
const record = "backout"

// sentence is what is wrong with a source, in a sentence.
func (c *console) sentence(h *providers.Health) string {
	// Of when what is shown is comes first: where the line is too short, the reason is what is cut.
	text := plain(h.Provider) + " " + string(h.State)
	if h.LastOK.IsZero() {
		text += ", nothing known from it yet"
	} else {
		text += ", showing its data from " + c.clock().stamp(h.LastOK)
	}
	if h.Detail != "" {
		text += ": " + cut(plain(h.Detail), 48)
	}
	return text
}

// trouble ranks health states, 0 for those that need no word.
func trouble(s providers.HealthState) int {
	switch s {
	case providers.HealthSlow:
		return 1
	case providers.HealthStale:
		return 2
	case providers.HealthFailing:
		return 3
	default:
		return 0
	}
}

// footer is the status line, a rule and the keys; an open prompt takes the place of the keys.
func (c *console) footer(w int) []string {
	if c.prompt != nil {
		return []string{cut(" "+c.prompt.suggestions(w-2), w), c.style.rule(w), cut(c.prompt.line(), w)}
	}
	status := c.notice
	if s, ok := c.top().(interface{ status(w int) string }); ok && status == "" {
		status = s.status(w - 1)
	} else if status != "" {
		status = c.style.bold(cut(status, w-2))
	}
	if status == "" {
		status = c.style.careful(c.recordOld())
	}
	return []string{cut(" "+status, w), c.style.rule(w), keyLine(c.style, c.top().keys(), c.everyKeys(), w)}
}

// everyKeys are the keys that every screen shows at the end of its key line.
func (c *console) everyKeys() []action {
	back := action{label: "q", desc: "quit"}
	if len(c.stack) > 1 {
		back = action{label: "esc", desc: "back"}
	}
	return []action{{label: ":", desc: "cmd"}, {label: "?", desc: "help"}, back}
}

// under lays text of n columns over line at column x; the line is w wide.
func under(line string, x, n, w int, text string) string {
	line = fit(line, w)
	left := fit(cutHard(line, x), x)
	right := tail(line, x+n, w)
	return left + reset + text + reset + right
}
