//go:build unix

package console

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// One change in two services, from the open console to a verified rollback of both, and a plan for the way forward again.
func TestCoupledIsCuredByHand(t *testing.T) {
	t.Parallel()
	term := open(t, 120, 36, nil, program, "demo", "--scenario", "coupled")
	term.waitFor(60*time.Second, `(?s)ALERT.*ALERT.*ALERT.*>\S+ deploy\s+(pricing|orders)`)
	settle()
	term.press("r")
	term.wait(15*time.Second, "go back together, in this order: 1 delivery-window, 2 orders, 3 pricing", "COUPLED orders, pricing  H shared change",
		"COUPLED orders, pricing  edge requires", "COUPLED orders  edge order", "IF      orders  J flags", "same: backout rollback CHG-")
	term.press("NPage")
	term.wait(10*time.Second, "A in-flight", "B identity", "I stacked", "1 restore delivery-window", "2 orders: switch current to", "3 pricing: switch current to")
	term.press("Space")
	term.wait(10*time.Second, "not without the others", "[x] releases:shop/orders", "[x] releases:shop/pricing")
	term.press("R")
	term.wait(10*time.Second, "ROLL BACK IN PRODUCTION", "Type delivery-window to run")
	grace()
	term.press(append(strings.Split("delivery-window", ""), "Enter")...)
	term.wait(60*time.Second, "4 of 4 done", "delivery-window", "orders: current", "pricing: current")
	term.press("U")

	// What the run's end says may stand where the command line stood.
	term.wait(15*time.Second, "FORWARD RUN-0001", "go forward together, in this order: 1 pricing, 2 orders, 3 delivery-window", "RUN-0001 took")
	term.press("C-c")
	term.wait(30*time.Second, "RUN-0001 succeeded", "EXIT 0")
}

// Where no change is to blame the console says so, says what to look at, and offers nothing to take back.
func TestNoChangeIsToBlame(t *testing.T) {
	t.Parallel()
	term := open(t, 120, 36, nil, program, "demo", "--scenario", "not-a-change")
	term.wait(60*time.Second, "NOTHING LISTED IS LIKELY TO BLAME", "pricedb alerts, and no earlier change to it is", "SUSPECT  1 of")
	term.press("r")
	term.wait(10*time.Second, "r is off: an alert cannot be taken back")
	if screen := term.screen(); strings.Contains(screen, "LIKELY CULPRIT") {
		t.Errorf("something is called the likely culprit:\n%s", screen)
	}
	term.press("q")
	term.wait(30*time.Second, "EXIT 0")
}

// live is a site on which a run is being verified for a while.
func live(t *testing.T) (*site, *terminal) {
	t.Helper()
	s := newSite(t, "12s")
	s.run(append(rollBack, "--detach")...)
	s.until("verifying", func(j journaled) bool { return j.State == "verifying" })
	term := open(t, 120, 36, nil, program, "--config", filepath.Join(s.dir, "backout.yaml"))
	return s, term
}

// Quitting asks once while a run is live; the run goes on, and attach comes back to it.
func TestQuittingLeavesTheRunAlone(t *testing.T) {
	t.Parallel()
	s, term := live(t)
	term.wait(30*time.Second, "RUN-0001 verifying")
	term.press("q")
	term.wait(10*time.Second, "A RUN IS LIVE", "backout runs attach RUN-0001")
	grace()
	term.press("Enter")
	term.wait(10*time.Second, "A RUN IS LIVE")
	term.press("y")
	term.wait(20*time.Second, "RUN-0001 is verifying and goes on without the console", "EXIT 0")
	if out := s.run("runs", "attach", "RUN-0001"); !strings.Contains(out, "succeeded") {
		t.Errorf("attach: %s", out)
	}
	s.check(t)
}

// A run's screen fits every size that a terminal is given while it goes on.
func TestResizeWhileARunIsLive(t *testing.T) {
	t.Parallel()
	_, term := live(t)
	term.wait(30*time.Second, "RUN-0001 verifying")
	term.press("4", "Enter")
	term.wait(10*time.Second, "VERIFY", "attach RUN-0001")
	for _, size := range []struct{ cols, rows, want string }{
		{"80", "24", "VERIFY"}, {"60", "15", "step 2 of 2"}, {"59", "14", "terminal too small, 60x15 needed"}, {"120", "36", "READ-WRITE as"},
	} {
		term.tmux("resize-window", "-t", "x", "-x", size.cols, "-y", size.rows)
		term.wait(10*time.Second, size.want)
	}
	term.press("C-c")
	term.wait(20*time.Second, "EXIT 0")
}

// Somebody who cannot use a repainting screen goes the same way by lines and questions.
func TestPlainConsoleCuresByHand(t *testing.T) {
	t.Parallel()
	term := open(t, 120, 50, nil, program, "demo", "--accessible")
	term.wait(60*time.Second, "q: leave. >")
	term.until(60*time.Second, "all three services alert", func(screen string) bool {
		if strings.Contains(screen, "orders, pricing, storefront") && strings.Contains(screen, "1: 0.9") {
			return true
		}
		term.press("Enter")
		return false
	})
	term.press(append(strings.Split("why2", ""), "Enter")...)
	term.wait(10*time.Second, `"why2" is no answer`)
	term.press("w", "h", "y", "Space", "2", "Enter")
	term.wait(10*time.Second, "why 2, CHG-", "against, weight")
	term.tmux("send-keys", "-t", "x", "1", "Enter", "pricing", "Enter") // a paste, all at once: the answer is there before the question
	term.wait(20*time.Second, "known good: served", `Type "pricing" to run:`, "dropped: that was there before the question")
	grace()
	term.press("d", "Enter")
	term.wait(10*time.Second, `+    "EUR": 500000,`)
	grace()
	term.press("n", "o", "Enter")
	term.wait(10*time.Second, `"no" is not "pricing": nothing was done`)
	grace()
	term.press(append(strings.Split("pricing", ""), "Enter")...)
	term.wait(60*time.Second, "RUN-0001  succeeded", "incident closed at")
	term.press("q", "Enter")
	term.wait(30*time.Second, "EXIT 0")
}

// A terminal that cannot move its cursor gets the console of lines, also in the demo.
func TestDumbTerminalGetsLines(t *testing.T) {
	t.Parallel()
	term := open(t, 120, 50, []string{"TERM=dumb"}, program, "demo")
	term.wait(60*time.Second, "PROD, 20", "q: leave. >")
	term.press("q", "Enter")
	term.wait(30*time.Second, "EXIT 0")
}
