package tui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
)

// On the narrowest screen everything else gives way before the environment, the incident with its state, freshness, and
// whether anything may be altered.
func TestNarrowHeaderKeepsTheIncidentsState(t *testing.T) {
	for name, way := range map[string]func(w *world){
		"timeline": func(*world) {},
		"plan":     func(w *world) { w.press("r") },
		"run": func(w *world) {
			w.f.st.Runs = []rollback.Run{run(rollback.RunVerifying)}
			w.send(stateMsg{w.f.st})
			w.press("4", "enter")
		},
		"live run elsewhere": func(w *world) {
			w.f.st.Runs = []rollback.Run{run(rollback.RunVerifying)}
			w.send(stateMsg{w.f.st})
		},
	} {
		for _, readOnly := range []string{"", "read-only mode"} {
			w := newWorld(t, func(o *Options, f *fake) {
				o.ReadOnly = readOnly
				inc := *f.st.Incident
				inc.ID = "INC-a11d5b70"
				f.st.Incident = &inc
			})
			way(w)
			w.size(60, 15)
			head := ansi.Strip(first(w.screen()))
			may := "RW"
			if readOnly != "" {
				may = "READ-ONLY"
			}
			for _, want := range []string{"[PROD]", "INC-a11d5b70", "open 14m ", "LIVE 3/5", may} {
				if !strings.Contains(head, want) {
					t.Errorf("%s %s lost %q: %s", name, readOnly, want, head)
				}
			}
			if width(head) != 60 {
				t.Errorf("%s is %d wide: %q", name, width(head), head)
			}
		}
	}
}

// What everybody has to know first stands below the headline, on every screen and however narrow it is.
func TestHeaderNotice(t *testing.T) {
	for _, size := range [][2]int{{60, 15}, {160, 45}} {
		for name, way := range map[string]func(w *world){"timeline": func(*world) {}, "plan": func(w *world) { w.press("r") }} {
			w := newWorld(t, func(_ *Options, f *fake) { f.st.Notice = "GAME DAY GAME-0001: ana IS TO STAY OUT\x1b[2J" })
			way(w)
			w.size(size[0], size[1])
			lines := strings.Split(w.screen(), "\n")
			if got := ansi.Strip(lines[1]); !strings.Contains(got, "GAME-0001: ana IS TO STAY OUT") || strings.Contains(lines[1], "\x1b[2J") || width(got) > size[0] {
				t.Errorf("%s at %v: %q", name, size, lines[1])
			}
			if len(lines) != size[1] {
				t.Errorf("%s at %v has %d lines", name, size, len(lines))
			}
		}
	}
}

// Whoever may only propose is not told that they may write.
func TestHeaderOfAnAgent(t *testing.T) {
	for size, want := range map[[2]int]string{{160, 45}: "PROPOSE ONLY as claude-code", {80, 24}: "PROPOSE", {60, 15}: "PROPOSE"} {
		w := newWorld(t, func(o *Options, _ *fake) { o.Principal = policy.Principal{ID: "claude-code", Kind: policy.Agent} })
		w.size(size[0], size[1])
		if head := ansi.Strip(first(w.screen())); !strings.Contains(head, want) || strings.Contains(head, "RW") || strings.Contains(head, "WRITE") || width(head) != size[0] {
			t.Errorf("at %v: %q", size, head)
		}
	}
}
