package tui

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"pgregory.net/rapid"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/timeline"
)

// nasty is text as it may come from outside: wide, combining, right to left, joined, escaped, broken.
func nasty() *rapid.Generator[string] {
	pieces := []string{
		"deploy ", "全粒粉パン", "é́́", "שלום", "مرحبا", "👨‍👩‍👧‍👦", "❤️", "🇩🇪", "नमस्ते", "\x1b[2J", "\x1b]52;c;b3Zlbg==\a",
		"\u202e", "\t", "\n", "\xff\xfe", "ﷺ", "\u200b", "1️⃣", "한국어", "\x9b31m", "a",
	}
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 30).Draw(t, "pieces"), "")
	})
}

func TestFitIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, w := plain(nasty().Draw(rt, "text")), rapid.IntRange(0, 60).Draw(rt, "width")
		for name, got := range map[string]string{"fit": fit(s, w), "fitRight": fitRight(s, w)} {
			if width(got) != w {
				rt.Errorf("%s(%q, %d) is %d wide: %q", name, s, w, width(got), got)
			}
		}
		if got := cut(s, w); width(got) > w {
			rt.Errorf("cut(%q, %d) is %d wide", s, w, width(got))
		}
		for _, l := range wrap(s, max(w, 1)) {
			if width(l) > max(w, 1) {
				rt.Errorf("wrap(%q, %d) has %q", s, w, l)
			}
		}
	})
}

func TestPlainLeavesNothingThatActsOnATerminal(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := plain(nasty().Draw(rt, "text"))
		for _, r := range s {
			if r < 0x20 || (r >= 0x7f && r < 0xa0) || r == '\u202e' {
				rt.Fatalf("%q has %U", s, r)
			}
		}
	})
	if got := plain("plain ASCII"); got != "plain ASCII" {
		t.Errorf("plain text became %q", got)
	}
}

// check fails when a frame does not fit its terminal, or when text from outside reached the terminal as a command.
func check(t interface{ Errorf(string, ...any) }, frame string, w, h int) {
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		t.Errorf("%d lines at %dx%d", len(lines), w, h)
	}
	for i, l := range lines {
		if ansi.StringWidth(l) > w || ansi.StringWidthWc(l) > w {
			t.Errorf("line %d is %d wide at %dx%d: %q", i, width(l), w, h, l)
		}
	}
	for _, bad := range []string{"\x1b[2J", "\x1b]52", "\u202e", "\a"} {
		if strings.Contains(frame, bad) {
			t.Errorf("the frame at %dx%d has %q in it", w, h, bad)
		}
	}
}

func TestEveryLineFitsAtEverySize(t *testing.T) {
	all := shots()
	for name, way := range all {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				w := newWorld(t, func(o *Options, _ *fake) {
					o.ASCII, o.NoColor = rapid.Bool().Draw(rt, "ascii"), rapid.Bool().Draw(rt, "nocolor")
				})
				spoil(rt, w)
				way(w)
				for range 3 {
					x, y := rapid.IntRange(minWidth, 200).Draw(rt, "w"), rapid.IntRange(minHeight, 60).Draw(rt, "h")
					w.size(x, y)
					w.m.zone = zone(rapid.IntRange(0, 2).Draw(rt, "zone"))
					check(rt, w.screen(), x, y)
				}
			})
		})
	}
}

// spoil puts hostile text into everything that comes from outside.
func spoil(rt *rapid.T, w *world) {
	text := func() string { return nasty().Draw(rt, "outside") }
	store := timeline.New(w.m.opts.Now)
	store.Put("deploys", bakery()...)
	store.Put("x",
		providers.Event{Change: &providers.Change{ID: "x" + text(), Service: text(), Title: text(), From: text(), To: text(), EffectiveFrom: at("14:19:00")}},
		providers.Event{Alert: &providers.Alert{ID: "y" + text(), Service: text(), Name: text(), Summary: text(), StartsAt: at("14:18:00")}},
	)
	st := &w.f.st
	st.Snapshot, st.Version = store.Snapshot(), st.Version+1
	inc := *st.Incident
	inc.Title = text()
	st.Incident = &inc
	r := ranking()
	r.Ranking[0].Evidence[0].Text = text()
	st.Ranking = r
	st.Health = append(health(), providers.Health{Provider: text(), State: providers.HealthFailing, Detail: text()})
	u := &w.f.plan.Units[0]
	u.To.Label, u.Diff, u.Warnings = text(), "+"+text()+"\n-"+text(), []string{text()}
	u.Findings[0].Text, u.Findings[0].Evidence = text(), text()
	u.Steps[0].Title, u.NotRestored = text(), []string{text()}
	w.f.run.Detail, w.f.run.Log[0].Text, w.f.run.Checks[0].Observed = text(), text(), text()
	w.f.run.Plan.Units[0].From.Label = text()
	w.m.opts.Context = text()
	w.send(stateMsg{*st})
	w.wait(time.Second)
}

func ansiFree(s string) string { return ansi.Strip(s) }
