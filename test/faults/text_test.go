//go:build unix

package faults

import (
	"strings"
	"testing"
	"unicode"
)

// hostile is text that would clear the screen, fill the clipboard, ring, turn text around and hide lines.
const hostile = "evil\x1b[2J\x1b]52;c;aGk=\x07 title\x07\x08 \u202eend\x9b31m\r\n\x0b\ttail"

// plain checks that nothing acts on a terminal: only line breaks are below 0x20, and nothing turns text around.
func plain(t *testing.T, what, s string) {
	t.Helper()
	for i, r := range s {
		if r != '\n' && (unicode.IsControl(r) || r == '\u202e') {
			t.Fatalf("%s: %q at %d, in %q", what, r, i, s[max(0, i-40):min(len(s), i+40)])
		}
	}
}

func TestTitlesThatActOnATerminal(t *testing.T) {
	t.Parallel()
	needGit(t)
	w := newWorld(t)
	w.repository("repo", hostile, strings.Repeat("x", 1<<20), "plain", "\x1b]0;owned\x07")
	w.git("repo", "-c", "user.name=Ev\x1b[31mil", "commit", "-q", "--allow-empty", "-m", "by evil")
	w.git("repo", "tag", "-a", "v1\u202e", "-m", hostile)
	for _, args := range [][]string{
		{"timeline"},
		{"timeline", "--output", "json"},
		{"timeline", "--output", "jsonl"},
		{"timeline", "--filter", "\x1b"},
		{},
		{"export", "--since", "1h", "--format", "md"},
		{"export", "--since", "1h", "--format", "json"},
		{"culprit"},
		{"doctor"},
	} {
		r := w.in("repo", args...).ends(fine).quick()
		plain(t, r.what, r.stdout)
		plain(t, r.what, r.stderr)
		if len(r.stdout) > 100_000 {
			t.Errorf("%s wrote %d bytes: a title of 1 MB is cut", r.what, len(r.stdout))
		}
		if strings.Contains(r.stdout, `\u001b`) || strings.Contains(r.stdout, `\x1b`) {
			t.Errorf("%s hands the escape on: %s", r.what, r)
		}
	}
	csv := w.in("repo", "export", "--since", "1h", "--format", "csv").ends(fine)
	plain(t, csv.what, strings.ReplaceAll(csv.stdout, "\r\n", "\n"))
	w.in("repo", "timeline").shows("evil +title", "plain", "xxxx~", "by evil +")
}

// What people type, what files are called, and what they hold goes to the same terminal.
func TestOtherTextThatActsOnATerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	unit := w.releases("shop")
	w.write("shop/releases/r2/app", "bad\n"+hostile+"\n")
	w.write("shop/releases/r1/\x1b[31mname", hostile)
	w.write("shop/releases/r2/release.json", `{"title":"\u001b[2Jcleared","author":"ev\u001b[31mil"}`)
	w.configure("  releases: {units: [" + unit + "]}\n")
	for _, c := range []struct {
		code int
		args []string
	}{
		{fine, []string{"plan", "releases:local/shop", "--to", "r1"}},
		{fine, []string{"plan", "releases:local/shop", "--to", "r1", "--output", "json"}},
		{failed, []string{"plan", "releases:local/" + hostile}},
		{fine, []string{"timeline"}},
		{fine, []string{"note", hostile}},
		{fine, []string{"ledger", "list"}},
		{fine, []string{"rollback", "releases:local/shop", "--to", "r1", "--confirm", "shop", "--reason", hostile}},
		{fine, []string{"runs"}},
		{fine, []string{"runs", "show", "RUN-0001"}},
		{2, []string{hostile}},
		{config, []string{"timeline", "--config", hostile}},
		{failed, []string{"timeline", "--file", hostile}},
	} {
		r := w.run(c.args...).ends(c.code)
		plain(t, r.what, r.stdout)
		plain(t, r.what, r.stderr)
	}
}
