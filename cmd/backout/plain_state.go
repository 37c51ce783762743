package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/tui"
)

// state says what is true now: the environment, the sources that do not answer, the runs that are live, the incident and
// its suspects.
func (p *plain) state(ctx context.Context) {
	mode := "read-write"
	if p.s.settings.ReadOnly || p.s.NoRecord != nil || p.s.Lost != nil {
		mode = "read-only"
	}
	fmt.Fprintf(p.out, "\n%s, %s, %s\n", strings.ToUpper(providers.Clean(tierWord(p.s.settings))), p.now().UTC().Format(time.RFC3339), mode)
	p.sources(false)
	p.live(ctx)
	p.ranking = culprit.Ranking{}
	if !p.incident() {
		return
	}
	inc := p.inc
	p.ranking = p.s.Rank(inc, p.now().UTC())
	fmt.Fprintf(p.out, "%s: %s\n", p.ranking.ID, providers.Clean(inc.Title))
	p.verdict()
	p.suspects(plainSuspects)
	if len(p.ranking.Ranking) > 0 {
		p.why(0)
	}
}

// live tells of the runs that are not over, and how to come back to them.
func (p *plain) live(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.flags.timeout)
	defer cancel()
	runs, err := p.s.Engine.Runs(ctx)
	if err != nil {
		fmt.Fprintf(p.out, "the runs cannot be read: %s\n", harmless(err.Error()))
		return
	}
	for i := range runs {
		switch r := &runs[i]; {
		case r.State.Final():
		case !r.Alive:
			fmt.Fprintf(p.out, "run %s is %s and nobody works on it: %s\n", r.ID, r.State, p.commandLine(tui.CommandResume, r.ID))
		default:
			fmt.Fprintf(p.out, "run %s is %s: %s. follow %s: follow it\n", r.ID, r.State, harmless(r.Detail), r.ID)
		}
	}
}

// incident tells of the incident, and keeps one that closed until the next opens. False: there is none.
func (p *plain) incident() bool {
	inc, ok := p.s.Incident(p.flags.incident)
	if !ok && p.inc.ID != "" {
		inc, ok = p.s.Incident(p.inc.ID)
	}
	if !ok {
		fmt.Fprintln(p.out, "no incident: nothing alerts")
		return false
	}
	p.inc = inc
	state := "open since " + inc.OpenedAt.UTC().Format(time.RFC3339)
	if !inc.Open() {
		state = "closed at " + inc.ClosedAt.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(p.out, "incident %s, %s, %s\n", state, many(len(inc.Alerts), "alert"), providers.Clean(strings.Join(inc.Services, ", ")))
	return true
}

// verdict says how sure the ranking is before it names anybody.
func (p *plain) verdict() {
	r := &p.ranking
	if len(r.Ranking) == 0 || r.None >= r.Ranking[0].P {
		fmt.Fprintln(p.out, "nothing listed is likely to blame")
	}
	fmt.Fprintf(p.out, "none of these: %.2f\n", r.None)
	if r.Tie {
		fmt.Fprintln(p.out, "tie: the first suspects cannot be told apart")
	}
}

// many is "1 alert" or "3 alerts".
func many(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// sources tells of those that are not well, or of every one.
func (p *plain) sources(every bool) {
	for _, h := range p.s.Health() {
		if !every && h.State == providers.HealthOK {
			continue
		}
		last := "no answer yet"
		if !h.LastOK.IsZero() {
			last = "last answer " + h.LastOK.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(p.out, "source %s: %s, %s. %s\n", h.Provider, h.State, last, providers.Clean(h.Detail))
	}
}

// suspects reads out the first n, each on a line.
func (p *plain) suspects(n int) {
	snap := p.s.Timeline.Snapshot()
	for i, suspect := range p.ranking.Ranking[:min(len(p.ranking.Ranking), n)] {
		what := suspect.Change
		if c, ok := snap.Change(suspect.Change); ok {
			what = fmt.Sprintf("%s, %s, ai: %s", dash(c.Service), whatOf(&c), aiWord(&c))
		}
		fmt.Fprintf(p.out, "%d: %.2f, %s\n", i+1, suspect.P, what)
	}
}

// why reads out what speaks for and against a suspect, heaviest first, and whether it can go back.
func (p *plain) why(i int) {
	suspect := &p.ranking.Ranking[i]
	fmt.Fprintf(p.out, "why %d, %s:\n", i+1, p.handle(i))
	all := slices.Clone(suspect.Evidence)
	slices.SortStableFunc(all, func(a, b culprit.Evidence) int { return cmp.Compare(math.Abs(b.Weight), math.Abs(a.Weight)) })
	for _, e := range all {
		text := providers.Clean(e.Text)
		switch {
		case e.Weight > 0:
			fmt.Fprintf(p.out, "   for, weight %.1f: %s\n", e.Weight, text)
		case e.Weight < 0:
			fmt.Fprintf(p.out, "   against, weight %.1f: %s\n", -e.Weight, text)
		case strings.HasPrefix(text, "unknown: "):
			fmt.Fprintf(p.out, "   not known: %s\n", strings.TrimPrefix(text, "unknown: "))
		default:
			fmt.Fprintf(p.out, "   not counted: %s\n", text)
		}
	}
	p.wayBack(p.s.State(p.flags.incident).Rollback, suspect.Change)
}

// wayBack says whether a change can be taken back, as far as is known without planning.
func (p *plain) wayBack(known map[string]tui.Readiness, change string) {
	switch r, ok := known[change]; {
	case !ok:
		fmt.Fprintln(p.out, "   way back: not looked at yet, a plan does")
	case r.WhyNot != "":
		fmt.Fprintf(p.out, "   way back: not ready, %s\n", providers.Clean(r.WhyNot))
	default:
		fmt.Fprintf(p.out, "   way back: %s, %s\n", providers.Clean(r.Way), providers.Clean(cmp.Or(r.Tested, "untested")))
	}
}
