// Command get builds the pinned servers that tests need into the user's cache, each in a module of its own:
//
//	go run ./test/servers/get [NAME...]
//
// Without names it gets those that are neither on PATH nor in the cache.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

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
		if err := build(ctx, s); err != nil {
			return fmt.Errorf("build %s %s: %w", s.Name, s.Version, err)
		}
	}
	return nil
}

// build runs go build within the server's module. Its go.sum pins every byte that is downloaded.
func build(ctx context.Context, s servers.Server) error {
	out, err := s.Cached()
	if err != nil {
		return err
	}
	if _, err := os.Stat(out); err == nil {
		fmt.Printf("%s %s is there: %s\n", s.Name, s.Version, out)
		return nil
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	fmt.Printf("building %s %s; the first time takes minutes (the control plane ten)\n", s.Name, s.Version)
	half := out + ".part" // an interrupted build must not look like a finished one
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", s.Tags, "-ldflags", s.LDFlags, "-o", half, s.Package)
	cmd.Dir = filepath.Join(filepath.Dir(strings.TrimSpace(string(root))), "test", "servers", s.Name)
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	if err := os.Rename(half, out); err != nil {
		return err
	}
	fmt.Printf("%s is there: %s\n", s.Name, out)
	return nil
}
