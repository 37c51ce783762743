package git_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// fleet is a bare remote, the clone of whoever is on call, and the clone of somebody else who lands things.
type fleet struct {
	t      testing.TB
	bare   string
	mine   *repository
	theirs *repository
}

func newFleet(t testing.TB) *fleet {
	t.Helper()
	needGit(t)
	dir := t.TempDir()
	config := filepath.Join(dir, "gitconfig")
	if err := os.WriteFile(config, []byte("[user]\n\tname = Olga Call\n\temail = olga@example.org\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, ok := t.(*testing.T); ok {
		s.Setenv("GIT_CONFIG_GLOBAL", config)
		s.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	}
	f := &fleet{t: t, bare: filepath.Join(dir, "shop.git")}
	f.theirs = newRepository(t)
	f.theirs.now = time.Now().UTC().Add(-10 * time.Hour).Truncate(time.Second)
	f.theirs.commit("pricing: the first price list", "services/pricing/app.txt", "one\ntwo\nthree\nfour\nfive\nsix\n", "services/orders/app.txt", "orders\n", "go.mod", "module shop\n")
	f.theirs.git("clone", "-q", "--bare", f.theirs.dir, f.bare)
	f.theirs.git("remote", "add", "origin", "file://"+f.bare)
	mine := filepath.Join(dir, "clone", "shop")
	if err := os.MkdirAll(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	f.theirs.git("clone", "-q", "file://"+f.bare, mine)
	f.mine = &repository{t: t, dir: mine, env: f.theirs.env, now: f.theirs.now}
	return f
}

// land commits an hour later as somebody else and pushes.
func (f *fleet) land(message string, files ...string) string {
	f.t.Helper()
	f.theirs.now = f.theirs.now.Add(time.Hour)
	hash := f.theirs.commit(message, files...)
	f.theirs.git("push", "-q", "origin", "main")
	return hash
}

func (f *fleet) provider(set ...string) rollback.Reverser {
	f.t.Helper()
	return newProvider(f.t, f.mine.dir, reverting(append([]string{"branch", "main"}, set...)...)).(rollback.Reverser)
}

// reverting is a configuration with these settings under revert.
func reverting(set ...string) options {
	revert := map[string]any{}
	for i := 0; i+1 < len(set); i += 2 {
		revert[set[i]] = value(set[i+1])
	}
	return options{"revert": revert, "services": []map[string]string{{"path": "services/*/**", "service": "$1"}}}
}

// tip is the commit, and show what a path holds, on the remote's branch.
func (f *fleet) tip(branch string) string { return f.theirs.git("-C", f.bare, "rev-parse", branch) }

func (f *fleet) show(branch, path string) string {
	out, _ := f.theirs.try("", "-C", f.bare, "show", branch+":"+path)
	return out
}

func observed(t testing.TB, r rollback.Reverser, unit rollback.UnitID) rollback.Observation {
	t.Helper()
	obs, err := r.Observe(t.Context(), unit)
	if err != nil {
		t.Fatal(err)
	}
	return obs
}

func revisionOf(t testing.TB, obs rollback.Observation, label string) rollback.Revision {
	t.Helper()
	i := slices.IndexFunc(obs.History, func(r rollback.Revision) bool { return r.Label == label || strings.HasPrefix(label, r.Label) })
	if i < 0 {
		t.Fatalf("no revision %s in %+v", label, obs.History)
	}
	return obs.History[i]
}

func proposed(t testing.TB, r rollback.Reverser, obs rollback.Observation, to rollback.Revision) rollback.Proposal {
	t.Helper()
	p, err := r.Plan(t.Context(), obs, to)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wayBack is the one step to a revision by its label.
func wayBack(t testing.TB, r rollback.Reverser, unit rollback.UnitID, label string) rollback.Step {
	t.Helper()
	obs := observed(t, r, unit)
	p := proposed(t, r, obs, revisionOf(t, obs, label))
	if len(p.Missing) > 0 || len(p.Steps) != 1 {
		t.Fatalf("no way: %+v", p)
	}
	return p.Steps[0]
}

func applied(t testing.TB, r rollback.Reverser, op rollback.Operation, step rollback.Step) rollback.Result {
	t.Helper()
	res, err := r.Apply(t.Context(), op, step)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const pricing = rollback.UnitID("repo:shop/pricing")

func op(id string) rollback.Operation {
	return rollback.Operation{ID: id, Fence: 1, By: "Mei Onda <mei@example.org>", Reason: "customers see wrong prices"}
}

func TestWithoutTheSettingItTakesNothingBack(t *testing.T) {
	r := newRepository(t)
	if _, ok := newProvider(t, r.dir, nil).(rollback.Reverser); ok {
		t.Error("a provider that was told of no branch takes changes back")
	}
}

func TestUnitsAreTheServicesOfTheBranch(t *testing.T) {
	f := newFleet(t)
	var ids []string
	for u, err := range f.provider().Units(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, string(u.ID)+" "+u.Service+" "+string(u.CAS))
	}
	want := []string{"repo:shop/orders orders atomic", "repo:shop/pricing pricing atomic", "repo:shop/shop shop atomic"}
	if !slices.Equal(ids, want) {
		t.Errorf("units %q", ids)
	}
}

// The bad change is the newest: one commit on top takes it back, told by git's own words, and nothing of the clone of
// whoever is on call has changed.
func TestARevertIsPushed(t *testing.T) {
	f := newFleet(t)
	good := f.tip("main")
	bad := f.land("pricing: round up", "services/pricing/app.txt", "ONE\ntwo\nthree\nfour\nfive\nsix\n", "services/pricing/new.txt", "new\n", "services/orders/app.txt", "orders 2\n")
	f.mine.write("services/pricing/app.txt", "half done\n")
	f.mine.git("config", "core.splitIndex", "true")
	f.mine.git("config", "fetch.prune", "true")
	before := everything(t, f.mine.dir)
	r := f.provider()
	obs := observed(t, r, pricing)
	if obs.Current.Commit != bad || obs.Stamp != "" || len(obs.History) != 1 || obs.History[0].Commit != good || len(obs.History[0].Good) == 0 {
		t.Fatalf("observed %+v", obs)
	}
	step := wayBack(t, r, pricing, good[:10])
	res := applied(t, r, op("OP1"), step)
	if res.Outcome != rollback.Applied || !strings.HasPrefix(res.Token, f.tip("main")) {
		t.Fatalf("got %+v", res)
	}
	if f.show("main", "services/pricing/app.txt") != "one\ntwo\nthree\nfour\nfive\nsix" || f.show("main", "services/orders/app.txt") != "orders 2" {
		t.Error("the wrong files went back")
	}
	message := f.theirs.git("-C", f.bare, "log", "-1", "--format=%an <%ae> %cn <%ce>%n%B", "main")
	want := fmt.Sprintf("Mei Onda <mei@example.org> Olga Call <olga@example.org>\nRevert \"pricing: round up\"\n\nThis reverts commit %s.\n\nOnly the files of pricing go back.\n\ncustomers see wrong prices\n\nBackout-Op: OP1", bad)
	if message != want {
		t.Errorf("the commit says\n%s\nwant\n%s", message, want)
	}
	arrived(t, r, step, res)
	if after := everything(t, f.mine.dir); after != before {
		t.Errorf("the clone is not as it was:\n%s\n%s", before, after)
	}
}

// arrived holds all looks, and the same call once more, to an effect.
func arrived(t testing.TB, r rollback.Reverser, step rollback.Step, res rollback.Result) {
	t.Helper()
	to := rollback.Revision{Digest: step.To}
	if obs := observed(t, r, pricing); obs.Stamp != "OP1" || obs.Token != res.Token || obs.Current.Digest != step.To {
		t.Errorf("afterwards %+v", obs)
	}
	if got := applied(t, r, op("OP1"), step); got.Outcome != rollback.AlreadyApplied {
		t.Errorf("again: %+v", got)
	}
	if c, err := r.Status(t.Context(), pricing, to); err != nil || !c.Done {
		t.Errorf("status %+v %v", c, err)
	}
	checks, err := r.Verify(t.Context(), pricing, to)
	if err != nil || len(checks) != 1 || checks[0].State != rollback.CheckPass || !checks[0].Inside {
		t.Errorf("checks %+v %v", checks, err)
	}
}

func TestThePlanShowsWhatGoesAndWhatStays(t *testing.T) {
	f := newFleet(t)
	f.land("pricing: round up", "services/pricing/app.txt", "ONE\n", "services/pricing/new.txt", "new\n", "services/orders/app.txt", "orders 2\n", "services/pricing/migrations/1.sql", "drop table prices;\n")
	r := f.provider()
	obs := observed(t, r, pricing)
	p := proposed(t, r, obs, obs.History[0])
	for _, want := range []string{"-ONE", "+one", "-new", "services/pricing/new.txt"} {
		if !strings.Contains(p.Diff, want) {
			t.Errorf("the diff lacks %q:\n%s", want, p.Diff)
		}
	}
	if len(p.Steps) != 1 || len(p.Missing) > 0 || p.Blast != "3 files" || strings.Contains(p.Diff, "orders") {
		t.Errorf("plan %+v", p)
	}
	if stays := strings.Join(p.NotRestored, "; "); !strings.Contains(stays, "orders") || !strings.Contains(stays, "migration") {
		t.Errorf("not restored: %s", stays)
	}
}

// everything is each file below a directory, the repository itself included, with its mode, its content and when it was written.
func everything(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v %x", path, info.Mode(), sha256.Sum256(data))
		if !strings.Contains(path, "/objects/") { // git keeps an object that it needs from being pruned by its time
			fmt.Fprint(&b, " ", info.ModTime().UnixNano())
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSeveralCommitsAndAMergeGoBackInOrder(t *testing.T) {
	f := newFleet(t)
	good := f.tip("main")
	first := f.land("pricing: first", "services/pricing/a.txt", "a\n")
	f.theirs.git("switch", "-q", "-c", "side", "main")
	f.theirs.commit("pricing: on the side", "services/pricing/b.txt", "b\n")
	f.theirs.git("switch", "-q", "main")
	f.land("orders: something else", "services/orders/app.txt", "orders 2\n")
	merged := f.theirs.merge("Merge branch 'side'", "side")
	f.theirs.git("push", "-q", "origin", "main")
	r := f.provider()
	step := wayBack(t, r, pricing, good[:10])
	if step.Args["commits"] != merged+" "+first {
		t.Errorf("it reverts %s", step.Args["commits"])
	}
	if res := applied(t, r, op("OP2"), step); res.Outcome != rollback.Applied {
		t.Fatalf("got %+v", res)
	}
	if got := f.theirs.git("-C", f.bare, "ls-tree", "-r", "--name-only", "main"); got != "go.mod\nservices/orders/app.txt\nservices/pricing/app.txt" {
		t.Errorf("the branch holds\n%s", got)
	}
	message := f.theirs.git("-C", f.bare, "log", "-1", "--format=%B", "main")
	mainline := f.theirs.git("rev-parse", merged+"^1")
	if !strings.Contains(message, "This reverts commit "+merged+", reversing\nchanges made to "+mainline+".\nThis reverts commit "+first+".\n") {
		t.Errorf("the commit says\n%s", message)
	}
}

// One change is taken out from between, and what came later stays; where later changes touch the same lines, nothing is
// pushed and the plan names the files.
func TestOneChangeIsTakenOutFromBetween(t *testing.T) {
	f := newFleet(t)
	bad := f.land("pricing: bad", "services/pricing/app.txt", "BAD\ntwo\nthree\nfour\nfive\nsix\n")
	f.land("pricing: later", "services/pricing/app.txt", "BAD\ntwo\nthree\nfour\nfive\nSIX\n")
	r := f.provider()
	step := wayBack(t, r, pricing, "without-"+bad[:10])
	if res := applied(t, r, op("OP3"), step); res.Outcome != rollback.Applied {
		t.Fatalf("got %+v", res)
	}
	if got := f.show("main", "services/pricing/app.txt"); got != "one\ntwo\nthree\nfour\nfive\nSIX" {
		t.Errorf("it holds %q", got)
	}
}

func TestAConflictIsNamedAndNothingIsPushed(t *testing.T) {
	f := newFleet(t)
	bad := f.land("pricing: bad", "services/pricing/app.txt", "BAD\ntwo\nthree\nfour\nfive\nsix\n")
	f.land("pricing: on top of it", "services/pricing/app.txt", "WORSE\ntwo\nthree\nfour\nfive\nsix\n")
	tip := f.tip("main")
	r := f.provider()
	obs := observed(t, r, pricing)
	p := proposed(t, r, obs, revisionOf(t, obs, "without-"+bad[:10]))
	if len(p.Steps) > 0 || len(p.Missing) != 1 || !strings.Contains(p.Missing[0], "services/pricing/app.txt") {
		t.Fatalf("plan %+v", p)
	}
	if f.tip("main") != tip {
		t.Error("something was pushed")
	}
}

func TestWhatSomebodyElseLandedMeanwhile(t *testing.T) {
	f := newFleet(t)
	good := f.tip("main")
	f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
	r := f.provider()
	step := wayBack(t, r, pricing, good[:10])

	// On another service: the revert goes on top of it.
	f.land("orders: unrelated", "services/orders/app.txt", "orders 2\n")
	if res := applied(t, r, op("OP4"), step); res.Outcome != rollback.Applied {
		t.Fatalf("got %+v", res)
	}
	if f.show("main", "services/orders/app.txt") != "orders 2" {
		t.Error("what landed on another service is lost")
	}

	// On the same files: it is theirs.
	f.theirs.git("pull", "-q", "--no-edit", "origin", "main")
	bad := f.land("pricing: bad again", "services/pricing/app.txt", "bad again\n")
	step = wayBack(t, r, pricing, f.theirs.git("rev-parse", bad+"^1")[:10])
	fix := f.land("pricing: a fix", "services/pricing/app.txt", "fixed\n")
	res := applied(t, r, op("OP5"), step)
	if res.Outcome != rollback.PreconditionFailed || !strings.Contains(res.Detail, "a fix") || f.tip("main") != fix {
		t.Errorf("got %+v", res)
	}
}

func TestAProtectedBranchRefuses(t *testing.T) {
	f := newFleet(t)
	good := f.tip("main")
	bad := f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
	hook := "#!/bin/sh\necho 'GH006: Protected branch update failed: open a pull request' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(f.bare, "hooks", "pre-receive"), []byte(hook), 0o700); err != nil {
		t.Fatal(err)
	}
	r := f.provider()
	res := applied(t, r, op("OP6"), wayBack(t, r, pricing, good[:10]))
	if res.Outcome != rollback.Failed || !strings.Contains(res.Detail, "Protected branch update failed") || f.tip("main") != bad {
		t.Errorf("got %+v", res)
	}
}

func TestAReviewBranchIsAProposalAndNoMore(t *testing.T) {
	f := newFleet(t)
	good := f.tip("main")
	bad := f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
	r := f.provider("push_to", "backout/revert-{short}")
	branch := "backout/revert-" + bad[:10]
	obs := observed(t, r, pricing)
	to := revisionOf(t, obs, good[:10])
	step := wayBack(t, r, pricing, good[:10])
	if !strings.Contains(step.Title, "propose") || !strings.Contains(step.Title, branch) {
		t.Errorf("the step says %q", step.Title)
	}
	res := applied(t, r, op("OP7"), step)
	if res.Outcome != rollback.Applied || !strings.Contains(res.Detail, "not restored") || f.tip("main") != bad || f.show(branch, "services/pricing/app.txt") == "bad" {
		t.Fatalf("got %+v", res)
	}
	if got := applied(t, r, op("OP7"), step); got.Outcome != rollback.AlreadyApplied {
		t.Errorf("again: %+v", got)
	}
	if got := applied(t, r, op("OP8"), step); got.Outcome != rollback.PreconditionFailed {
		t.Errorf("somebody else: %+v", got)
	}
	waitsForAMerge(t, f, r, to, branch)
}

func waitsForAMerge(t *testing.T, f *fleet, r rollback.Reverser, to rollback.Revision, branch string) {
	t.Helper()
	if c, err := r.Status(t.Context(), pricing, to); err != nil || c.Done || !strings.Contains(c.Detail, "pull request") {
		t.Errorf("status %+v %v", c, err)
	}
	if p := proposed(t, r, observed(t, r, pricing), to); len(p.Missing) != 1 || !strings.Contains(p.Missing[0], branch) {
		t.Errorf("a second plan: %+v", p.Missing)
	}
	// Somebody merges it: then it is restored, by the operation inside.
	f.theirs.git("fetch", "-q", "origin", branch)
	f.theirs.merge("Merge the revert", "FETCH_HEAD")
	f.theirs.git("push", "-q", "origin", "main")
	if c, err := r.Status(t.Context(), pricing, to); err != nil || !c.Done {
		t.Errorf("status after the merge %+v %v", c, err)
	}
	if obs := observed(t, r, pricing); obs.Stamp != "OP7" {
		t.Errorf("the stamp is %q", obs.Stamp)
	}
}

func TestARemoteThatIsGone(t *testing.T) {
	f := newFleet(t)
	good := f.tip("main")
	f.land("pricing: bad", "services/pricing/app.txt", "bad\n")
	r := f.provider()
	step := wayBack(t, r, pricing, good[:10])
	if err := os.Rename(f.bare, f.bare+".away"); err != nil {
		t.Fatal(err)
	}
	if res := applied(t, r, op("OP9"), step); res.Outcome != rollback.Failed {
		t.Errorf("got %+v", res)
	}
	if _, err := r.Observe(t.Context(), pricing); err == nil || !strings.Contains(err.Error(), "git ls-remote origin") {
		t.Errorf("error %v", err)
	}
	checks, err := r.Verify(t.Context(), pricing, rollback.Revision{Digest: step.To})
	if err != nil || checks[0].State != rollback.CheckUnknown {
		t.Errorf("checks %+v %v", checks, err)
	}
}

// value is a number where it looks like one.
func value(s string) any {
	if n, err := strconv.Atoi(s); err == nil {
		return n
	}
	return s
}
