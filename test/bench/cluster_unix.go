//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/creack/pty"

	"github.com/backout-dev/backout/test/servers"
)

// clusterMeasurements let the real program look at a real API server that has as much as a large cluster.
func clusterMeasurements(s settings, b *built) []measurement {
	if s.deployments == 0 {
		return nil
	}
	const revisions = 10
	what := fmt.Sprintf("cluster of %s Deployments and %s ReplicaSets: ", grouped(s.deployments), grouped(s.deployments*revisions))
	var seen looked
	var missing string
	var failed error
	ask := func(ok func(looked) result) func(context.Context, string) (result, error) {
		return func(ctx context.Context, dir string) (result, error) {
			if missing == "" && failed == nil && seen.rows == 0 {
				program, err := servers.Find("controlplane")
				if err != nil {
					missing = err.Error()
				} else {
					seen, failed = lookAt(ctx, b, program, dir, s.deployments, revisions)
				}
			}
			if missing != "" {
				return result{skip: true, note: missing}, nil
			}
			if failed != nil {
				return result{}, failed
			}
			return ok(seen), nil
		}
	}
	return []measurement{
		{what + "exec to first rows", "2 s", ask(func(l looked) result {
			return result{value: ms(l.first), within: l.first <= 2*time.Second, note: "writing them took " + l.filled.Round(time.Second).String()}
		})},
		{what + "exec to all of them", "15 s", ask(func(l looked) result {
			return result{value: ms(l.all), within: l.all <= 15*time.Second && l.rows >= s.deployments*revisions, note: fmt.Sprintf("%s rows; %.1f s of processor time", grouped(l.rows), l.processor.Seconds())}
		})},
		{what + "most resident memory", "250 MB", ask(func(l looked) result {
			if l.peak == 0 {
				return result{skip: true, note: "this system does not say"}
			}
			return result{value: mb(l.peak), within: l.peak <= 250<<20, note: mb(l.now) + " at the end"}
		})},
	}
}

// looked is what a console made of a cluster.
type looked struct {
	filled, first, all time.Duration
	processor          time.Duration // that the console took; it tells more than the clock on a machine that is busy
	rows               int
	peak, now          uint64
}

// rowsShown is how the console says how many events there are.
var rowsShown = regexp.MustCompile(`([0-9,]+) in [0-9]+[hd]`)

func lookAt(ctx context.Context, b *built, controlplane, dir string, deployments, revisions int) (l looked, err error) {
	program, err := b.program(ctx)
	if err != nil {
		return l, err
	}
	c, err := servers.RunCluster(ctx, controlplane, dir)
	if err != nil {
		return l, err
	}
	defer c.Stop()
	c.Still() // two processors are for those that are measured
	start := time.Now()
	if err := fill(ctx, c.Kubeconfig, deployments, revisions); err != nil {
		return l, err
	}
	l.filled = time.Since(start)
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return l, err
	}
	text := fmt.Sprintf("environment: prod\nsince: 24h\nproviders:\n  kubernetes: {kubeconfig: %q}\n", c.Kubeconfig)
	if err := os.WriteFile(filepath.Join(home, "backout.yaml"), []byte(text), 0o600); err != nil {
		return l, err
	}
	t, err := run(ctx, program, home)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, t.stop()) }()
	if l.first, l.all, l.rows, err = growth(ctx, t, deployments*revisions); err != nil {
		return l, err
	}
	l.peak, l.now = memory(fmt.Sprint(t.cmd.Process.Pid))
	l.processor = processor(t.cmd.Process.Pid)
	return l, nil
}

// processor is the time that a process took of the processors; zero where the system does not say.
func processor(pid int) (d time.Duration) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name before it may hold anything
	fields := strings.Fields(rest)
	const user, system, tick = 11, 12, 10 * time.Millisecond
	for _, i := range []int{user, system} {
		if i < len(fields) {
			n, _ := strconv.Atoi(fields[i]) // zero where it is no number
			d += time.Duration(n) * tick
		}
	}
	return d
}

// growth waits until the console shows as many rows as there are, or no more for a while, and says when it showed the first,
// and when the last of them. A terminal gets only what changed of a number, so it is asked for the whole frame every so often.
func growth(ctx context.Context, t *terminal, want int) (first, all time.Duration, most int, err error) {
	const patience = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	seen, wide := 0, columns
	for most < want && (all == 0 || time.Since(t.start)-all < patience) {
		select {
		case <-ctx.Done():
			return 0, 0, 0, fmt.Errorf("wait for all rows, %d until now: %w", most, ctx.Err())
		case <-tick.C:
		}
		t.mu.Lock()
		shown, ended := t.out[seen:], t.ended
		t.mu.Unlock()
		if ended != nil {
			return 0, 0, 0, fmt.Errorf("backout ended: %.300q", shown)
		}
		for _, m := range rowsShown.FindAllSubmatch(shown, -1) {
			n, err := strconv.Atoi(strings.ReplaceAll(string(m[1]), ",", ""))
			if err != nil || n <= most {
				continue
			}
			most, all = n, time.Since(t.start)
			if first == 0 {
				first = all
			}
		}
		seen = max(seen, t.written()-256) // a number may come in two pieces
		wide = 2*columns + 1 - wide
		if err := pty.Setsize(t.tty, &pty.Winsize{Cols: uint16(wide), Rows: rows}); err != nil {
			return 0, 0, 0, err
		}
	}
	return first, all, most, nil
}
