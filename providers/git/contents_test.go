package git_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
)

func contentsOf(t *testing.T, p providers.Provider) providers.Contents {
	t.Helper()
	c, ok := p.(providers.Contents)
	if !ok {
		t.Fatalf("%T gives no contents", p)
	}
	return c
}

// versions are the contents that a way left behind, as "path=content", "path-" where a file was taken away, "+" before what was added.
func versions(t *testing.T, c providers.Contents, list []providers.Touched) []string {
	t.Helper()
	var ids []string
	for _, v := range list {
		if v.ID != "" {
			ids = append(ids, v.ID)
		}
	}
	slices.Sort(ids)
	held, err := c.Read(t.Context(), slices.Compact(ids))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, v := range list {
		text, ok := held[v.ID]
		switch {
		case v.ID == "":
			text = v.Path + "-"
		case !ok:
			text = v.Path + "?"
		default:
			text = v.Path + "=" + text
		}
		if v.Added {
			text = "+" + text
		}
		seen[text] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func wantVersions(t *testing.T, got []string, want ...string) {
	t.Helper()
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWhatLiesBetweenTwoCommits(t *testing.T) {
	r := newRepository(t)
	first := r.commit("first", "a.sql", "one", "keep", "k")
	r.git("checkout", "-q", "-b", "side")
	side := r.commit("on a side", "s.sql", "side")
	r.git("checkout", "-q", "main")
	r.commit("altered", "a.sql", "two")
	r.commit("altered again", "a.sql", "three")
	r.write("odd\nname é.sql", "odd")
	r.git("add", ".")
	r.git("rm", "-q", "keep")
	r.git("commit", "-q", "-m", "odd")
	r.git("merge", "-q", "--no-commit", "--no-ff", "side")
	r.write("m.sql", "only in the merge")
	r.git("add", ".")
	r.git("commit", "-q", "-m", "merge")
	last := r.git("rev-parse", "HEAD")

	c := contentsOf(t, newProvider(t, r.dir, nil))
	b, err := c.Between(t.Context(), first[:10], last)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Commits) != 5 || b.Commits[0] != last || slices.Contains(b.Commits, first) || len(b.Missed) != 0 {
		t.Errorf("%+v", b)
	}
	wantVersions(t, versions(t, c, b.Touched), "a.sql=two", "a.sql=three", "+s.sql=side", "keep-", "+odd\nname é.sql=odd", "+m.sql=only in the merge")

	// What the older one has and the newer one has not is the other side.
	b, err = c.Between(t.Context(), last, side)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Commits) != 0 || len(b.Touched) != 0 {
		t.Errorf("%+v", b)
	}
	if got := versions(t, c, b.Missed); !slices.Contains(got, "+m.sql=only in the merge") {
		t.Errorf("missed: %q", got)
	}

	files, err := c.Files(t.Context(), last, func(p string) bool { return strings.HasSuffix(p, ".sql") })
	if err != nil || len(files) != 4 {
		t.Errorf("%v %+v", err, files)
	}
}

func TestContentsThatAreNotToBeHad(t *testing.T) {
	r := newRepository(t)
	first := r.commit("first", "a", "1")
	r.commit("second", "a", "2")
	last := r.commit("third", "big", strings.Repeat("x", 1<<20+1), "services/cart/b", "3")

	c := contentsOf(t, newProvider(t, r.dir, options{"service": "shop", "services": []map[string]string{{"path": "services/*", "service": "$1"}}}))
	for _, commit := range []string{strings.Repeat("0", 40), "HEAD", "main", "--all", "abc", ""} {
		if _, err := c.Between(t.Context(), first, commit); !errors.Is(err, providers.ErrNotFound) {
			t.Errorf("%q: %v", commit, err)
		}
	}
	b, err := c.Between(t.Context(), first, last)
	if err != nil {
		t.Fatal(err)
	}
	owners := map[string]string{}
	for _, v := range b.Touched {
		owners[v.Path] = v.Service
	}
	if owners["services/cart/b"] != "cart" || owners["big"] != "shop" {
		t.Errorf("%v", owners)
	}
	wantVersions(t, versions(t, c, b.Touched), "a=2", "+big?", "+services/cart/b=3")
	if _, err := c.Read(t.Context(), []string{"--batch-all-objects"}); err == nil {
		t.Error("an option was taken for a content")
	}

	// In a shallow clone what lies between is not all here: that is no short answer.
	clone := t.TempDir()
	r.git("clone", "-q", "--depth=2", "file://"+r.dir, clone)
	r.git("-C", clone, "fetch", "-q", "--depth=1", "origin", first)
	_, err = contentsOf(t, newProvider(t, clone, nil)).Between(t.Context(), first, last)
	if err == nil || !strings.Contains(err.Error(), "shallow") {
		t.Errorf("a shallow clone: %v", err)
	}
}

func TestWhoNamesWhat(t *testing.T) {
	r := newRepository(t)
	at := r.commit(
		"all", "a.go", "select total_price\nfrom Orders", "b.ts", "type Order = { totalPrice: number }", "c.go", "total_price of carts", "d.go", "subtotal_price orders",
		"e.bin", "orders \x00 total_price",
	)
	r.commit("later", "a.go", "nothing", "f.go", "orders total_price")
	m, ok := newProvider(t, r.dir, nil).(providers.Mentioner)
	if !ok {
		t.Fatal("it does not look for words")
	}
	for _, c := range []struct{ words, want string }{{"orders total_price", "a.go b.ts"}, {"total_price", "a.go b.ts c.go"}, {"nowhere", ""}} {
		files, err := m.Mentions(t.Context(), at, strings.Fields(c.words))
		var got []string
		for _, f := range files {
			got = append(got, f.Path)
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v %v", c.words, got, err)
		}
	}
	for _, word := range []string{"", "--help", "a.b", "x|y"} {
		if _, err := m.Mentions(t.Context(), at, []string{word}); err == nil {
			t.Errorf("%q was looked for", word)
		}
	}
	if _, err := m.Mentions(t.Context(), strings.Repeat("0", 40), []string{"x"}); !errors.Is(err, providers.ErrNotFound) {
		t.Error(err)
	}
}
