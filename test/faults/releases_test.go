//go:build unix

package faults

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// hash is the hash of the plan to take a unit back.
func (w *world) hash(unit, to string) string {
	w.t.Helper()
	var plan struct{ Hash string }
	r := w.run("plan", "releases:local/"+unit, "--to", to, "--output", "json").ends(fine)
	if err := json.Unmarshal([]byte(r.stdout), &plan); err != nil || len(plan.Hash) != 64 {
		w.t.Fatalf("plan: %v in %s", err, r)
	}
	return plan.Hash
}

func (w *world) rollBack(unit string, more ...string) result {
	w.t.Helper()
	return w.run(append([]string{"rollback", "releases:local/" + unit, "--confirm", unit, "--reason", "a drill of the test"}, more...)...)
}

// What is gone when a plan is made is said, and what stands on its own goes on.
func TestReleasesThatVanishedBeforeThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("  releases: {units: [" + w.releases("shop") + ", " + w.releases("orders") + "]}\n")
	w.run("timeline", "--strict").ends(fine)

	w.must(os.RemoveAll(w.path("shop/releases/r1")))
	w.run("plan", "releases:local/shop", "--to", "r1").ends(failed).says(`there is no revision "r1" to go back to, only r2`)
	w.must(os.RemoveAll(w.path("shop/releases/r2")))
	w.run("plan", "releases:local/shop").ends(failed).says("current points to release r2, whose directory is gone: .*deploy it again or switch to another release")
	w.run("providers", "check").ends(fine).shows("releases +ok +answered .*shop: current points to r2, which is gone")
	w.must(os.RemoveAll(w.path("shop")))
	w.run("plan", "releases:local/shop").ends(failed).says("no link at .*shop/current: it is not there; is path .*/shop right?")
	w.run("providers", "check").ends(strict).shows("releases +failing +.*is path .*/shop right")
	w.run("doctor").ends(failed).shows("FAIL +provider releases +failing: .*is path .*/shop right", "ok +record")

	// The other unit has lost nothing, and neither has the timeline; also not for somebody who looks for the first time.
	w.run("timeline").ends(fine).shows("shop +release r2 went live", "orders +release r2 went live")
	w.must(os.RemoveAll(w.path("cache")))
	w.run("timeline").ends(fine).shows("orders +release r2 went live")
	w.rollBack("orders", "--to", "r1").ends(fine).shows("succeeded")
	if got := w.serves("orders"); got != "r1" {
		t.Errorf("orders serves %s", got)
	}
}

// What vanished since the plan was shown makes it another plan, and nothing is done.
func TestAReleaseThatVanishedSinceThePlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.configure("  releases: {units: [" + w.releases("shop") + "]}\n")
	hash := w.hash("shop", "r1")
	w.must(os.Rename(w.path("shop/releases/r1"), w.path("r1")))
	w.rollBack("shop", "--to", "r1", "--plan-hash", hash).ends(changed).says(`the plan changed since it was shown: .*there is no revision "r1"`)
	w.must(os.Rename(w.path("r1"), w.path("shop/releases/r1")))
	w.write("shop/releases/r1/app", "good, and altered since\n")
	w.rollBack("shop", "--to", "r1", "--plan-hash", hash).ends(changed).says("the plan changed since it was shown")
	if got := w.serves("shop"); got != "r2" {
		t.Errorf("shop serves %s", got)
	}
	w.run("runs").ends(fine).lacks("RUN-")
	w.run("ledger", "verify").ends(fine).shows("the chain holds")
}

// What vanishes while the run is going on ends it truthfully: the reload of one unit takes the other one's release away, so
// that it stops half way and needs a human.
func TestAReleaseThatVanishesDuringARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var units []string
	now := time.Now().UTC()
	for unit, other := range map[string]string{"shop": "orders", "orders": "shop"} {
		settings := strings.TrimSuffix(w.releases(unit), "}")
		// Whoever goes first takes the way back from the other.
		units = append(units, settings+fmt.Sprintf(", reload: [mv, -f, %q, %q]}", w.path(other, "releases/r1"), w.path(unit, "away")))
		good, bad := strings.Repeat("1", 40), strings.Repeat("2", 40)
		w.write(unit+"/revisions.log", fmt.Sprintf("%s release r1 commit %s by ana\n%s release r2 commit %s by bob\n",
			now.Add(-2*time.Hour).Format(time.RFC3339), good, now.Add(-time.Hour).Format(time.RFC3339), bad))
		w.write(unit+"/releases/r1/REVISION", good)
		w.write(unit+"/releases/r2/REVISION", bad) // the same change in both, so that they go back together
	}
	w.configure("  releases: {units: [" + strings.Join(units, ", ") + "]}\n")
	r := w.run("rollback", "releases:local/shop", "--plan-hash", w.hash("shop", "r1"), "--to", "r1", "--yes", "--reason", "a drill of the test")
	r.ends(3).shows("needs a human: stopped half way", "release r1 is gone")
	if shop, orders := w.serves("shop"), w.serves("orders"); (shop == "r2") == (orders == "r2") {
		t.Errorf("shop serves %s and orders %s, one of them was switched: %s", shop, orders, r)
	}
	w.run("runs", "show", "RUN-0001").ends(fine).shows("needs a human")
	w.run("ledger", "verify").ends(fine).shows("the chain holds")
	w.run("runs", "resume").ends(fine).shows("no interrupted run")
}

// What serves vanishes while it is verified: it was applied, and it is not well.
func TestAReleaseThatVanishesWhileItIsVerified(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.releases("shop")
	w.configure("  releases: {units: [{name: shop, path: shop, reload: [mv, -f, releases/r1, gone], checks: [{name: good, command: [grep, -q, good, current/app]}]}]}\n")
	w.write("backout.yaml", strings.Replace(w.read("backout.yaml"), "deadline: 20s", "deadline: 2s", 1))
	r := w.rollBack("shop", "--to", "r1")
	if r.code != 3 && r.code != 4 {
		t.Errorf("want 3 or 4: %s", r)
	}
	r.shows("current points to .*, where no release is|directory is gone|unverified|needs a human")
	w.run("runs").ends(fine).shows("RUN-0001 .*releases:local/shop")
	w.run("ledger", "verify").ends(fine).shows("the chain holds")
}

func (w *world) read(name string) string {
	w.t.Helper()
	data, err := os.ReadFile(w.path(name))
	w.must(err)
	return string(data)
}
