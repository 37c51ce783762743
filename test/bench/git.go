package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/git"
)

const (
	landings   = 100_000
	lastHours  = 2 * time.Hour
	betweenTwo = time.Minute
)

// lastLanding is when the newest of them landed.
var lastLanding = firstEvent.Add(landings * betweenTwo)

func gitMeasurements() []measurement {
	return []measurement{{fmt.Sprintf("git, %d commits: two hours of them", landings), "", func(ctx context.Context, dir string) (result, error) {
		if _, err := exec.LookPath("git"); err != nil {
			return result{skip: true, note: "git is not installed"}, nil
		}
		if err := history(ctx, dir); err != nil {
			return result{}, err
		}
		took := make([]time.Duration, 0, 5)
		for range cap(took) {
			start := time.Now()
			n, err := recent(ctx, dir)
			if err != nil {
				return result{}, err
			}
			took = append(took, time.Since(start))
			if want := int(lastHours / betweenTwo); n < want || n > want+1 {
				return result{}, fmt.Errorf("%d changes in two hours, not %d", n, want)
			}
		}
		start := time.Now()
		all := exec.CommandContext(ctx, "git", "log", "--first-parent", "-m", "--numstat", "-z", "main")
		all.Dir, all.Stdout = dir, io.Discard
		if err := all.Run(); err != nil {
			return result{}, fmt.Errorf("read all with git log: %w", err)
		}
		whole, d := time.Since(start), median(took)
		note := fmt.Sprintf("median of %d; git log of everything takes %s, %.0f times as long", len(took), ms(whole), float64(whole)/float64(d))
		return result{value: ms(d), note: note}, nil
	}}}
}

// recent opens the repository as the console does and counts the changes of the last two hours.
func recent(ctx context.Context, dir string) (n int, err error) {
	p, err := git.Factory().New(providers.Environment{
		Name: "git", Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler), Archive: providers.NoArchive{},
	}, func(into any) error { return json.Unmarshal([]byte("{}"), into) })
	if err != nil {
		return 0, err
	}
	for _, err := range p.(providers.ChangeSource).Changes(ctx, providers.Window{Since: lastLanding.Add(-lastHours)}) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// history makes a repository with a commit a minute, every tenth a merge.
func history(ctx context.Context, dir string) error {
	init := exec.CommandContext(ctx, "git", "init", "-q", "-b", "main", dir)
	if out, err := init.CombinedOutput(); err != nil {
		return fmt.Errorf("git init: %w: %s", err, out)
	}
	read, write := io.Pipe()
	fast := exec.CommandContext(ctx, "git", "fast-import", "--quiet", "--done")
	var said bytes.Buffer
	fast.Dir, fast.Stdin, fast.Stderr = dir, read, &said
	go func() { _ = write.CloseWithError(commits(write)) }()
	if err := fast.Run(); err != nil {
		_ = read.Close() // ends the writer
		return fmt.Errorf("git fast-import: %w: %s", err, said.Bytes())
	}
	return nil
}

func commits(w io.Writer) error {
	data := func(s string) string { return fmt.Sprintf("data %d\n%s\n", len(s), s) }
	for i := 1; i <= landings; i++ {
		at := lastLanding.Add(time.Duration(i-landings) * betweenTwo).Unix()
		who := fmt.Sprintf("committer Ada Quist <ada@example.org> %d +0000\n", at)
		blob := fmt.Sprintf("M 100644 inline services/s%d/f%d.go\n", i%7, i%900) + data(fmt.Sprintf("line %d\n", i))
		from := ""
		if i > 1 {
			from = fmt.Sprintf("from :%d\n", 2*i-2)
		}
		var err error
		if i%10 != 0 {
			_, err = fmt.Fprintf(w, "commit refs/heads/main\nmark :%d\n%s%s%s%s\n", 2*i, who, data(fmt.Sprintf("fix: change %d (#%d)\n\nBecause.\n", i, i)), from, blob)
		} else {
			_, err = fmt.Fprintf(w, "commit refs/heads/side\nmark :%d\n%s%s%s%s\ncommit refs/heads/main\nmark :%d\n%s%s%smerge :%d\n%s\n",
				2*i-1, who, data("side\n\nCo-authored-by: Claude <noreply@anthropic.com>\n"), from, blob,
				2*i, who, data(fmt.Sprintf("Merge pull request #%d from example/side\n\nSide %d\n", i, i)), from, 2*i-1, blob)
		}
		if err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, "done")
	return err
}
