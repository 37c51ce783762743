package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// plainSuspects is how many suspects the plain console reads out unasked.
const plainSuspects = 3

// plainConsole is the same core for those whom a repainting screen does not serve: lines that stay, and plain questions.
// What is true is said at the start, after whatever altered something, and when it is asked for, not after every answer.
func (a *app) plainConsole(ctx context.Context, s *opened) error {
	p := &plain{app: a, s: s}
	p.state(ctx)
	for {
		line, err := p.ask(ctx, "Number of a suspect: plan to take it back. h: all answers. Enter: look again. q: leave. > ")
		switch {
		case errors.Is(err, io.EOF), line == "q":
			return nil
		case err != nil:
			return err
		}
		err = p.answer(ctx, line)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !isSilent(err) {
			fmt.Fprintf(a.out, "not done: %s\n", harmless(err.Error()))
		}
	}
}

// plain is what was read out last: a number means what it meant there.
type plain struct {
	*app
	s       *opened
	inc     timeline.Incident
	ranking culprit.Ranking
}

// ask puts a question and gives the answer without blanks around it.
func (p *plain) ask(ctx context.Context, question string) (string, error) {
	fmt.Fprint(p.out, "\n"+question)
	line, err := p.readLine(ctx)
	return strings.TrimSpace(line), err
}

// plainAnswers are all answers but numbers, Enter and q, for the help and for whoever does not hit one.
func plainAnswers() [][2]string {
	return [][2]string{
		{"NUMBER", "plan to take that suspect back; nothing is done without a question"},
		{"why NUMBER", "what speaks for and against it"},
		{"all", "every suspect"},
		{"confirm NUMBER REASON, dismiss NUMBER REASON", "judge it, for the record"},
		{"n TEXT", "a note into the record"},
		{"t", "the timeline"},
		{"sources", "how every source does"},
		{"runs", "the runs"},
		{"follow RUN", "follow a run until it ends"},
		{"stop RUN", "stop it before its next step"},
		{"pause RUN", "let it wait before its next step"},
		{"resume RUN", "let it go on"},
		{"forward RUN", "plan the way forward again"},
	}
}

func (p *plain) answer(ctx context.Context, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch word {
	case "":
		p.state(ctx)
	case "h", "?", "help":
		for _, h := range plainAnswers() {
			fmt.Fprintf(p.out, "%s: %s\n", h[0], h[1])
		}
	case "t":
		return p.printTimeline(p.s, "")
	case "n":
		if err := p.s.Note(ctx, p.inc.ID, rest); err != nil {
			return err
		}
		fmt.Fprintln(p.out, "the note is in the record")
	case "all":
		p.suspects(len(p.ranking.Ranking))
	case "why":
		i, err := p.number(rest)
		if err != nil {
			return err
		}
		p.why(i)
	case "confirm", "dismiss":
		return p.judge(ctx, word, rest)
	case "sources":
		p.sources(true)
	case "runs", "follow", "stop", "pause", "resume", "forward":
		return p.run(ctx, word, rest)
	default:
		i, err := p.number(line)
		if err != nil {
			return err
		}
		return p.plan(ctx, p.handle(i))
	}
	return nil
}

// run is an answer about runs.
func (p *plain) run(ctx context.Context, word, id string) error {
	switch {
	case word == "runs":
		return p.listRuns(ctx, p.s)
	case id == "":
		return fmt.Errorf("which run? %s RUN; runs lists them", word)
	case word == "follow":
		return p.attach(ctx, p.s, id, orphaned)
	case word == "stop":
		return p.stop(ctx, id)
	case word == "pause":
		return p.pause(ctx, p.s, id)
	case word == "resume":
		return p.resume(ctx, p.s, []string{id})
	default:
		return p.plan(ctx, id)
	}
}

// number is which suspect of those that were read out is meant.
func (p *plain) number(word string) (int, error) {
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > len(p.ranking.Ranking) {
		return 0, fmt.Errorf("%q is no answer and no number of a suspect: h tells all answers", word)
	}
	return n - 1, nil
}

// handle is the short name of a suspect.
func (p *plain) handle(i int) string {
	id := p.ranking.Ranking[i].Change
	if c, ok := p.s.Timeline.Snapshot().Change(id); ok {
		return timeline.Handle(&c)
	}
	return id
}

func (p *plain) judge(ctx context.Context, word, rest string) error {
	which, reason, _ := strings.Cut(rest, " ")
	i, err := p.number(which)
	if err != nil {
		return err
	}
	if strings.TrimSpace(reason) == "" {
		return fmt.Errorf("say why: %s %s REASON", word, which)
	}
	if err := p.s.Suspect(ctx, p.inc.ID, p.ranking.Ranking[i].Change, word == "confirm", strings.TrimSpace(reason)); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%s %sed, in the record\n", p.handle(i), word)
	return nil
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
