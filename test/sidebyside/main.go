// Command sidebyside takes the same broken Deployment back with kubectl, with Helm and with backout, each in a namespace of
// its own of one real control plane, and prints what each of them chose, changed and took:
//
//	go run ./test/sidebyside
//
// The Deployment has three revisions: the first served well, the second never became available, the third is up and serves
// badly. What a tool says of itself is not believed: the API server is asked what the Deployment is, and a proxy before it
// counts the calls.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/backout-dev/backout/test/servers"
)

func main() {
	only := flag.String("only", "", "only the tools whose name holds this")
	rounds := flag.Int("rounds", 3, "how often each of them takes it back; medians are told")
	calls := flag.Bool("calls", false, "tell what each call was, and when")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, os.Stdout, *only, max(*rounds, 1), *calls)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sidebyside:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
	if !ok {
		os.Exit(3)
	}
}

func run(ctx context.Context, out io.Writer, only string, rounds int, calls bool) (ok bool, err error) {
	dir, err := os.MkdirTemp("", "backout-sidebyside-*")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	w := &world{dir: dir, direct: insecure()}
	if w.controlplane, err = servers.Find("controlplane"); err != nil {
		return false, err
	}
	if w.helm, err = servers.Find("helm"); err != nil {
		return false, err
	}
	w.backout = filepath.Join(dir, "bin", "backout")
	if text, err := exec.CommandContext(ctx, "go", "build", "-tags", "testboundary", "-o", w.backout, "github.com/backout-dev/backout/cmd/backout").CombinedOutput(); err != nil {
		return false, fmt.Errorf("build backout (run this inside the module): %w\n%s", err, text)
	}
	if w.cluster, err = servers.RunCluster(ctx, w.controlplane, dir); err != nil {
		return false, err
	}
	defer w.cluster.Stop()
	tried := map[string][]result{}
	for round := range rounds {
		list := tools()
		if round%2 == 1 { // so that none has always the same before it
			slices.Reverse(list)
		}
		for _, tool := range list {
			if !strings.Contains(tool.name, only) {
				continue
			}
			r, err := w.try(ctx, tool, round)
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if err != nil {
				r.trouble = err.Error()
			}
			r.tool = tool
			tried[tool.name] = append(tried[tool.name], r)
			if calls {
				fmt.Fprintf(out, "%s, round %d\n  %s\n", tool.name, round+1, strings.Join(r.asked, "\n  "))
			}
		}
	}
	var results []result
	for _, tool := range tools() {
		if all := tried[tool.name]; len(all) > 0 {
			results = append(results, typical(all))
		}
	}
	fmt.Fprintf(out, "%d rounds, alternated; the medians:\n\n", rounds)
	return report(out, results)
}

// typical is the last result with the medians of the times and the calls. One that chose wrong, or could not be tried, stands for all.
func typical(all []result) result {
	r := all[len(all)-1]
	for _, other := range all {
		if other.trouble != "" || other.chose != good {
			r = other
		}
	}
	r.converged, r.known = median(all, func(r result) time.Duration { return r.converged }), median(all, func(r result) time.Duration { return r.known })
	r.told = median(all, func(r result) time.Duration { return r.told })
	r.calls = median(all, func(r result) int { return r.calls })
	return r
}

func median[T cmp.Ordered](all []result, of func(result) T) T {
	var values []T
	for _, r := range all {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// result is what a tool made of the Deployment.
type result struct {
	tool      tool
	chose     string        // the image's version afterwards
	converged time.Duration // from the command until the Deployment was what was chosen, and available; zero: it never was
	known     time.Duration // from the command until the tool itself knew that, and began to verify; zero: it does not verify
	told      time.Duration // from the command until it ended
	exit      int
	calls     int
	asked     []string // each call, with its time
	writes    []string // those that changed something
	other     []string // what else is different in the Deployment
	said      string   // the last line that the tool wrote, where it ended badly
	trouble   string   // why it could not be tried
}

const good = "v1"

// report prints what came out. It reports whether backout chose the good revision, changed nothing else and was no slower
// than kubectl by more than a twentieth.
func report(out io.Writer, results []result) (bool, error) {
	if err := table(out, results); err != nil {
		return false, err
	}
	by := map[string]result{}
	for _, r := range results {
		if r.trouble != "" {
			continue
		}
		by[r.tool.name] = r
		fmt.Fprintf(out, "%s\n  wrote: %s\n  what else it changed: %s\n", r.tool.name, orNone(r.writes), orNone(r.other))
		if r.said != "" {
			fmt.Fprintf(out, "  said: %s\n", r.said)
		}
	}
	backout, tried := by[backoutAlone]
	kubectl, compared := by[kubectlTold]
	if !tried || backout.converged == 0 {
		return false, nil
	}
	if !compared {
		return backout.chose == good, nil
	}
	share := float64(backout.converged)/float64(kubectl.told) - 1
	word := "pass"
	if share > 0.05 {
		word = "FAIL"
	}
	fmt.Fprintf(out, "\nbackout, from its command to converged: %s; kubectl, told the good revision, with rollout status: %s: %+.0f %%, at most +5 %% was promised: %s\n",
		seconds(backout.converged), seconds(kubectl.told), share*100, word)
	fmt.Fprintf(out, "backout knew it after %s (%+.0f %%), and had verified what there was to verify after %s\n",
		seconds(backout.known), (float64(backout.known)/float64(kubectl.told)-1)*100, seconds(backout.told))
	return backout.chose == good && share <= 0.05, nil
}

func table(out io.Writer, results []result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TOOL\tCHOSE\t\tCONVERGED\tKNOWN\tCOMMAND ENDED\tEXIT\tCALLS\tWRITES")
	for _, r := range results {
		if r.trouble != "" {
			fmt.Fprintf(w, "%s\t-\tERROR\t\t\t\t\t\t%s\n", r.tool.name, strings.ReplaceAll(r.trouble, "\n", " "))
			continue
		}
		word, converged := "not the good one", "never"
		if r.chose == good {
			word = "the good one"
		}
		if r.converged > 0 {
			converged = seconds(r.converged)
		}
		known := "-"
		if r.known > 0 {
			known = seconds(r.known)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", r.tool.name, r.chose, word, converged, known, seconds(r.told), r.exit, r.calls, len(r.writes))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func orNone(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
