//go:build unix

package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// From the open console to a verified rollback in at most twelve typed keys, the unit's name included, on a real
// incident.
func TestDemoIsCuredByHand(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "shop")
	term := open(t, 120, 36, nil, program, "demo", "--dir", dir)
	term.wait(60*time.Second, "LIKELY CULPRIT", "[PROD]", "READ-WRITE")
	screen := term.waitFor(30*time.Second, suspected)
	settle()
	if strings.Contains(screen, "human") {
		t.Errorf("the screen calls somebody human:\n%s", screen)
	}
	term.press("r")
	term.wait(10*time.Second, "PLAN", "STEPS", "releases:shop/pricing", "backout rollback")
	term.press("R")
	term.wait(10*time.Second, "ROLL BACK IN PRODUCTION")
	grace()
	for _, k := range strings.Split("pricing", "") {
		term.press(k)
	}
	term.press("Enter")
	term.wait(60*time.Second, "succeeded")
	if term.keys > 12 {
		t.Errorf("%d keys were typed, at most 12", term.keys)
	}
	term.press("C-c")
	term.wait(20*time.Second, "EXIT 0")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the demo left %s behind (%v)", dir, err)
	}
}

// suspected is the cursor on pricing's release, with all three alerts there.
const suspected = `(?s)ALERT.*ALERT.*ALERT.*>\S+ deploy\s+pricing`

// settle waits out the time after the cursor moved by itself to another suspect, in which r is dropped.
func settle() { <-time.After(500 * time.Millisecond) }

// grace waits out the time in which a modal that just opened drops keys: that is the console's promise, not a guess.
func grace() { <-time.After(400 * time.Millisecond) }

func TestNarrowConsole(t *testing.T) {
	t.Parallel()
	term := open(t, 80, 24, []string{"NO_COLOR=yes"}, program, "demo", "--scenario", "not-a-change")
	term.wait(60*time.Second, "[PROD]", "INC-")
	term.press("Enter")
	term.wait(30*time.Second, "none of these")
	term.press("?")
	term.wait(10*time.Second, "KEYS OF CULPRIT", "EVERYWHERE")
	term.press("Escape")
	term.until(10*time.Second, "no help any more", func(screen string) bool { return !strings.Contains(screen, "KEYS OF") })
	term.press("C-c")
	term.wait(20*time.Second, "EXIT 0")
}

func TestReadOnlyRefuses(t *testing.T) {
	t.Parallel()
	term := open(t, 120, 36, nil, program, "demo", "--readonly")
	term.wait(60*time.Second, "READ-ONLY")
	term.waitFor(60*time.Second, suspected)
	settle()
	term.press("r")
	term.wait(10*time.Second, "PLAN", "STEPS")
	term.press("R")
	screen := term.wait(10*time.Second, "read-only")
	if strings.Contains(screen, "ROLL BACK IN PRODUCTION") {
		t.Errorf("the confirmation opened in read-only mode:\n%s", screen)
	}
	term.press("C-c")
	term.wait(20*time.Second, "EXIT 0")
}
