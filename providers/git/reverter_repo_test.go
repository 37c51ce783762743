package git_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

func TestAGitThatIsTooOldIsNamed(t *testing.T) {
	f := newFleet(t)
	r := f.provider()
	real, err := whereIs("git")
	if err != nil {
		t.Fatal(err)
	}
	fakeGit(t, `for a in "$@"; do [ "$a" = version ] && echo 'git version 2.30.2' && exit; done; exec '`+real+`' "$@"`)
	_, err = r.Observe(t.Context(), pricing)
	if err == nil || providers.ClassOf(err) != providers.ClassPermanent || !strings.Contains(err.Error(), "needs git 2.38") {
		t.Errorf("error %v", err)
	}
}

func whereIs(name string) (string, error) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
			return filepath.Join(dir, name), nil
		}
	}
	return "", fmt.Errorf("no %s", name)
}

func TestSettingsThatCannotWork(t *testing.T) {
	for want, set := range map[string][]string{
		"name of a branch":   {"branch", "-x"},
		"name of a remote":   {"branch", "main", "remote", "--upload-pack=x"},
		"{short}":            {"branch", "main", "push_to", "backout/revert"},
		"pattern":            {"branch", "main", "push_to", "backout/../{short}"},
		`"" is no name of a`: {},
	} {
		if _, err := makeProvider(t.TempDir(), reverting(set...)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v", set, err)
		}
	}
}

func TestAMissingRemoteOrBranchIsNamed(t *testing.T) {
	f := newFleet(t)
	for want, r := range map[string]rollback.Reverser{
		"no remote":            f.provider("remote", "upstream"),
		"origin has no branch": f.provider("branch", "nothing"),
	} {
		if _, err := r.Observe(t.Context(), pricing); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}

// A clone that is shallow, bare, or a linked work tree: the revert is the same, and the repository stays as it is.
func TestKindsOfClones(t *testing.T) {
	f := newFleet(t)
	for kind, args := range map[string][]string{"shallow": {"--depth=2"}, "bare": {"--bare"}, "partial": {"--filter=blob:none"}} {
		t.Run(kind, func(t *testing.T) {
			f.theirs.git("pull", "-q", "--no-edit", "origin", "main")
			good := f.land("pricing: in between", "services/pricing/app.txt", "in between "+kind+"\n")
			f.land("pricing: bad for "+kind, "services/pricing/app.txt", "bad\n")
			dir := filepath.Join(t.TempDir(), "shop")
			f.theirs.git("-C", f.bare, "config", "uploadpack.allowFilter", "true")
			f.theirs.git(append(append([]string{"clone", "-q"}, args...), "file://"+f.bare, dir)...)
			before := everything(t, dir)
			r := newProvider(t, dir, reverting("branch", "main")).(rollback.Reverser)
			obs := observed(t, r, pricing)
			if label := obs.History[0].Label; !strings.HasSuffix(label, good[:10]) {
				t.Errorf("the newest before is %s", label)
			}
			p := proposed(t, r, obs, obs.History[0])
			if len(p.Missing) > 0 || !strings.Contains(p.Diff, "+in between") {
				t.Fatalf("plan %+v", p)
			}
			if res := applied(t, r, op("OP-"+kind), p.Steps[0]); res.Outcome != rollback.Applied {
				t.Errorf("got %+v", res)
			}
			if everything(t, dir) != before {
				t.Error("the clone is not as it was")
			}
		})
	}
}

// No right to push is known before anybody confirms anything.
func TestNoWayToPushIsMissing(t *testing.T) {
	f := newFleet(t)
	good := f.tip("main")
	f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
	f.mine.git("remote", "set-url", "--push", "origin", "file:///nonexistent/shop.git")
	r := f.provider()
	obs := observed(t, r, pricing)
	p := proposed(t, r, obs, revisionOf(t, obs, good[:10]))
	if !slices.ContainsFunc(p.Missing, func(s string) bool { return strings.Contains(s, "no way to push to origin") }) {
		t.Errorf("missing %q", p.Missing)
	}
}

// What was reverted on the branch already is not known good any more.
func TestWhatWasRevertedIsNotGood(t *testing.T) {
	f := newFleet(t)
	bad := f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
	f.land("Revert \"pricing: bad\"\n\nThis reverts commit "+bad+".", "services/pricing/app.txt", "good\n")
	f.land("pricing: next", "services/pricing/app.txt", "next\n")
	obs := observed(t, f.provider(), pricing)
	if r := revisionOf(t, obs, bad[:10]); len(r.Good) > 0 {
		t.Errorf("%+v", r)
	}
	if r := obs.History[0]; len(r.Good) == 0 || !strings.Contains(r.Good[0], "61 minutes") {
		t.Errorf("%+v", r)
	}
}

// A merge driver of the repository is a program that came with it: it does not run.
func TestAMergeDriverDoesNotRun(t *testing.T) {
	f := newFleet(t)
	bad := f.land("pricing: bad", "services/pricing/app.txt", "BAD\ntwo\nthree\nfour\nfive\nsix\n", ".gitattributes", "*.txt merge=own\n")
	f.land("pricing: later", "services/pricing/app.txt", "BAD\ntwo\nthree\nfour\nfive\nSIX\n")
	f.mine.git("pull", "-q")
	trap := filepath.Join(t.TempDir(), "ran")
	f.mine.git("config", "merge.own.driver", "touch "+trap)
	observed(t, f.provider(), pricing)
	if _, err := os.Stat(trap); err == nil {
		t.Error("it ran")
	}
	_ = bad
}

// Many who look at once are told of the same moment or a later one, by few questions.
func TestManyLooksAtOnce(t *testing.T) {
	f := newFleet(t)
	r := f.provider()
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if obs, err := r.Observe(t.Context(), pricing); err != nil || obs.Current.Commit == "" {
				t.Errorf("observed %+v %v", obs, err)
			}
		})
	}
	wg.Wait()
}
