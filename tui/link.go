package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/providers"
)

// openedMsg brings what came of opening a link.
type openedMsg struct {
	link string
	err  error
}

// openWord is what the key for links does here.
func (c *console) openWord() string {
	if c.opts.Open == nil {
		return "copy link"
	}
	return "open link"
}

// open has the desktop show a link. Where there is none, as over SSH, or where it does not, the link is copied.
func (c *console) open(link string) tea.Cmd {
	if c.opts.Open == nil {
		return c.copy(link)
	}
	c.say("opening " + link)
	return c.call(func(ctx context.Context) tea.Msg { return openedMsg{link: link, err: c.opts.Open(ctx, link)} })
}

func (c *console) handedOver(m openedMsg) tea.Cmd {
	if m.err == nil {
		c.say("handed to the desktop: " + m.link)
		return nil
	}
	cmd := c.copy(m.link)
	c.say("not opened (" + m.err.Error() + "), copied instead: " + m.link)
	return cmd
}

// linkOf is the address of the page about a change or an alert: its provider's, else the one that the change came with.
func (c *console) linkOf(provider, id string, ch *providers.Change) string {
	link := ""
	if c.opts.Link != nil {
		link = c.opts.Link(provider, id)
	}
	if link == "" && ch != nil {
		link = ch.URL
	}
	return plain(link)
}

// share is the command that opens the shown incident at the moment that is on this screen.
func (c *console) share() string {
	at := c.opts.At
	if at.IsZero() {
		at = c.now()
	}
	return c.command(CommandShare, c.incidentID(), at.UTC().Format(time.RFC3339))
}
