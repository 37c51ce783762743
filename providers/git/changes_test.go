package git_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backout-dev/backout/providers"
)

func TestWhatLands(t *testing.T) {
	r := newRepository(t)
	first := r.commit("Begin", "README", "a\n")
	direct := r.commit("fix: retry the charge\n\nIt was late.\n\nCo-Authored-By: Claude Opus 4.8 <noreply@anthropic.com>", "pay.go", "a\nb\n")
	squash := r.commit("feat: coupons (#41)\n\n* one\n* two", "coupon.go", "x\n", "with a \"quote\"\tand tab.go", "y\n")
	r.git("checkout", "-q", "-b", "topic")
	r.as("Claude", "noreply@anthropic.com")
	r.commit("Side one", "side.go", "1\n")
	r.as("Bo Lind", "bo@example.org")
	r.commit("Side two", "side.go", "1\n2\n3\n")
	r.git("checkout", "-q", "main")
	r.as("Ada Quist", "ada@example.org")
	merge := r.merge("Merge pull request #42 from example/topic\n\nSide by side", "topic")
	revert := r.commit("Revert \"feat: coupons (#41)\" (#43)\n\nThis reverts commit "+squash+".", "coupon.go", "gone\n")
	r.git("tag", "-a", "-m", "The autumn release", "v1.0.0")
	r.git("tag", "light", direct)

	got := read(t, newProvider(t, r.dir, nil), providers.Window{})
	if len(got) != 7 {
		t.Fatalf("%d changes, want 5 landings and 2 tags:%s", len(got), titles(got))
	}
	order := []string{revert, merge, squash, direct, first}
	for i, id := range order {
		if got[i].ID != id {
			t.Errorf("change %d is %s, want %s: first-parent order, newest first", i, got[i].ID, id)
		}
	}
	m := one(t, got, merge)
	want := providers.Change{
		ID: merge, Provider: "repo", Kind: providers.KindDeploy, Service: "shop", Environment: "prod", Title: "Side by side", ChangeSet: "#42",
		Paths: []string{"side.go"}, Files: 1, Lines: 3, Author: providers.Author{Name: "Bo Lind"},
		LandedAt: noon.Add(6 * time.Minute), LandedApproximate: true, From: squash[:10], To: merge[:10], Commit: merge,
	}
	assistance := m.Assistance
	m.Assistance = providers.Assistance{}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("the merge (-want +got):\n%s", diff)
	}
	if assistance.State != providers.AssistanceAgent || !slices.Contains(assistance.Tools, "Claude") || !slices.Contains(assistance.Checked, "2 merged commits") {
		t.Errorf("the merge hides who wrote what it brought: %+v", assistance)
	}
	t.Run("direct, squashed, reverted", func(t *testing.T) { checkSingle(t, got, direct, squash, revert) })
	t.Run("tags", func(t *testing.T) { checkTags(t, got, direct, revert) })
}

func checkSingle(t *testing.T, got []providers.Change, direct, squash, revert string) {
	t.Helper()
	d := one(t, got, direct)
	if d.Assistance.State != providers.AssistanceAssisted || d.Author.Kind != "" || d.Lines != 2 {
		t.Errorf("the direct commit: %+v", d)
	}
	if s := one(t, got, squash); s.ChangeSet != "#41" || s.Files != 2 || !slices.Contains(s.Paths, "with a \"quote\" and tab.go") {
		t.Errorf("the squash: %+v", s)
	}
	if v := one(t, got, revert); !slices.Equal(v.Reverts, []string{squash}) || v.ChangeSet != "#43" || v.Assistance.State != providers.AssistanceNone {
		t.Errorf("the revert: %+v", v)
	}
}

func checkTags(t *testing.T, got []providers.Change, direct, revert string) {
	t.Helper()
	if tag := one(t, got, "tag/v1.0.0"); tag.Kind != providers.KindOperation || tag.Commit != revert || tag.Title != "tag v1.0.0: The autumn release" || tag.Author.Name != "Ada Quist" {
		t.Errorf("the tag: %+v", tag)
	}
	if light := one(t, got, "tag/light"); light.Commit != direct || !light.LandedAt.Equal(noon.Add(2*time.Minute)) {
		t.Errorf("the lightweight tag: %+v", light)
	}
}

func TestOctopusAndCrissCross(t *testing.T) {
	r := newRepository(t)
	r.commit("Begin", "base", "0\n")
	for i, tool := range []string{"Crush:glm-5", "", "Codex:gpt-5"} {
		name := string(rune('a' + i))
		r.git("checkout", "-q", "-b", name, "main")
		r.commit("On "+name+"\n\nAssisted-by: "+tool, name, name+"\n")
	}
	r.git("checkout", "-q", "main")
	octopus := r.merge("Merge branches 'a', 'b' and 'c'", "a", "b", "c")

	// Two branches that merged each other before they landed one after the other.
	for _, name := range []string{"left", "right"} {
		r.git("checkout", "-q", "-b", name, "main")
		r.commit("On "+name+"\n\nAssisted-by: "+map[string]string{"left": "Claude", "right": "Gemini"}[name], name, name+"\n")
	}
	r.git("branch", "right0", "right")
	r.merge("Merge branch 'left' into right", "left")
	r.git("checkout", "-q", "left")
	r.merge("Merge branch 'right' into left", "right0")
	r.git("checkout", "-q", "main")
	landLeft := r.merge("Land left", "left")
	r.git("merge", "-q", "--no-ff", "-m", "Land right", "right")
	landRight := r.git("rev-parse", "HEAD")

	got := read(t, newProvider(t, r.dir, nil), providers.Window{})
	o := one(t, got, octopus)
	if !slices.Equal(sorted(o.Assistance.Tools), []string{"Codex", "Crush"}) || o.Files != 3 {
		t.Errorf("the octopus brought %q in %d files", o.Assistance.Tools, o.Files)
	}
	if l := one(t, got, landLeft); !slices.Equal(sorted(l.Assistance.Tools), []string{"Claude", "Gemini"}) {
		t.Errorf("the first of the two landed both, but says %q", l.Assistance.Tools)
	}
	if l := one(t, got, landRight); len(l.Assistance.Tools) != 0 {
		t.Errorf("the second brought nothing new, but says %q", l.Assistance.Tools)
	}
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func TestARevertInsideABranchIsNoRevertOfALanding(t *testing.T) {
	r := newRepository(t)
	old := r.commit("Begin", "a", "1\n")
	r.git("checkout", "-q", "-b", "topic")
	try := r.commit("Try", "b", "1\n")
	r.commit("Revert \"Try\"\n\nThis reverts commit "+try+".", "b", "2\n")
	r.commit("Revert \"Begin\"\n\nThis reverts commit "+old[:12]+".", "a", "2\n")
	r.git("checkout", "-q", "main")
	merge := r.merge("Merge branch 'topic'", "topic")
	got := one(t, read(t, newProvider(t, r.dir, nil), providers.Window{}), merge)
	if !slices.Equal(got.Reverts, []string{old[:12]}) {
		t.Errorf("reverts %q, want only what had landed: %s", got.Reverts, old[:12])
	}
}

func TestWindowAndBackwardDates(t *testing.T) {
	r := newRepository(t)
	var hashes []string
	for i := range 30 {
		r.now = noon.Add(time.Duration(i) * time.Hour)
		if i%3 == 1 {
			r.now = noon.Add(-240 * time.Hour) // a clock that was ten days behind
		}
		hashes = append(hashes, r.commit("Change", "f", strings.Repeat("x", i)))
	}
	p := newProvider(t, r.dir, options{"tags": false})
	w := providers.Window{Since: noon.Add(3 * time.Hour), Until: noon.Add(10 * time.Hour)}
	var want []string
	for i, h := range hashes {
		if at := noon.Add(time.Duration(i)*time.Hour + time.Minute); i%3 != 1 && w.Contains(at) {
			want = append(want, h)
		}
	}
	var got []string
	for _, c := range read(t, p, w) {
		got = append(got, c.ID)
	}
	slices.Reverse(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the window (-want +got):\n%s", diff)
	}
}

func TestHostileTexts(t *testing.T) {
	r := newRepository(t)
	escape := r.commit("\x1b[31mred\x1b[0m \u202etitle\x07", "f", "1\n")
	huge := r.commit(strings.Repeat("t", 1<<20)+"\n\nAssisted-by: Crush:glm-5", "f", "2\n")
	long := r.commit("long\n\n"+strings.Repeat("all of it matters\n", 100_000)+"\nCo-authored-by: Cursor <cursoragent@cursor.com>", "f", "3\n")
	bare := r.commit("", "f", "4\n")
	got := read(t, newProvider(t, r.dir, nil), providers.Window{})
	if c := one(t, got, escape); c.Title != "red title" {
		t.Errorf("title %q", c.Title)
	}
	if c := one(t, got, huge); len(c.Title) > providers.MaxText || c.Title == "" || c.Assistance.State != providers.AssistanceAssisted {
		t.Errorf("a title of 1 MB became %d bytes, %s", len(c.Title), c.Assistance.State)
	}
	if c := one(t, got, long); c.Assistance.State != providers.AssistanceAssisted {
		t.Errorf("the trailer at the end of 1.8 MB was lost: %+v", c.Assistance)
	}
	one(t, got, bare)
}

func TestServicesAndKinds(t *testing.T) {
	r := newRepository(t)
	commits := map[string]struct {
		files   []string
		service string
		kind    providers.Kind
	}{
		"most files":  {[]string{"services/pricing/a.go", "1", "services/pricing/b.go", "1", "services/orders/a.go", "1"}, "pricing", providers.KindDeploy},
		"prefix":      {[]string{"web/index.html", "1"}, "storefront", providers.KindDeploy},
		"no rule":     {[]string{"README", "1"}, "everything", providers.KindDeploy},
		"a migration": {[]string{"services/orders/migrations/0001_add.sql", "1", "services/orders/x.go", "1"}, "orders", providers.KindMigration},
		"config":      {[]string{"deploy/pricing.yaml", "1"}, "pricing", providers.KindConfig},
		"infra":       {[]string{"terraform/main.tf", "1"}, "everything", providers.KindInfra},
	}
	ids := map[string]string{}
	for name, c := range commits {
		ids[name] = r.commit(name, c.files...)
	}
	r.git("tag", "storefront/v3")
	p := newProvider(t, r.dir, options{
		"service": "everything", "tag_kind": "deploy",
		"services": []map[string]string{
			{"path": "services/*/", "service": "$1"},
			{"path": "web", "service": "storefront"},
			{"path": "deploy/*.yaml", "service": "$1"},
		},
	})
	got := read(t, p, providers.Window{})
	for name, c := range commits {
		if x := one(t, got, ids[name]); x.Service != c.service || x.Kind != c.kind {
			t.Errorf("%s: service %q, kind %q, want %q, %q (paths %q)", name, x.Service, x.Kind, c.service, c.kind, x.Paths)
		}
	}
	if tag := one(t, got, "tag/storefront/v3"); tag.Service != "storefront" || tag.Kind != providers.KindDeploy {
		t.Errorf("the tag of one service: %+v", tag)
	}
}

func TestRenamesAndManyFiles(t *testing.T) {
	r := newRepository(t)
	r.commit("Begin", "old name.txt", strings.Repeat("line\n", 100))
	r.git("mv", "old name.txt", "new name.txt")
	renamed := r.commit("Rename")
	var many []string
	for i := range 40 {
		many = append(many, "many/"+strings.Repeat("x", i+1), "1\n")
	}
	big := r.commit("Many", many...)
	got := read(t, newProvider(t, r.dir, options{"max_files": 10}), providers.Window{})
	if c := one(t, got, renamed); c.Files != 1 || c.Lines != 0 || !slices.Equal(c.Paths, []string{"new name.txt"}) {
		t.Errorf("the rename: %+v", c)
	}
	if c := one(t, got, big); c.Files != 40 || len(c.Paths) != 10 || c.Lines != 40 {
		t.Errorf("%d files, %d paths, %d lines; want 40, 10, 40", c.Files, len(c.Paths), c.Lines)
	}
}

func TestNotesAreRead(t *testing.T) {
	r := newRepository(t)
	id := r.commit("Plain", "a.go", "1\n")
	if a := one(t, read(t, newProvider(t, r.dir, nil), providers.Window{}), id).Assistance; len(a.Evidence) != 0 || slices.ContainsFunc(a.Checked, isNote) {
		t.Errorf("before there are notes: %+v", a)
	}
	r.git("notes", "--ref=ai", "add", "-m", "a.go\n  s_1::t_1 1\n---\n{\"sessions\":{\"s_1\":{\"agent_id\":{\"tool\":\"codex\",\"model\":\"gpt-5\"}}}}", id)
	if c := one(t, read(t, newProvider(t, r.dir, nil), providers.Window{}), id); c.Assistance.State != providers.AssistanceAssisted {
		t.Errorf("with its note: %+v", c.Assistance)
	}
	if a := one(t, read(t, newProvider(t, r.dir, options{"notes": "none"}), providers.Window{}), id).Assistance; a.State != providers.AssistanceNone ||
		len(a.Evidence) != 0 || slices.ContainsFunc(a.Checked, isNote) {
		t.Errorf("without the notes: %+v", a)
	}
}

func isNote(source string) bool { return strings.HasPrefix(source, "note:") }
