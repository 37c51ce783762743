package tui

import (
	"image/color"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// What asks for care is read on white as well, and says the same words there.
func TestCareIsReadableOnALightBackground(t *testing.T) {
	w := newWorld(t, nil)
	dark := w.screen()
	w.send(tea.BackgroundColorMsg{Color: color.White})
	light := w.screen()
	if !strings.Contains(dark, "\x1b[33mSLOW") || strings.Contains(light, "\x1b[33m") || !strings.Contains(light, "\x1b[30;43mSLOW") {
		t.Errorf("dark:\n%q\nlight:\n%q", dark, light)
	}
	if ansi.Strip(dark) != ansi.Strip(light) {
		t.Error("the words differ")
	}
	w.send(tea.BackgroundColorMsg{Color: color.Black})
	if w.screen() != dark {
		t.Error("a dark background is not as it was at first")
	}
}
