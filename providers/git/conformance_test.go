package git_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest"
)

func TestConformance(t *testing.T) {
	r := newRepository(t)
	for i := range 12 {
		r.now = noon.Add(time.Duration(i) * time.Hour)
		r.commit(fmt.Sprintf("Change %d \x1b[31m\n\nAssisted-by: Crush:glm-5", i), "f", strings.Repeat("x", i))
		if i%4 == 0 {
			r.git("tag", fmt.Sprintf("v%d", i))
		}
	}
	quick := options{"poll": "10ms"}
	providertest.Run(t, providertest.Suite{
		New:    func(t *testing.T) providers.Provider { return newProvider(t, r.dir, quick) },
		Window: providers.Window{Since: noon.Add(2 * time.Hour), Until: noon.Add(7 * time.Hour)},
		Hang:   hanging,
		Faults: map[string]providertest.Fault{
			"no repository": {Class: providers.ClassPermanent, New: func(t *testing.T) providers.Provider {
				dir := t.TempDir()
				t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
				return newProvider(t, dir, nil)
			}},
			"git says nonsense": {Class: providers.ClassRetryable, New: func(t *testing.T) providers.Provider {
				fakeGit(t, "echo nonsense")
				return newProvider(t, t.TempDir(), nil)
			}},
		},
		Big: func(t *testing.T) providers.Provider {
			return newProvider(t, imported(t, 3000), options{"tags": false})
		},
		BigEvents: 3000, BigLimit: 24 << 20,
	})
}

// hanging is a git that starts a child, holds the pipe, and says nothing.
func hanging(t *testing.T) providers.Provider {
	fakeGit(t, "sleep 600 & sleep 600")
	return newProvider(t, t.TempDir(), options{"poll": "10ms"})
}

// fakeGit puts another program in git's place: a real git neither hangs nor talks nonsense on demand.
func fakeGit(t *testing.T, script string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("SKIPPED: the stand-in for git is a shell script")
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestAGitThatHangsIsGivenUp(t *testing.T) {
	fakeGit(t, "sleep 600")
	p := newProvider(t, t.TempDir(), options{"timeout": "50ms"})
	_, err := tryRead(t.Context(), p, providers.Window{})
	if err == nil || providers.ClassOf(err) != providers.ClassRetryable || !strings.Contains(err.Error(), "did not answer within 50ms") {
		t.Errorf("error %v", err)
	}
	wantHealth(t, p, providers.HealthFailing, "did not answer")
}

// imported makes a repository of n landings, a minute apart, with fast-import. Every tenth is a merge of one commit.
func imported(t testing.TB, n int) string {
	t.Helper()
	r := newRepository(t)
	cmd := exec.Command("git", "fast-import", "--quiet", "--done")
	cmd.Dir, cmd.Env = r.dir, r.env
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writeHistory(in, n)
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	return r.dir
}

func writeHistory(w io.Writer, n int) {
	data := func(s string) string { return fmt.Sprintf("data %d\n%s\n", len(s), s) }
	for i := 1; i <= n; i++ {
		at := noon.Add(time.Duration(i-n) * time.Minute).Unix()
		who := fmt.Sprintf("committer Ada Quist <ada@example.org> %d +0000\n", at)
		blob := fmt.Sprintf("M 100644 inline services/s%d/f%d.go\n", i%7, i%900) + data(fmt.Sprintf("line %d\n", i))
		from := ""
		if i > 1 {
			from = fmt.Sprintf("from :%d\n", 2*i-2)
		}
		if i%10 != 0 {
			fmt.Fprintf(w, "commit refs/heads/main\nmark :%d\n%s%s%s%s\n", 2*i, who, data(fmt.Sprintf("fix: change %d (#%d)\n\nBecause.\n", i, i)), from, blob)
			continue
		}
		fmt.Fprintf(w, "commit refs/heads/side\nmark :%d\n%s%s%s%s\n", 2*i-1, who, data("side\n\nCo-authored-by: Claude <noreply@anthropic.com>\n"), from, blob)
		fmt.Fprintf(w, "commit refs/heads/main\nmark :%d\n%s%s%smerge :%d\n%s\n", 2*i, who, data(fmt.Sprintf("Merge pull request #%d from example/side\n\nSide %d\n", i, i)), from, 2*i-1, blob)
	}
	fmt.Fprint(w, "done\n")
}

// BenchmarkTwoHoursOf100k opens a window of two hours on a history of 100,000 landings, beside a git log that reads
// everything. The ratio is what counts: the window must not cost what the history costs.
func BenchmarkTwoHoursOf100k(b *testing.B) {
	dir := imported(b, 100_000)
	var window, all time.Duration
	b.Run("window", func(b *testing.B) {
		w := providers.Window{Since: noon.Add(-2 * time.Hour)}
		for b.Loop() {
			start := time.Now()
			if got := read(b, newProvider(b, dir, nil), w); len(got) < 120 {
				b.Fatalf("%d changes", len(got))
			}
			window = time.Since(start)
		}
	})
	b.Run("git log of all", func(b *testing.B) {
		for b.Loop() {
			start := time.Now()
			cmd := exec.Command("git", "log", "--first-parent", "-m", "--numstat", "-z", "main")
			cmd.Dir = dir
			if _, err := cmd.Output(); err != nil {
				b.Fatal(err)
			}
			all = time.Since(start)
		}
		b.ReportMetric(all.Seconds()/window.Seconds(), "times-the-window")
	})
}
