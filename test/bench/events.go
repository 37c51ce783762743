package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/file"
	"github.com/backout-dev/backout/timeline"
)

// screen is what the child process tells of itself.
type screen struct {
	Lines int           `json:"lines"`
	Open  time.Duration `json:"open_ns"` // from main to the last line of the first screen
	Peak  uint64        `json:"peak"`    // resident memory in bytes, the most there was; 0 where the system does not say
	Now   uint64        `json:"now"`     // the same, after everything is open
}

// screenful opens feeds as the console does, writes the newest screen of lines, and then what that took. It runs in a
// process of its own, so that its memory is nobody else's.
func screenful(ctx context.Context, dir string, out io.Writer) error {
	start := time.Now()
	store, err := indexed(ctx, dir, time.Now)
	if err != nil {
		return err
	}
	v := store.Snapshot().Query(timeline.Query{})
	for i := range min(rows, v.Len()) {
		ev, err := v.Event(i)
		if err != nil {
			return err
		}
		r := v.Row(i)
		title := ""
		if ev.Change != nil {
			title = ev.Change.Title
		} else {
			title = ev.Alert.Summary
		}
		fmt.Fprintln(out, r.At.Format(time.RFC3339), r.Kind, r.Service, title)
	}
	s := screen{Lines: v.Len(), Open: time.Since(start)}
	s.Peak, s.Now = memory("self")
	return json.NewEncoder(out).Encode(s)
}

// indexed is a timeline of the feeds in a directory.
func indexed(ctx context.Context, dir string, now func() time.Time) (*timeline.Store, error) {
	p, err := file.Factory().New(providers.Environment{
		Name: "feed", Dir: dir, Now: now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}, func(into any) error { return json.Unmarshal([]byte(`{"paths":["*.jsonl"],"follow":true}`), into) })
	if err != nil {
		return nil, err
	}
	store := timeline.New(now)
	return store, store.Index(ctx, "feed", p.(providers.Indexer), providers.Window{})
}

// memory reads a process's resident memory, the most and now.
func memory(process string) (peak, now uint64) {
	b, err := os.ReadFile(filepath.Join("/proc", process, "status"))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		name, rest, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		switch name {
		case "VmHWM":
			peak = kb << 10
		case "VmRSS":
			now = kb << 10
		}
	}
	return peak, now
}

// opened runs the child three times and gives the median by time from exec to the last line of the first screen.
func (f *feeds) opened(ctx context.Context) (wall time.Duration, s screen, err error) {
	dir, err := f.write()
	if err != nil {
		return 0, s, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, s, err
	}
	type run struct {
		wall time.Duration
		s    screen
	}
	var runs []run
	for range 3 {
		start := time.Now()
		out, err := exec.CommandContext(ctx, self, "-child", dir).Output()
		if err != nil {
			return 0, s, fmt.Errorf("run the child: %w", err)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		r := run{wall: time.Since(start)}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &r.s); err != nil {
			return 0, s, err
		}
		if r.s.Lines != f.events {
			return 0, s, fmt.Errorf("%d lines of %d", r.s.Lines, f.events)
		}
		runs = append(runs, r)
	}
	best := runs[0]
	for _, r := range runs { // the median of three is neither the least nor the most
		less, more := 0, 0
		for _, o := range runs {
			if o.wall < r.wall {
				less++
			} else if o.wall > r.wall {
				more++
			}
		}
		if less <= 1 && more <= 1 {
			best = r
		}
	}
	return best.wall, best.s, nil
}

func eventMeasurements(f *feeds) []measurement {
	var wall time.Duration
	var s screen
	what := fmt.Sprintf("%d events in %d files", f.events, f.files)
	return []measurement{
		{what + ": exec to first screen", "1 s", func(ctx context.Context, _ string) (r result, err error) {
			wall, s, err = f.opened(ctx)
			return result{value: ms(wall), within: wall <= time.Second, note: fmt.Sprintf("%d MB of feeds, median of 3", f.bytes>>20)}, err
		}},
		{what + ": most resident memory", "150 MB", func(context.Context, string) (result, error) {
			if s.Peak == 0 {
				return result{skip: true, note: "this system does not say"}, nil
			}
			return result{value: mb(s.Peak), within: s.Peak <= 150<<20, note: mb(s.Now) + " once open"}, nil
		}},
		{what + ": lnav, headless", "", func(ctx context.Context, dir string) (result, error) {
			return lnav(ctx, f, dir, wall)
		}},
	}
}
