// Command bench measures the project's budgets and prints one table of them: what was promised, what it is here and now,
// and what another tool takes for the same where there is one. Run it with go run ./test/bench.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// measurement is one thing that is measured, or several that come out of one run.
type measurement struct {
	name string
	// budget is what was promised, in words; empty where nothing was.
	budget string
	// run measures. dir is an empty directory of its own, which is removed afterwards.
	run func(ctx context.Context, dir string) (result, error)
}

// result is what came out.
type result struct {
	value  string
	within bool   // whether the budget holds; without a budget it is not looked at
	note   string // what else there is to say
	skip   bool   // it could not be measured here; note says why
}

// settings are the sizes of what is measured.
type settings struct {
	events, files int
	deployments   int // of the cluster; zero: none is measured
}

// measurements are all there are, in the order in which they are made, and what has to be called when they are over.
func measurements(s settings) (list []measurement, done func()) {
	shared := &feeds{settings: s}
	inTerminal, closeTerminal := consoleMeasurements(shared)
	list = slices.Concat(eventMeasurements(shared), timelineMeasurements(s), rankingMeasurements(), ledgerMeasurements(s), gitMeasurements(), viewMeasurements(shared), inTerminal)
	return list, func() {
		closeTerminal()
		shared.remove()
	}
}

func main() {
	s := settings{}
	flag.IntVar(&s.events, "n", 1_000_000, "how many events")
	flag.IntVar(&s.files, "k", 5, "over how many files")
	flag.IntVar(&s.deployments, "deployments", 2000, "how many Deployments in the cluster, with ten ReplicaSets each; 0: no cluster is started")
	only := flag.String("only", "", "only the measurements whose name holds this")
	write := flag.String("generate", "", "only write the feeds into this directory")
	child := flag.String("child", "", "")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *write != "" {
		if _, err := generate(*write, s.events, s.files); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *child != "" {
		if err := screenful(ctx, *child, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	list, done := measurements(s)
	ok, err := report(ctx, os.Stdout, list, *only)
	done()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(3)
	}
}

// report runs the measurements one after the other and prints the table. It reports whether every budget holds.
func report(ctx context.Context, out io.Writer, list []measurement, only string) (bool, error) {
	fmt.Fprintf(out, "%s, %s/%s, %d processors%s, %s\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), load(), time.Now().UTC().Format(time.DateOnly))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tBUDGET\tMEASURED\t\tNOTE")
	all := true
	for _, m := range list {
		if !strings.Contains(m.name, only) {
			continue
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		r, err := runOne(ctx, m)
		word := ""
		switch {
		case err != nil:
			word, r.value, r.note, all = "ERROR", "-", err.Error(), false
		case r.skip:
			word, r.value = "SKIP", "-"
		case m.budget == "":
		case r.within:
			word = "ok"
		default:
			word, all = "OVER", false
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.name, m.budget, r.value, word, r.note)
	}
	return all, w.Flush()
}

// load tells what else the machine does, where the system says so: times mean little on one that is busy.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	one, _, _ := strings.Cut(string(data), " ")
	return " under a load of " + one
}

func runOne(ctx context.Context, m measurement) (result, error) {
	dir, err := os.MkdirTemp("", "backout-bench-*")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	return m.run(ctx, dir)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000) }

func mb(bytes uint64) string { return fmt.Sprintf("%d MB", bytes>>20) }
