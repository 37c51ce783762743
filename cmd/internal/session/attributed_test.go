package session

import (
	"bytes"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/git"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/export"
)

// gitIn runs git in a repository of its own.
func gitIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull,
		"GIT_AUTHOR_NAME=Ana", "GIT_AUTHOR_EMAIL=ana@example.com", "GIT_COMMITTER_NAME=Ana", "GIT_COMMITTER_EMAIL=ana@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// looking opens a session that has read a repository.
func looking(t *testing.T, state, repo string) *Session {
	t.Helper()
	registry, schema := &providers.Registry{}, config.ProviderSchema{Type: "git"}
	factory := git.Factory()
	if err := registry.Register(factory); err != nil {
		t.Fatal(err)
	}
	for _, f := range factory.Fields {
		schema.Fields = append(schema.Fields, config.Field{Name: f.Name, Type: config.FieldType(f.Type)})
	}
	p, err := config.NewProvider("git", "git", repo, schema, map[string]any{"path": repo})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{
		Config: &config.Config{Files: []string{"backout.yaml"}, Providers: []config.Provider{p}}, Registry: registry, Dir: repo, StateDir: state,
		CacheDir: filepath.Join(state, "cache"), Window: providers.Window{Since: time.Now().Add(-time.Hour)},
		Principal: policy.Principal{ID: "ana", Kind: policy.Human}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(t.Context())
	s.Backfill(t.Context())
	return s
}

// exported is the timeline of the session's changes, in one format.
func exported(t *testing.T, s *Session, write func(data export.Data) error) {
	t.Helper()
	now := time.Now().UTC()
	w := providers.Window{Since: now.Add(-time.Hour), Until: now}
	record, err := s.Entries(t.Context(), "INC-1", w)
	if err != nil {
		t.Fatal(err)
	}
	data := export.Data{Incident: timeline.Incident{ID: "INC-1"}, At: now, Changes: s.Timeline.Snapshot().Changes(w), Record: record}
	if err := write(data); err != nil {
		t.Fatal(err)
	}
}

// Whoever may push to a repository can rewrite its notes. What the record said of AI before that stays, and the export shows both.
func TestAnAttributionThatWasRecordedOutlivesTheNotes(t *testing.T) {
	repo, state := t.TempDir(), t.TempDir()
	gitIn(t, repo, "init", "-q", "-b", "main")
	gitIn(t, repo, "commit", "-q", "--allow-empty", "-m", "pricing: round prices")
	gitIn(t, repo, "notes", "--ref=ai", "add", "-m",
		"a.go\n  s_0123456789abcd::t_00000000000001 1-10,15\n---\n{\"sessions\":{\"s_0123456789abcd\":{\"agent_id\":{\"tool\":\"cursor\",\"id\":\"x\",\"model\":\"claude-sonnet-4-5\"},\"human_author\":\"ada@example.org\"}}}")
	commit := gitIn(t, repo, "rev-parse", "HEAD")

	name := func(confirm bool) {
		s := looking(t, state, repo)
		change, ok := s.Timeline.Snapshot().Change(commit)
		if !ok {
			t.Fatal("the commit is not on the timeline")
		}
		if err := s.Suspect(t.Context(), "INC-1", change.ID, confirm, "it rounds"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	name(false)
	name(true) // the same again is not written again
	gitIn(t, repo, "update-ref", "-d", "refs/notes/ai")

	s := looking(t, state, repo)
	defer s.Close()
	var page, table, file bytes.Buffer
	before := func(text string) {
		if !strings.Contains(text, "now: none found; record 2: assisted (Cursor), 1 piece of evidence") {
			t.Errorf("an export hides what was recorded:\n%s", text)
		}
	}
	exported(t, s, func(d export.Data) error { return export.Markdown(&page, d, export.Options{}) })
	exported(t, s, func(d export.Data) error { return export.CSV(&table, d, export.Options{}) })
	exported(t, s, func(d export.Data) error { return export.JSON(&file, d, export.Options{}) })
	before(page.String())
	before(table.String())
	if !strings.Contains(file.String(), `"kind":"attribution"`) || !strings.Contains(file.String(), `"tools":["Cursor"]`) {
		t.Errorf("the incident file holds no attribution: %s", file.String())
	}

	namedAgain(t, s, commit)
}

// namedAgain: who names it now adds a version, and takes none away.
func namedAgain(t *testing.T, s *Session, commit string) {
	t.Helper()
	var page bytes.Buffer
	change, _ := s.Timeline.Snapshot().Change(commit)
	if err := s.Suspect(t.Context(), "INC-1", change.ID, true, "again"); err != nil {
		t.Fatal(err)
	}
	entries, err := s.DB.Entries(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range entries {
		if e.Kind == ledger.KindAttribution {
			told = append(told, e.Text)
		}
	}
	if len(told) != 2 || !strings.HasSuffix(told[0], ": assisted (Cursor), 1 piece of evidence") ||
		!strings.HasSuffix(told[1], ": none found; entry 2 said: assisted (Cursor), 1 piece of evidence") {
		t.Errorf("the record tells %q", told)
	}
	exported(t, s, func(d export.Data) error { return export.Markdown(&page, d, export.Options{}) })
	for _, want := range []string{"record 2, version 1, rules ", "record 5, version 2, rules "} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("no %q in\n%s", want, page.String())
		}
	}
	if _, err := s.DB.Redact(t.Context(), 2, []string{"text"}, "why", ledger.Entry{Actor: "eve", Text: "x"}); err == nil {
		t.Error("an attribution can be taken out of the record")
	}
}
