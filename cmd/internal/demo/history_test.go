package demo

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func gitLines(t *testing.T, w *World, args ...string) []string {
	t.Helper()
	out, err := w.repo.git(t.Context(), nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestHistoryIsDatedOverTheLastHours(t *testing.T) {
	t.Parallel()
	w := build(t, "")
	now := time.Now()
	var last int64
	times := gitLines(t, w, "log", "--reverse", "--first-parent", "--format=%ct", "main")
	if len(times) < 13 {
		t.Errorf("%d landings, want a dozen and the first", len(times))
	}
	for i, line := range times {
		at, err := strconv.ParseInt(line, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		age := now.Sub(time.Unix(at, 0))
		if at <= last || (i > 0 && (age > 8*time.Hour || age < 10*time.Minute)) {
			t.Errorf("landing %d is %s old, and the one before %s", i, age, now.Sub(time.Unix(last, 0)))
		}
		last = at
	}
	if s := gitLines(t, w, "status", "--porcelain"); s[0] != "" {
		t.Errorf("the work tree is not what was committed: %q", s)
	}
	gitLines(t, w, "fsck", "--strict")
}

func TestQuietWorldHasNoRecentChange(t *testing.T) {
	t.Parallel()
	w := build(t, "not-a-change")
	at, err := strconv.ParseInt(gitLines(t, w, "log", "-1", "--format=%ct")[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if age := time.Since(time.Unix(at, 0)); age < 40*time.Minute {
		t.Errorf("the last change is %s old", age)
	}
}

func TestToolsLeaveWhatTheyReallyLeave(t *testing.T) {
	t.Parallel()
	w := build(t, "")
	for what, args := range map[string][]string{
		"Claude Code's co-author":    {"--grep", "^Co-Authored-By: Claude .* <noreply@anthropic.com>$"},
		"Claude Code's footer":       {"--grep", `^🤖 Generated with \[Claude Code\]`},
		"Cursor's co-author":         {"--grep", "^Co-authored-by: Cursor <cursoragent@cursor.com>$"},
		"an Assisted-by trailer":     {"--grep", "^Assisted-by: [A-Za-z]*:"},
		"the Copilot agent":          {"--author", "198982749+Copilot@users.noreply.github.com"},
		"the Copilot agent's log":    {"--grep", "^Agent-Logs-Url: https://github.com/"},
		"aider as author":            {"--author", "(aider) <"},
		"aider as committer":         {"--committer", "(aider) <"},
		"dependabot":                 {"--author", "49699333+dependabot"},
		"a squash":                   {"--grep", "(#1170)$"},
		"a merge of a pull request":  {"--merges", "--grep", "^Merge pull request #1172 from "},
		"a commit without any trace": {"--grep", "^Stay logged in"},
	} {
		if got := gitLines(t, w, append([]string{"log", "--format=%h", "main"}, args...)...); len(got) != 1 || got[0] == "" {
			t.Errorf("%s: %d commits, want 1", what, len(got))
		}
	}
	body := strings.Join(gitLines(t, w, "log", "-1", "--format=%B", "--grep", "^This reverts commit"), "\n")
	_, rest, _ := strings.Cut(body, "This reverts commit ")
	hash, _, _ := strings.Cut(rest, ".")
	if got := gitLines(t, w, "log", "-1", "--format=%s", hash); got[0] != "Larger product pictures (#1176)" {
		t.Errorf("the revert takes back %q", got[0])
	}
}

func TestReleasesAreWhatWasCommitted(t *testing.T) {
	t.Parallel()
	w := build(t, "")
	for _, u := range units(w.addr) {
		base := w.host.service(u.Name)
		link, err := os.Lstat(filepath.Join(base, "current"))
		if err != nil {
			t.Fatal(err)
		}
		log, err := os.Open(filepath.Join(base, "revisions.log"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		lines, last := 0, time.Time{}
		for sc := bufio.NewScanner(log); sc.Scan(); lines++ {
			f := strings.Fields(sc.Text())
			at, err := time.Parse(time.RFC3339, f[0])
			if err != nil || !at.After(last) || len(f) != 7 {
				t.Fatalf("%s: log line %q: %v", u.Name, sc.Text(), err)
			}
			last = at
			wantRelease(t, w, u.Name, f[2], f[4], at)
		}
		if n := len(releases(t, w, u.Name)); lines != n || n < 2 {
			t.Errorf("%s: %d lines in the log, %d releases, want two or more", u.Name, lines, n)
		}
		if d := link.ModTime().Sub(last); d < 0 || d >= time.Second {
			t.Errorf("%s: the link was made %s after the log says so", u.Name, d)
		}
		if soak := time.Since(last); soak < 10*time.Minute {
			t.Errorf("%s: what serves has served for %s only", u.Name, soak)
		}
	}
}

func wantRelease(t *testing.T, w *World, service, label, commit string, at time.Time) {
	t.Helper()
	dir := filepath.Join(w.host.service(service), "releases", label)
	revision, err := os.ReadFile(filepath.Join(dir, "REVISION"))
	if err != nil || strings.TrimSpace(string(revision)) != commit {
		t.Errorf("%s %s: REVISION is %q, the log says %s (%v)", service, label, revision, commit, err)
	}
	var about releaseFile
	b, err := os.ReadFile(filepath.Join(dir, "release.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &about); err != nil || about.Commit != commit || !about.ReleasedAt.Equal(at) || about.Title == "" || about.Author == "" {
		t.Errorf("%s %s: %+v (%v)", service, label, about, err)
	}
	want, err := w.repo.git(t.Context(), nil, "show", commit+":services/"+service+"/service.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "service.json"))
	if err != nil || string(got) != string(want) {
		t.Errorf("%s %s: service.json is %q, committed was %q (%v)", service, label, got, want, err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.ModTime().Sub(at).Abs() > time.Second {
		t.Errorf("%s %s: made at %v, went live at %v (%v)", service, label, info.ModTime(), at, err)
	}
}

func TestUnknownScenarioNamesTheOnesThatAre(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), Options{Scenario: "earthquake", Self: "x"})
	if err == nil || !strings.Contains(err.Error(), "bad-release, not-a-change, coupled") {
		t.Errorf("error %v", err)
	}
}
