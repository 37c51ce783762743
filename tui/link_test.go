package tui

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestLinkIsOpenedOrCopied(t *testing.T) {
	const link = "https://git.example/c/c09"
	var opened []string
	var fails error
	local := newWorld(t, func(o *Options, _ *fake) {
		o.Open = func(ctx context.Context, link string) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("opened without a deadline")
			}
			opened = append(opened, link)
			return fails
		}
	})
	local.press("o")
	if s := local.screen(); len(opened) != 1 || opened[0] != link || len(local.out) != 0 || !strings.Contains(s, "handed to the desktop: "+link) {
		t.Errorf("opened %v, then %v:\n%s", opened, local.out, s)
	}
	fails = errBoom
	local.press("enter", "o")
	if s := local.screen(); len(opened) != 2 || len(local.out) != 1 || fmt.Sprint(local.out[0]) != link || !strings.Contains(s, "not opened (boom), copied instead: "+link) {
		t.Errorf("opened %v, then %v:\n%s", opened, local.out, s)
	}
	if !strings.Contains(local.screen(), "o open link") {
		t.Error("the key does not say that it opens")
	}
	remote := newWorld(t, nil)
	remote.press("enter", "o")
	if s := remote.screen(); len(remote.out) != 1 || fmt.Sprint(remote.out[0]) != link || !strings.Contains(s, "copied: "+link) || !strings.Contains(s, "o copy link") {
		t.Errorf("%v:\n%s", remote.out, s)
	}
}

// Whoever gets the line sees the same moment, also from a screen that shows an earlier one.
func TestShareCarriesTheMoment(t *testing.T) {
	for want, set := range map[string]func(o *Options, _ *fake){
		"backout --incident INC-1 --at 2026-10-09T14:20:31Z": nil,
		"backout --incident INC-1 --at 2026-10-09T14:05:00Z": func(o *Options, _ *fake) { o.At = at("14:05:00").In(time.FixedZone("CEST", 7200)) },
	} {
		w := newWorld(t, set)
		w.press("s")
		if len(w.out) != 1 || fmt.Sprint(w.out[0]) != want {
			t.Errorf("%v, want %q", w.out, want)
		}
	}
}

func TestEvidenceHasAKey(t *testing.T) {
	w := newWorld(t, nil)
	w.size(80, 15)
	w.press("e")
	if got := w.m.top().Title(); got != "CULPRIT" {
		t.Fatalf("e opened %q", got)
	}
	if strings.Contains(w.screen(), "AGAINST") {
		t.Fatal("all evidence is in sight already")
	}
	w.press("e")
	if lines := strings.Split(w.screen(), "\n"); !strings.Contains(lines[2], "WHY") {
		t.Errorf("the evidence is not at the top:\n%s", w.screen())
	}
}
