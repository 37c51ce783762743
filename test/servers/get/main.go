// Command get builds the pinned servers that tests need into the user's cache, each in a module of its own:
//
//	go run ./test/servers/get [NAME...]
//
// Without names it gets those that are neither on PATH nor in the cache. They are built one after the other, because each
// build takes every processor there is.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "get:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, names []string) error {
	if len(names) == 0 {
		for _, s := range servers.All() {
			if path, err := servers.Find(s.Name); err == nil {
				fmt.Printf("%s is there: %s\n", s.Name, path)
				continue
			}
			names = append(names, s.Name)
		}
	}
	for _, name := range names {
		s, err := servers.Lookup(name)
		if err != nil {
			return err
		}
		began := time.Now()
		tell, done := servers.Report(os.Stdout)
		path, err := servers.Build(ctx, s, tell)
		done()
		if err != nil {
			return err
		}
		fmt.Printf("%s %s is there, after %s: %s\n", s.Name, s.Version, time.Since(began).Round(time.Second), path)
	}
	return nil
}
