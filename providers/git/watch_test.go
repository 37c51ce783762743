package git_test

import (
	"context"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/providers"
)

// watching runs a watch and gives its events one by one.
func watching(t *testing.T, p providers.Provider) (next func() (providers.Event, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	pull, stop := iter.Pull2(p.(providers.Watcher).Watch(ctx))
	t.Cleanup(func() { cancel(); stop() })
	return func() (providers.Event, error) {
		t.Helper()
		e, err, ok := pull()
		if !ok {
			t.Fatal("the watch ended")
		}
		return e, err
	}
}

func wantEvent(t *testing.T, next func() (providers.Event, error), id string) {
	t.Helper()
	e, err := next()
	if err != nil || e.Change == nil || e.Change.ID != id {
		t.Fatalf("event %+v, error %v; want change %s", e.Change, err, id)
	}
}

func TestWatchSeesWhatLandsAfterTheRead(t *testing.T) {
	r := newRepository(t)
	r.commit("Begin", "f", "1\n")
	p := newProvider(t, r.dir, options{"poll": "10ms"})
	read(t, p, providers.Window{})
	between := r.commit("Between the read and the watch", "f", "2\n")
	next := watching(t, p)
	wantEvent(t, next, between)
	r.git("checkout", "-q", "-b", "topic")
	r.commit("Not landed yet", "f", "3\n")
	r.git("tag", "v1")
	wantEvent(t, next, "tag/v1")
	r.git("checkout", "-q", "main")
	wantEvent(t, next, r.merge("Merge branch 'topic'", "topic"))
}

func TestWatchOutlivesARewrittenHistory(t *testing.T) {
	r := newRepository(t)
	r.commit("Begin", "f", "1\n")
	r.commit("Wrong", "f", "2\n")
	p := newProvider(t, r.dir, options{"poll": "10ms", "tags": false})
	read(t, p, providers.Window{})
	r.git("reset", "-q", "--hard", "HEAD~1")
	right := r.commit("Right", "f", "3\n")
	wantEvent(t, watching(t, p), right)
}

func TestWatchOfAnEmptyRepositorySeesTheFirstCommit(t *testing.T) {
	r := newRepository(t)
	p := newProvider(t, r.dir, options{"poll": "10ms"})
	read(t, p, providers.Window{})
	first := r.commit("Begin", "f", "1\n")
	wantEvent(t, watching(t, p), first)
}

func TestWatchEndsWhereThereIsNoRepository(t *testing.T) {
	needGit(t)
	dir := t.TempDir()
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	var errs []error
	for _, err := range newProvider(t, dir, options{"poll": "10ms"}).(providers.Watcher).Watch(t.Context()) {
		errs = append(errs, err)
	}
	if len(errs) != 1 || providers.ClassOf(errs[0]) != providers.ClassPermanent {
		t.Errorf("errors %v, want one permanent one", errs)
	}
}

func TestFetchOnlyWhereAsked(t *testing.T) {
	r := newRepository(t)
	r.commit("Begin", "f", "1\n")
	clone := filepath.Join(t.TempDir(), "shop")
	r.git("clone", "-q", r.dir, clone)
	landed := r.commit("Landed at the remote", "f", "2\n")
	plain := newProvider(t, clone, options{"poll": "10ms"})
	if got := read(t, plain, providers.Window{}); len(got) != 1 {
		t.Errorf("something was fetched:%s", titles(got))
	}
	p := newProvider(t, clone, options{"poll": "10ms", "fetch": true})
	read(t, p, providers.Window{})
	wantEvent(t, watching(t, p), landed)
}

func TestLinks(t *testing.T) {
	r := newRepository(t)
	id := r.commit("Begin", "f", "1\n")
	r.git("tag", "v1/x")
	for remote, want := range map[string]string{
		"https://ada:secret@github.com/example/shop.git":  "https://github.com/example/shop/commit/" + id,
		"git@github.com:example/shop.git":                 "https://github.com/example/shop/commit/" + id,
		"ssh://git@gitlab.example.org:2222/team/sub/shop": "https://gitlab.example.org/team/sub/shop/-/commit/" + id,
		"https://codeberg.org/example/shop":               "https://codeberg.org/example/shop/commit/" + id,
		"https://git.unknown.example/example/shop":        "",
		"/srv/git/shop.git":                               "",
		"file:///srv/git/shop.git":                        "",
		"ext::sh -c x":                                    "",
		"javascript:alert(1)":                             "",
	} {
		r.git("config", "remote.origin.url", remote)
		p := newProvider(t, r.dir, nil)
		if l := p.(providers.Linker).Link(id); l != "" {
			t.Errorf("a link %q before anything was read", l)
		}
		got := read(t, p, providers.Window{})
		if l := p.(providers.Linker).Link(id); l != want || one(t, got, id).URL != want {
			t.Errorf("%s: link %q, URL %q, want %q", remote, l, one(t, got, id).URL, want)
		}
	}
	r.git("config", "remote.origin.url", "https://git.unknown.example/example/shop")
	p := newProvider(t, r.dir, options{"forge": "gitlab"})
	read(t, p, providers.Window{})
	if l := p.(providers.Linker).Link("tag/v1/x"); l != "https://git.unknown.example/example/shop/-/tags/v1/x" {
		t.Errorf("the tag's link is %q", l)
	}
}
