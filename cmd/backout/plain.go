package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/timeline/culprit"
)

// plainSuspects is how many suspects the plain console reads out.
const plainSuspects = 3

// plainConsole is the same core for those whom a repainting screen does not serve: lines that stay, and plain questions.
func (a *app) plainConsole(ctx context.Context, s *opened) error {
	for {
		ranking, err := a.plainState(s)
		if err != nil {
			return err
		}
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
func (a *app) plainState(s *opened) (culprit.Ranking, error) {
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
		return culprit.Ranking{}, nil
	}
	state := "open since " + inc.OpenedAt.UTC().Format(time.RFC3339)
	if !inc.Open() {
		state = "closed at " + inc.ClosedAt.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(a.out, "incident %s, %d alerts, %s\n", state, len(inc.Alerts), strings.Join(inc.Services, ", "))
	if err := a.rankIncident(s, inc.ID, plainSuspects); err != nil {
		return culprit.Ranking{}, err
	}
	return s.Rank(inc, a.now().UTC()), nil
}

func (a *app) plainRollback(ctx context.Context, s *opened, word string, r *culprit.Ranking) error {
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > len(r.Ranking) {
		return fmt.Errorf("%q is none of the answers", word)
	}
	return a.rollBack(ctx, s, r.Ranking[n-1].Change, rollbackFlags{})
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
