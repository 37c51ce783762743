package tui

import (
	"context"
	"sort"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// verb is one command of the palette.
type verb struct {
	name, usage, help string
	words             func(c *console) []string // completions of its first argument; may be nil
	do                func(c *console, args string) tea.Cmd
}

// verbs are all commands that work here, sorted by name.
func verbs() []verb {
	return []verb{
		{name: "audit", usage: "audit", help: "the record: search, verify, export", do: func(c *console, _ string) tea.Cmd { return c.showAudit() }},
		{name: "copy", usage: "copy", help: "copy this screen's command line", do: copyLine},
		{name: "drills", usage: "drills", help: "units and their drills", do: func(c *console, _ string) tea.Cmd {
			s, cmd := newDrillsScreen(c)
			c.push(s)
			return cmd
		}},
		{name: "filter", usage: "filter WORDS", help: "narrow the timeline", do: func(c *console, a string) tea.Cmd {
			c.home().setFilter(a)
			return nil
		}},
		{name: "forward", usage: "forward [UNIT]", help: "on a run: plan the way forward", do: forward},
		{name: "incident", usage: "incident open|close|split|merge|show", help: "an incident by hand", words: incidentWords, do: incident},
		{name: "note", usage: "note TEXT", help: "write into the record", do: note},
		{name: "quit", usage: "quit", help: "quit; a run goes on", do: func(*console, string) tea.Cmd { return tea.Quit }},
		{name: "reason", usage: "reason TEXT", help: "why this plan is run: recorded", do: func(c *console, a string) tea.Cmd {
			if s, ok := c.top().(interface{ because(string) }); ok {
				s.because(a)
				c.say("reason: " + a)
				return nil
			}
			c.say("reason works on a plan")
			return nil
		}},
		{name: "runs", usage: "runs", help: "list the runs", do: func(c *console, _ string) tea.Cmd {
			c.push(newRunsScreen(c))
			return nil
		}},
		{name: "sources", usage: "sources", help: "health of every source", do: func(c *console, _ string) tea.Cmd {
			c.push(newSourcesScreen(c))
			return nil
		}},
		{name: "suspect", usage: "suspect confirm|dismiss REASON", help: "judge the suspect that is shown", words: func(*console) []string {
			return []string{"confirm", "dismiss"}
		}, do: judge},
		{name: "window", usage: "window 15m|1h|2h|6h|12h|24h|7d|30d|1y|all", help: "how far back the timeline shows", words: func(*console) []string {
			var out []string
			for _, s := range spans() {
				out = append(out, s.name)
			}
			return out
		}, do: window},
	}
}

func newPalette(c *console) *prompt {
	return &prompt{
		c: c, mark: ":",
		send:   func(text string) tea.Cmd { return execute(c, text) },
		offers: func(text string) []string { return offers(c, text) },
		hint: func(string) string {
			var names []string
			for _, v := range verbs() {
				names = append(names, v.name)
			}
			return strings.Join(names, "   ") + "   tab completes"
		},
	}
}

// offers completes the verb, and then its first argument.
func offers(c *console, text string) []string {
	name, arg, has := strings.Cut(text, " ")
	arg = strings.TrimLeft(arg, " ")
	var out []string
	for _, v := range verbs() {
		switch {
		case !has && strings.HasPrefix(v.name, name):
			out = append(out, v.name)
		case has && v.name == name && v.words != nil:
			for _, w := range v.words(c) {
				if strings.HasPrefix(w, arg) {
					out = append(out, v.name+" "+w)
				}
			}
		}
	}
	sort.Strings(out)
	return out
}

// execute runs a command by its name or a beginning of it that no other has.
func execute(c *console, text string) tea.Cmd {
	if text == "" {
		return nil
	}
	name, args, _ := strings.Cut(text, " ")
	var found []verb
	for _, v := range verbs() {
		if v.name == name {
			found = []verb{v}
			break
		}
		if strings.HasPrefix(v.name, name) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 1:
		return found[0].do(c, strings.TrimSpace(args))
	case 0:
		c.say("no command " + name + "; ? lists them")
	default:
		c.say(name + " could be " + found[0].name + " or " + found[1].name)
	}
	return nil
}

// home is the timeline, which is always the first screen.
func (c *console) home() *timelineScreen {
	s, _ := c.stack[0].(*timelineScreen)
	return s
}

func copyLine(c *console, _ string) tea.Cmd {
	for _, a := range c.top().keys() {
		if a.line != nil && a.line() != "" {
			return c.copy(a.line())
		}
	}
	if c.incidentID() != "" {
		return c.copy(c.share())
	}
	c.say("this screen has no command line")
	return nil
}

func forward(c *console, unit string) tea.Cmd {
	if s, ok := c.top().(interface{ planForward(string) tea.Cmd }); ok {
		return s.planForward(unit)
	}
	c.say("forward works on the screen of a run")
	return nil
}

func note(c *console, text string) tea.Cmd {
	switch {
	case c.opts.Notes == nil:
		c.say("notes are off: there is no record to write to")
	case text == "":
		c.say("a note needs its text: :note TEXT")
	default:
		id := c.incidentID()
		return c.call(func(ctx context.Context) tea.Msg {
			if err := c.opts.Notes.Note(ctx, id, text); err != nil {
				return saidMsg{text: "not written: " + err.Error()}
			}
			return saidMsg{text: "note is in the record"}
		})
	}
	return nil
}

// judge confirms or dismisses the suspect that the screen shows; a reason is asked for, since the record is read later.
func judge(c *console, args string) tea.Cmd {
	word, reason, _ := strings.Cut(args, " ")
	id := c.judged()
	switch {
	case c.opts.Notes == nil:
		c.say("judging is off: there is no record to write to")
	case word != "confirm" && word != "dismiss":
		c.say(":suspect confirm REASON, or :suspect dismiss REASON")
	case id == "":
		c.say("there is no suspect here")
	case strings.TrimSpace(reason) == "":
		c.say("why? :suspect " + word + " REASON")
	default:
		inc := c.incidentID()
		return c.call(func(ctx context.Context) tea.Msg {
			if err := c.opts.Notes.Suspect(ctx, inc, id, word == "confirm", strings.TrimSpace(reason)); err != nil {
				return saidMsg{text: "not written: " + err.Error()}
			}
			return saidMsg{text: c.handle(id) + " " + word + "ed by " + c.opts.Principal.ID}
		})
	}
	return nil
}

// judged is the suspect that the screen on top stands on.
func (c *console) judged() string {
	if s, ok := c.top().(interface{ standsOn() string }); ok {
		return s.standsOn()
	}
	return ""
}

func incidentWords(c *console) []string {
	words := []string{"open", "close", "split", "merge", "show"}
	for i := range c.st.Incidents {
		id := plain(c.st.Incidents[i].ID)
		words = append(words, "show "+id)
		if id != c.incidentID() {
			words = append(words, "merge "+id)
		}
	}
	return words
}

func incident(c *console, args string) tea.Cmd {
	words := strings.Fields(args)
	if len(words) == 0 {
		c.say(":incident open TITLE | close | split ALERT... | merge INCIDENT | show INCIDENT")
		return nil
	}
	name, words := words[0], words[1:]
	switch {
	case name == "show":
		c.showNamed(strings.Join(words, " "))
	case name != "open" && name != "close" && name != "split" && name != "merge":
		c.say("no such thing to do to an incident: " + name + "; there is open, close, split, merge, show")
	case c.opts.Incidents == nil:
		c.say("incidents cannot be edited here")
	default:
		id := c.incidentID()
		return c.call(func(ctx context.Context) tea.Msg {
			next, err := c.opts.Incidents.Edit(ctx, name, id, words)
			if err != nil {
				return saidMsg{text: "not done: " + err.Error()}
			}
			return saidMsg{text: "incident " + name + " is in the record", incident: next, follow: true}
		})
	}
	return nil
}

// showNamed shows the incident of that id, or of which it is the beginning.
func (c *console) showNamed(name string) {
	var found []string
	for i := range c.st.Incidents {
		if id := c.st.Incidents[i].ID; id == name {
			found = []string{id}
			break
		} else if name != "" && strings.HasPrefix(id, name) {
			found = append(found, id)
		}
	}
	switch {
	case name == "":
		c.say("which? :incident show INCIDENT")
	case len(found) == 0:
		c.say("there is no incident " + name)
	case len(found) > 1:
		c.say(name + " could be " + strings.Join(found, " or "))
	default:
		c.show(found[0])
		c.touch = false
		c.say("showing " + found[0])
	}
}

func window(c *console, args string) tea.Cmd {
	for _, s := range spans() {
		if s.name == args {
			c.home().setSpan(s)
			return nil
		}
	}
	c.say("windows: 15m 1h 2h 6h 12h 24h 7d 30d 1y all")
	return nil
}
