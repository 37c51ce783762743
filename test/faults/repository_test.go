//go:build unix

package faults

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("git is not on PATH: CI must have it")
	}
	t.Skip("SKIPPED: git is not on PATH")
}

// Whatever state a repository is in, what can be read is shown, and what cannot is said.
func TestRepositories(t *testing.T) {
	t.Parallel()
	needGit(t)
	for name, c := range map[string]struct {
		make   func(w *world)
		shows  []string
		lacks  []string
		health string
		code   int // of --strict
	}{
		"in the middle of a rebase": {
			make: func(w *world) {
				w.repository("repo", "first", "second", "third")
				w.git("repo", "checkout", "-q", "-b", "side", "HEAD~1")
				w.write("repo/price.txt", "mine\n")
				w.git("repo", "commit", "-q", "-a", "-m", "not landed")
				if out, err := w.tryGit("repo", "", "rebase", "main"); err == nil {
					w.t.Fatalf("the rebase went through: %s", out)
				}
			},
			shows: []string{"first", "second", "third"}, lacks: []string{"not landed"},
			health: "git +ok +answered .*a rebase is in progress: showing main",
		},
		"shallow": {
			make: func(w *world) {
				w.repository("whole", "first", "second", "third")
				w.git("", "clone", "-q", "--depth", "1", "file://"+w.path("whole"), "repo")
			},
			shows: []string{"third"}, lacks: []string{"second"},
			health: "git +ok +answered .*is not here: shallow clone, see `git fetch --unshallow`",
		},
		"bare": {
			make: func(w *world) {
				w.repository("whole", "first", "second")
				w.git("", "clone", "-q", "--bare", "whole", "repo")
			},
			shows: []string{"first", "second"}, health: "git +ok",
		},
		"empty": {
			make:  func(w *world) { w.repository("repo") },
			lacks: []string{"Z "}, health: "git +ok +answered .*empty repository: nothing is committed yet",
		},
		"without its objects": {
			make: func(w *world) {
				w.repository("repo", "first")
				objects, err := filepath.Glob(w.path("repo/.git/objects/??"))
				w.must(err)
				for _, dir := range objects {
					w.must(os.RemoveAll(dir))
				}
			},
			health: "git +failing +never answered +main in .* stands on .*: look with `git fsck`", code: strict,
		},
		"with a broken configuration": {
			make: func(w *world) {
				w.repository("repo", "first")
				w.write("repo/.git/config", "garbage[")
			},
			health: "git +failing +never answered .*is not a readable git repository", code: strict,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.make(w)
			w.in("repo", "timeline").ends(fine).shows(c.shows...).lacks(c.lacks...)
			w.in("repo", "timeline", "--strict").ends(c.code)
			w.in("repo", "providers", "check").ends(c.code).shows(c.health, "backout +ok")
			w.in("repo", "note", "looked at it").ends(fine) // the record does not mind
			state := "ok"
			if c.code != fine {
				state = "FAIL"
			}
			w.in("repo", "doctor").ends(min(c.code, 1)).shows(state + " +provider git")
		})
	}
}

// What was known of a repository stays when it breaks.
func TestARepositoryThatBreaks(t *testing.T) {
	t.Parallel()
	needGit(t)
	w := newWorld(t)
	w.repository("repo", "first", "second")
	w.in("repo", "timeline").ends(fine).shows("first", "second")
	w.must(os.Rename(w.path("repo/.git/objects"), w.path("objects")))
	w.in("repo", "timeline").ends(fine).shows("first", "second").says("provider git: .*git")
	w.in("repo", "providers", "check").ends(strict).shows("git +failing +answered .* ago")
	w.must(os.Rename(w.path("objects"), w.path("repo/.git/objects")))
	w.in("repo", "timeline", "--strict").ends(fine).shows("first", "second")
}
