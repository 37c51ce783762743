package probe

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	maxKept   = 200                 // ended alerts of one check that are kept
	keepFor   = 30 * 24 * time.Hour // after an alert began
	bookLimit = 5 * time.Second     // for one access to the archive
)

// key is where the archive has the alerts of a check. It names what is asked as well: two configurations may share an
// archive, and their checks a name.
func (c *check) key() string {
	what := sha256.Sum256([]byte(strings.Join([]string{c.set.Environment, c.set.Service, c.set.HTTP, c.set.TCP}, "\x00")))
	return "check " + c.set.Name + " " + hex.EncodeToString(what[:6])
}

// archived reads the alerts of a check that some process kept. What cannot be read is as if it were not there.
func (p *Provider) archived(ctx context.Context, c *check) []providers.Alert {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookLimit)
	defer cancel()
	data, err := p.env.Archive.Get(ctx, p.env.Name, c.key())
	if errors.Is(err, providers.ErrNotFound) {
		return nil
	}
	var list []providers.Alert
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		p.env.Log.Warn("alerts of earlier cannot be read", "check", c.set.Name, "error", err)
		return nil
	}
	for i := range list {
		providers.CleanAlert(&list[i])
	}
	return list
}

// keep writes what is known of a check's alerts, together with what others wrote since. The caller holds book.
func (p *Provider) keep(ctx context.Context, c *check) {
	theirs := p.archived(ctx, c)
	p.mu.Lock()
	ours := slices.Clone(c.ended)
	if c.alert != nil {
		ours = append(ours, *c.alert)
	}
	p.mu.Unlock()
	data, err := json.Marshal(p.trim(merge(theirs, ours)))
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookLimit)
		defer cancel()
		err = p.env.Archive.Put(ctx, p.env.Name, c.key(), data)
	}
	if err != nil {
		p.env.Log.Warn("an alert cannot be kept: the next process will not know of it", "check", c.set.Name, "error", err)
	}
}

// merge makes one list, in order of start. Of two reports of one alert, one that ended goes first, then ours.
func merge(theirs, ours []providers.Alert) []providers.Alert {
	byID := map[string]providers.Alert{}
	for _, a := range slices.Concat(theirs, ours) {
		if old, ok := byID[a.ID]; !ok || old.EndsAt.IsZero() || !a.EndsAt.IsZero() {
			byID[a.ID] = a
		}
	}
	out := make([]providers.Alert, 0, len(byID))
	for _, a := range byID {
		out = append(out, a)
	}
	slices.SortFunc(out, byStart)
	return out
}

func byStart(a, b providers.Alert) int {
	return cmp.Or(a.StartsAt.Compare(b.StartsAt), cmp.Compare(a.ID, b.ID))
}

// trim drops the oldest of the alerts that ended.
func (p *Provider) trim(list []providers.Alert) []providers.Alert {
	oldest, excess := p.env.Now().Add(-keepFor), len(list)-maxKept
	return slices.DeleteFunc(list, func(a providers.Alert) bool {
		excess--
		return !a.EndsAt.IsZero() && (excess >= 0 || a.StartsAt.Before(oldest))
	})
}

// sync takes over what other processes kept of a check: alerts that ended, and the one that is open. Where two processes
// opened one each at the same instant, the earlier stays and the other ends. The caller holds book.
func (p *Provider) sync(ctx context.Context, c *check) {
	list := p.archived(ctx, c)
	p.mu.Lock()
	c.read = true
	open := p.takeOver(c, list)
	written := c.alert == nil || slices.ContainsFunc(list, func(a providers.Alert) bool { return a.ID == c.alert.ID })
	if open != nil && (c.alert == nil || byStart(*open, *c.alert) < 0) {
		if c.alert != nil {
			double := *c.alert
			double.EndsAt = p.env.Now().UTC()
			p.over(c, double)
			written = false
		}
		c.alert, c.streak = open, streak{open: true, since: open.StartsAt}
		if c.seen = !c.last.at.IsZero() && !c.last.ok; c.seen {
			p.tell(*open)
		}
	}
	p.mu.Unlock()
	if !written { // or overwritten by a process that wrote at the same instant
		p.keep(ctx, c)
	}
}

// takeOver takes what is archived and ended, and gives what is archived and open. The caller holds mu.
func (p *Provider) takeOver(c *check, list []providers.Alert) (open *providers.Alert) {
	var ended []providers.Alert
	for i := range list {
		a := &list[i]
		switch {
		case !a.EndsAt.IsZero():
			ended = append(ended, *a)
			if c.alert != nil && c.alert.ID == a.ID { // somebody else saw it end first
				c.streak = streak{}
				p.over(c, *a)
			}
		case open == nil && !slices.ContainsFunc(c.ended, func(e providers.Alert) bool { return e.ID == a.ID }):
			open = a
		}
	}
	c.ended = p.trim(merge(c.ended, ended))
	return open
}

// open opens the alert of a check whose streak of failures is full, unless another process has it open already. The caller
// holds book.
func (p *Provider) open(ctx context.Context, c *check, last outcome) {
	p.sync(ctx, c)
	p.mu.Lock()
	known := c.alert != nil
	if !known {
		c.alert, c.seen = p.opened(c, c.streak.since, last), false
	}
	p.mu.Unlock()
	if !known {
		p.keep(ctx, c)
		p.keepCalls(ctx) // whoever hears of it now is to know what it is made of
		p.sync(ctx, c)   // another process may have opened one at the same instant
	}
}

// end ends the alert of a check whose streak of successes is full. The caller holds book.
func (p *Provider) end(ctx context.Context, c *check) {
	p.mu.Lock()
	id, at := c.alert.ID, c.streak.first
	p.mu.Unlock()
	p.sync(ctx, c)
	p.mu.Lock()
	mine := c.alert != nil && c.alert.ID == id
	if mine {
		a := *c.alert
		if a.EndsAt = at; at.Before(a.StartsAt) {
			a.EndsAt = a.StartsAt
		}
		p.over(c, a)
	}
	p.mu.Unlock()
	if mine {
		p.keep(ctx, c)
	}
}

// over moves the check's alert to those that ended. The caller holds mu.
func (p *Provider) over(c *check, a providers.Alert) {
	a.State = providers.AlertResolved
	c.alert = nil
	c.ended = p.trim(merge(c.ended, []providers.Alert{a}))
	p.tell(a)
}
