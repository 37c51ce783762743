package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// prompt is the text field on the last line: a filter or a command.
type prompt struct {
	c      *console
	mark   string
	text   string
	live   func(text string)          // called on every change; may be nil
	send   func(text string) tea.Cmd  // enter
	cancel func()                     // esc; may be nil
	offers func(text string) []string // whole lines that complete the text; may be nil
	hint   func(text string) string   // what the field takes
}

// newFilter narrows the list while it is typed; esc brings the old filter back.
func newFilter(c *console, s *timelineScreen) *prompt {
	before := s.filter
	return &prompt{
		c: c, mark: "/", text: before, live: s.setFilter,
		send:   func(text string) tea.Cmd { s.setFilter(text); return nil },
		cancel: func() { s.setFilter(before) },
		offers: func(text string) []string { return c.board.filterOffers(text) },
		hint: func(text string) string {
			return count(s.view.len()) + " match, " + count(s.view.hidden()) + " hidden   words, kind: service: env: unit:   enter keeps, esc drops"
		},
	}
}

// newReason asks why a plan is run where the policy wants to know, and goes on to the confirmation.
func newReason(c *console, s *planScreen) *prompt {
	return &prompt{
		c: c, mark: "why? ",
		send: func(text string) tea.Cmd {
			if text == "" {
				return nil
			}
			s.because(text)
			return s.run()
		},
		hint: func(string) string {
			return "the policy asks why, for the record   enter goes on to the confirmation, esc drops"
		},
	}
}

// typed takes a key.
func (p *prompt) typed(key, text string) tea.Cmd {
	switch key {
	case "esc":
		p.c.prompt = nil
		if p.cancel != nil {
			p.cancel()
		}
		return nil
	case "enter":
		p.c.prompt = nil
		return p.send(strings.TrimSpace(p.text))
	case "tab":
		p.complete()
		return nil
	case "backspace":
		if p.text == "" {
			p.c.prompt = nil
			return nil
		}
		p.set(dropLast(p.text))
	case "ctrl+u":
		p.set("")
	case "ctrl+w":
		t := strings.TrimRight(p.text, " ")
		p.set(t[:strings.LastIndex(t, " ")+1])
	default:
		p.insert(plain(text))
	}
	return nil
}

func (p *prompt) insert(text string) {
	if text != "" && len(p.text)+len(text) <= 400 {
		p.set(p.text + text)
	}
}

func (p *prompt) set(text string) {
	p.text = text
	if p.live != nil {
		p.live(text)
	}
}

// complete extends the text to what all offers have in common.
func (p *prompt) complete() {
	if p.offers == nil {
		return
	}
	offers := p.offers(p.text)
	if len(offers) == 0 {
		return
	}
	common := offers[0]
	for _, o := range offers[1:] {
		for !strings.HasPrefix(o, common) {
			common = common[:len(common)-1]
		}
	}
	if len(common) > len(p.text) {
		if len(offers) == 1 && !strings.HasSuffix(common, ":") {
			common += " "
		}
		p.set(common)
	}
}

func (p *prompt) line() string { return " " + p.mark + p.text + "_" }

// suggestions are the offers for what was typed, or what the field takes.
func (p *prompt) suggestions(w int) string {
	if p.offers != nil && p.text != "" {
		if offers := p.offers(p.text); len(offers) > 0 {
			return cut(strings.Join(offers[:min(len(offers), 8)], "   "), w)
		}
	}
	return cut(p.hint(p.text), w)
}
