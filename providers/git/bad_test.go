package git_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backout-dev/backout/providers"
)

func TestEmptyRepository(t *testing.T) {
	p := newProvider(t, newRepository(t).dir, nil)
	if got := read(t, p, providers.Window{}); len(got) != 0 {
		t.Errorf("changes of an empty repository:%s", titles(got))
	}
	wantHealth(t, p, providers.HealthOK, "nothing is committed yet")
}

func TestBareRepository(t *testing.T) {
	r := newRepository(t)
	id := r.commit("Begin", "f", "1\n")
	bare := filepath.Join(t.TempDir(), "shop.git")
	r.git("clone", "-q", "--bare", r.dir, bare)
	if c := one(t, read(t, newProvider(t, bare, nil), providers.Window{}), id); c.Service != "shop" {
		t.Errorf("service %q, want the repository's name without .git", c.Service)
	}
}

func TestShallowClone(t *testing.T) {
	r := newRepository(t)
	r.commit("Old", "old", "1\n")
	edge := r.commit("Edge", "edge", "1\n")
	newest := r.commit("New", "new", "1\n")
	clone := filepath.Join(t.TempDir(), "shop")
	r.git("clone", "-q", "--depth", "2", "file://"+r.dir, clone)
	p := newProvider(t, clone, nil)
	got := read(t, p, providers.Window{})
	if len(got) != 2 {
		t.Fatalf("changes of a shallow clone:%s", titles(got))
	}
	if c := one(t, got, edge); c.Files != 0 || c.Paths != nil {
		t.Errorf("what the last commit changed cannot be known, but it says %d files %q", c.Files, c.Paths)
	}
	if c := one(t, got, newest); c.Files != 1 {
		t.Errorf("the newest changed %d files", c.Files)
	}
	wantHealth(t, p, providers.HealthOK, "history before 2026-11-20 is not here")
	recent := newProvider(t, clone, nil)
	read(t, recent, providers.Window{Since: r.now})
	wantHealth(t, recent, providers.HealthOK, "")
}

func TestPartialClone(t *testing.T) {
	r := newRepository(t)
	r.git("config", "uploadpack.allowFilter", "true")
	r.commit("Old", "old", "1\n")
	id := r.commit("New", "deploy/new.yaml", "1\n")
	clone := filepath.Join(t.TempDir(), "shop")
	r.git("clone", "-q", "--bare", "--filter=blob:none", "file://"+r.dir, clone)
	if err := os.Rename(r.dir, r.dir+".gone"); err != nil { // nothing could be fetched, even by somebody who tried
		t.Fatal(err)
	}
	p := newProvider(t, clone, nil)
	if c := one(t, read(t, p, providers.Window{}), id); c.Files != 1 || c.Lines != 0 || c.Kind != providers.KindConfig {
		t.Errorf("the change of a partial clone: %+v", c)
	}
	wantHealth(t, p, providers.HealthOK, "partial clone")
}

func TestInTheMiddleOfARebase(t *testing.T) {
	r := newRepository(t)
	r.commit("Begin", "f", "1\n")
	r.git("branch", "-m", "develop")
	r.git("checkout", "-q", "-b", "other")
	r.commit("Theirs", "f", "2\n")
	r.git("checkout", "-q", "develop")
	mine := r.commit("Mine", "f", "3\n")
	if out, err := r.try("", "rebase", "other"); err == nil {
		t.Fatalf("the rebase went through: %s", out)
	}
	p := newProvider(t, r.dir, nil)
	if got := read(t, p, providers.Window{}); len(got) != 2 || got[0].ID != mine {
		t.Errorf("in the middle of a rebase the branch itself counts:%s", titles(got))
	}
	wantHealth(t, p, providers.HealthOK, "a rebase is in progress: showing develop")
}

func TestDetachedHead(t *testing.T) {
	r := newRepository(t)
	first := r.commit("Begin", "f", "1\n")
	r.commit("Next", "f", "2\n")
	r.git("checkout", "-q", first)
	if got := read(t, newProvider(t, r.dir, nil), providers.Window{}); len(got) != 2 {
		t.Errorf("with a detached HEAD, main counts:%s", titles(got))
	}
}

func TestADirectoryInsideAndAnotherWorkTree(t *testing.T) {
	r := newRepository(t)
	id := r.commit("Begin", "in/side/f", "1\n")
	tree := filepath.Join(t.TempDir(), "tree")
	r.git("worktree", "add", "-q", "-b", "topic", tree)
	for _, dir := range []string{filepath.Join(r.dir, "in", "side"), tree} {
		if c := one(t, read(t, newProvider(t, dir, nil), providers.Window{}), id); c.Service != "shop" {
			t.Errorf("%s: service %q", dir, c.Service)
		}
	}
}

func TestTheRemotesDefaultBranch(t *testing.T) {
	r := newRepository(t)
	r.git("branch", "-m", "stable")
	landed := r.commit("Landed", "f", "1\n")
	clone := filepath.Join(t.TempDir(), "shop")
	r.git("clone", "-q", r.dir, clone)
	c := &repository{t: t, dir: clone, env: r.env, now: r.now}
	c.git("checkout", "-q", "-b", "main")
	c.commit("Not landed", "f", "2\n")
	if got := read(t, newProvider(t, clone, nil), providers.Window{}); len(got) != 1 || got[0].ID != landed {
		t.Errorf("origin's default branch is what counts:%s", titles(got))
	}
	if got := read(t, newProvider(t, clone, options{"ref": "main"}), providers.Window{}); len(got) != 2 {
		t.Errorf("a ref that was asked for counts:%s", titles(got))
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	r := newRepository(t)
	r.commit("Begin", "f", "1\n")
	broken := newRepository(t)
	broken.commit("Begin", "f", "1\n")
	broken.write(".git/config", "[core\n")
	for name, c := range map[string]struct {
		dir  string
		set  options
		says []string
	}{
		"no repository":    {t.TempDir(), nil, []string{"is not a readable git repository", "set path"}},
		"no directory":     {filepath.Join(t.TempDir(), "gone"), nil, []string{"there is no directory", "correct path"}},
		"no such ref":      {r.dir, options{"ref": "nowhere"}, []string{`no ref "nowhere"`, "correct ref"}},
		"broken configure": {broken.dir, nil, []string{"not a readable git repository"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(c.dir))
			p := newProvider(t, c.dir, c.set)
			_, err := tryRead(t.Context(), p, providers.Window{})
			if err == nil || providers.ClassOf(err) != providers.ClassPermanent {
				t.Fatalf("error %v of class %s, want a permanent one", err, providers.ClassOf(err))
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("the error %q does not say %q", err, s)
				}
			}
			wantHealth(t, p, providers.HealthFailing, c.says[0])
		})
	}
	t.Run("no git program", func(t *testing.T) {
		p := newProvider(t, r.dir, nil)
		t.Setenv("PATH", t.TempDir())
		_, err := tryRead(t.Context(), p, providers.Window{})
		if providers.ClassOf(err) != providers.ClassPermanent || !strings.Contains(err.Error(), "install git") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("somebody else's", func(t *testing.T) {
		t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
		_, err := tryRead(t.Context(), newProvider(t, r.dir, nil), providers.Window{})
		if providers.ClassOf(err) != providers.ClassPermanent || !strings.Contains(err.Error(), "safe.directory") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		d := newRepository(t)
		d.commit("Begin", "f", "1\n")
		d.commit("Next", "f", "2\n")
		tree := d.git("rev-parse", "HEAD^{tree}")
		if err := os.Remove(filepath.Join(d.dir, ".git", "objects", tree[:2], tree[2:])); err != nil {
			t.Fatal(err)
		}
		p := newProvider(t, d.dir, nil)
		if _, err := tryRead(t.Context(), p, providers.Window{}); err == nil || !strings.Contains(err.Error(), "git fsck") {
			t.Errorf("error %v", err)
		}
		wantHealth(t, p, providers.HealthFailing, "damaged or missing objects")
	})
}

// A repository may come from anywhere; looking at it must not run what its configuration names.
func TestARepositorysConfigurationRunsNothing(t *testing.T) {
	r := newRepository(t)
	r.commit("Begin", "f.evil", "1\n", ".gitattributes", "*.evil diff=evil\n")
	r.commit("Next", "f.evil", "2\n")
	mark := filepath.Join(t.TempDir(), "ran")
	evil := filepath.Join(t.TempDir(), "evil")
	if err := os.WriteFile(evil, []byte("#!/bin/sh\necho ran >> "+mark+"\ncat\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"core.fsmonitor", "core.pager", "diff.external", "diff.evil.textconv", "diff.evil.command", "gpg.program", "core.sshCommand",
		"core.editor", "pager.log", "credential.helper", "core.alternateRefsCommand", "uploadpack.packObjectsHook",
	} {
		r.git("config", key, evil)
	}
	r.git("config", "log.showSignature", "true")
	r.git("config", "core.hooksPath", filepath.Dir(evil))
	r.git("config", "remote.origin.url", "ext::"+evil)
	r.git("config", "protocol.ext.allow", "always")
	r.git("config", "color.ui", "always")
	if got := read(t, newProvider(t, r.dir, nil), providers.Window{}); len(got) != 2 || got[0].Lines != 2 {
		t.Errorf("the changes are not what they are:%s", titles(got))
	}
	if data, err := os.ReadFile(mark); err == nil {
		t.Errorf("a program of the repository ran: %s", data)
	}
}

func TestVariablesOfAnotherRepositoryAreNotFollowed(t *testing.T) {
	other := newRepository(t)
	other.commit("Other", "f", "1\n")
	r := newRepository(t)
	id := r.commit("Ours", "f", "1\n")
	t.Setenv("GIT_DIR", filepath.Join(other.dir, ".git"))
	t.Setenv("GIT_WORK_TREE", other.dir)
	one(t, read(t, newProvider(t, r.dir, nil), providers.Window{}), id)
}

func TestSettingsAreChecked(t *testing.T) {
	for _, set := range []options{
		{"ref": "--upload-pack=x"},
		{"notes": "-x"},
		{"services": []map[string]string{{"path": "a"}}},
		{"services": []map[string]string{{"path": "[", "service": "x"}}},
		{"identities": "missing.yaml"},
		{"unheard_of": 1},
	} {
		if _, err := makeProvider(t.TempDir(), set); err == nil {
			t.Errorf("no error for %v", set)
		}
	}
}

func wantHealth(t *testing.T, p providers.Provider, state providers.HealthState, detail string) {
	t.Helper()
	h := p.Health()
	if h.State != state || !strings.Contains(h.Detail, detail) || (detail == "" && h.Detail != "") {
		t.Errorf("health %s %q, want %s %q", h.State, h.Detail, state, detail)
	}
}

// A repository that lost its commits is damaged, and not new: nothing about it is well.
func TestLostCommits(t *testing.T) {
	r := newRepository(t)
	r.commit("Begin", "f", "1\n")
	objects, err := filepath.Glob(filepath.Join(r.dir, ".git", "objects", "??"))
	if err != nil || len(objects) == 0 {
		t.Fatalf("no loose objects: %v", err)
	}
	for _, dir := range objects {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	p := newProvider(t, r.dir, nil)
	_, err = tryRead(t.Context(), p, providers.Window{})
	if err == nil || !strings.Contains(err.Error(), "git fsck") {
		t.Errorf("error %v", err)
	}
	wantHealth(t, p, providers.HealthFailing, "main in "+r.dir+" stands on")
}
