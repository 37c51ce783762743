package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed lnav.json
var lnavFormat []byte

// lnav lets lnav open the same files, merge them and count the lines, and compares.
func lnav(ctx context.Context, f *feeds, dir string, ours time.Duration) (result, error) {
	program, err := exec.LookPath("lnav")
	if err != nil {
		return result{skip: true, note: "lnav is not installed"}, nil
	}
	feeds, err := f.write()
	if err != nil {
		return result{}, err
	}
	formats := filepath.Join(dir, ".config", "lnav", "formats", "backout")
	if err := os.MkdirAll(formats, 0o700); err != nil {
		return result{}, err
	}
	if err := os.WriteFile(filepath.Join(formats, "backout.json"), lnavFormat, 0o600); err != nil {
		return result{}, err
	}
	args := []string{"-n", "-q", "-c", ";select count(*) as n from backout_feed", "-c", ":write-json-to -"}
	for i := range f.files {
		args = append(args, filepath.Join(feeds, fmt.Sprintf("events-%d.jsonl", i)))
	}
	var best time.Duration
	var memory uint64
	for range 2 {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, ".config"), "TERM=dumb")
		start := time.Now()
		out, err := cmd.Output()
		took := time.Since(start)
		if err != nil {
			return result{}, fmt.Errorf("run lnav: %w", err)
		}
		if !strings.Contains(string(out), strconv.Itoa(f.events)) {
			return result{}, fmt.Errorf("lnav counted %q", strings.TrimSpace(string(out)))
		}
		if best == 0 || took < best {
			best = took
		}
		memory = max(memory, maxResident(cmd.ProcessState))
	}
	note := fmt.Sprintf("best of 2; %.1f times as long as backout", float64(best)/float64(max(ours, 1)))
	if memory > 0 {
		note += ", " + mb(memory) + " resident"
	}
	return result{value: ms(best), note: note}, nil
}
