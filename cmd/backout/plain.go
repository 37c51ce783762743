package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// plainSuspects is how many suspects the plain console reads out.
const plainSuspects = 3

// plainConsole is the same core for those whom a repainting screen does not serve: lines that stay, and plain questions.
func (a *app) plainConsole(ctx context.Context, s *opened) error {
	for {
		ranking := a.plainState(s)
		fmt.Fprint(a.out, "\nNumber of a suspect: plan to take it back. t: timeline. n TEXT: note. Enter: look again. q: leave. > ")
		line, err := a.readLine(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "":
		case "q":
			return nil
		case "t":
			err = a.printTimeline(s, "")
		case "n":
			if err = s.Note(ctx, "", rest); err == nil {
				fmt.Fprintln(a.out, "the note is in the record")
			}
		default:
			err = a.plainRollback(ctx, s, word, &ranking)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !isSilent(err) {
			fmt.Fprintf(a.out, "not done: %v\n", err)
		}
	}
}

// plainState says what is true now: the environment, the sources that do not answer, the incident and its suspects.
func (a *app) plainState(s *opened) culprit.Ranking {
	mode := "read-write"
	if s.settings.ReadOnly || s.NoRecord != nil {
		mode = "read-only"
	}
	fmt.Fprintf(a.out, "\n%s, %s, %s\n", strings.ToUpper(tierWord(s.settings)), a.now().UTC().Format(time.RFC3339), mode)
	for _, h := range s.Health() {
		if h.State != "ok" {
			fmt.Fprintf(a.out, "source %s: %s %s\n", h.Provider, h.State, h.Detail)
		}
	}
	inc, ok := s.Incident(a.flags.incident)
	if !ok {
		fmt.Fprintln(a.out, "no incident: nothing alerts")
		return culprit.Ranking{}
	}
	state := "open since " + inc.OpenedAt.UTC().Format(time.RFC3339)
	if !inc.Open() {
		state = "closed at " + inc.ClosedAt.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(a.out, "incident %s, %d alerts, %s\n", state, len(inc.Alerts), strings.Join(inc.Services, ", "))
	ranking := s.Rank(inc, a.now().UTC())
	a.plainRanking(s, inc.Title, &ranking)
	return ranking
}

// plainRanking reads out the first suspects, each on a line, and why it is the first one.
func (a *app) plainRanking(s *opened, title string, r *culprit.Ranking) {
	fmt.Fprintf(a.out, "%s: %s\n", r.ID, providers.Clean(title))
	if len(r.Ranking) == 0 || r.None >= r.Ranking[0].P {
		fmt.Fprintln(a.out, "nothing listed is likely to blame")
	}
	fmt.Fprintf(a.out, "none of these: %.2f\n", r.None)
	if r.Tie {
		fmt.Fprintln(a.out, "tie: the first suspects cannot be told apart")
	}
	snap := s.Timeline.Snapshot()
	for i, suspect := range r.Ranking[:min(len(r.Ranking), plainSuspects)] {
		what := suspect.Change
		if c, ok := snap.Change(suspect.Change); ok {
			what = fmt.Sprintf("%s, %s, ai: %s", dash(c.Service), whatOf(&c), aiWord(&c))
		}
		fmt.Fprintf(a.out, "%d: %.2f, %s\n", i+1, suspect.P, what)
		for _, e := range suspect.Evidence {
			if i == 0 && e.Weight != 0 {
				fmt.Fprintf(a.out, "   %+.1f %s\n", e.Weight, e.Text)
			}
		}
	}
}

func (a *app) plainRollback(ctx context.Context, s *opened, word string, r *culprit.Ranking) error {
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > min(len(r.Ranking), plainSuspects) {
		return fmt.Errorf("%q is none of the answers", word)
	}
	name := r.Ranking[n-1].Change
	if c, ok := s.Timeline.Snapshot().Change(name); ok {
		name = timeline.Handle(&c)
	}
	return a.rollBack(ctx, s, name, rollbackFlags{})
}

// readLine reads one answer of a person, and takes no more of the input than that. It ends with ctx, so that an interrupt
// ends a question.
func (a *app) readLine(ctx context.Context) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // left behind at an interrupt, where the process ends
		var line []byte
		one := make([]byte, 1)
		for len(line) < 4096 {
			n, err := a.in.Read(one)
			if n == 1 && one[0] == '\n' {
				break
			}
			line = append(line, one[:n]...)
			if err != nil && len(line) == 0 {
				got <- answer{err: err}
				return
			}
			if err != nil {
				break
			}
		}
		got <- answer{line: strings.TrimRight(string(line), "\r")}
	}()
	select {
	case g := <-got:
		return g.line, g.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
