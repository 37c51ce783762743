// Command measure says how well the ranking of suspects does on incident files whose truth is known: one line of figures
// for each file, never pooled, beside the floors of chance and of "the latest change first".
//
//	go run ./test/measure [--at-offset SECONDS] [--rankings FILE] FILE...
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/backout-dev/backout/providers/incident"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/timeline/export"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) (err error) {
	flags := flag.NewFlagSet("measure", flag.ContinueOnError)
	offset := flags.Int("at-offset", 0, "rank as if it were `SECONDS` later than each document says")
	rankings := flags.String("rankings", "", "also write the rankings to `FILE`, one a line")
	asJSON := flags.Bool("json", false, "print the figures as JSON, one line for each file")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read the flags: %w", err)
	}
	if flags.NArg() == 0 {
		return errors.New("name one or more incident files (.json or .jsonl) whose truth is known")
	}
	keep := io.Discard
	if *rankings != "" {
		f, err := os.Create(*rankings)
		if err != nil {
			return fmt.Errorf("open the file for the rankings: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		keep = f
	}
	for _, name := range flags.Args() {
		figures, err := measureFile(name, time.Duration(*offset)*time.Second, keep)
		if err != nil {
			return err
		}
		if *asJSON {
			err = json.NewEncoder(out).Encode(figures)
		} else {
			err = figures.print(out)
		}
		if err != nil {
			return fmt.Errorf("print the figures: %w", err)
		}
	}
	return nil
}

// measureFile ranks every document of one file.
func measureFile(name string, offset time.Duration, keep io.Writer) (*figures, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open an incident file: %w", err)
	}
	defer f.Close()
	s := scores{name: name, offset: offset}
	for doc, err := range incident.Read(bufio.NewReaderSize(f, 1<<20)) {
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		doc.At = doc.At.Add(offset)
		in := export.Input(doc)
		start := time.Now()
		r := culprit.Rank(in)
		s.took += time.Since(start)
		if err := culprit.Encode(keep, r); err != nil {
			return nil, fmt.Errorf("keep a ranking: %w", err)
		}
		s.add(&doc, r)
	}
	return s.figures(), nil
}
