package unleash

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

// Changes implements providers.ChangeSource. Only the days of the window are asked for, and only what alters for whom a flag is
// on. What was done in one transaction is one change.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		query := url.Values{"type": {"IS_ANY_OF:" + strings.Join(shown(), ",")}}
		if !w.Since.IsZero() {
			query.Set("from", "IS:"+w.Since.UTC().Format(time.DateOnly))
		}
		if !w.Until.IsZero() {
			query.Set("to", "IS:"+w.Until.UTC().AddDate(0, 0, 1).Format(time.DateOnly))
		}
		var group []event // of one transaction, the newest first
		flush := func() error {
			if len(group) == 0 {
				return nil
			}
			c := p.change(group)
			group = group[:0]
			if w.Contains(c.At()) && !yield(c, nil) {
				return httpapi.ErrStop
			}
			return nil
		}
		err := p.log(ctx, query, func(e event) error {
			if !p.wants(e.Project, e.Environment) {
				return nil
			}
			if len(group) > 0 && !together(group[0], e) || len(group) >= 100 {
				if err := flush(); err != nil {
					return err
				}
			}
			group = append(group, e)
			return nil
		})
		if err == nil {
			err = flush()
		}
		if err != nil && !errors.Is(err, httpapi.ErrStop) {
			yield(providers.Change{}, err)
		}
	}
}

func together(a, b event) bool {
	return a.Group != "" && a.Group == b.Group && a.Flag == b.Flag && a.Environment == b.Environment
}

// change tells of what was done in one transaction. It is called by its last event, as the configuration that it began.
func (p *Provider) change(group []event) providers.Change {
	last := group[0]
	var texts []string
	for _, e := range slices.Backward(group) {
		text, _ := told(e)
		texts = append(texts, text)
	}
	_, from := told(group[len(group)-1])
	c := providers.Change{
		ID: fmt.Sprintf("event-%d", last.ID), Provider: p.env.Name, Kind: providers.KindFlag, Service: p.service(last.Flag),
		Environment: last.Environment, Title: last.Flag + ": " + strings.Join(texts, ", "), Author: providers.Author{Name: last.By},
		LandedAt: last.At, EffectiveFrom: last.At, From: from, To: last.label(), ChangeSet: last.Group, URL: p.page(last.Project, last.Flag),
	}
	if last.Environment != "" && named.MatchString(last.Flag) {
		c.Unit = p.unit(last.Environment, last.Flag)
		c.Title += " in " + last.Environment
	}
	for _, t := range last.Tags {
		if _, ok := t.stamp(); ok {
			c.Kind = providers.KindRollback
		}
	}
	providers.CleanChange(&c)
	return c
}

// told says what an event did, and what was there before it: of a strategy with the digest of its content.
func told(e event) (text, from string) {
	now, isNow := read(e.Data)
	was, hadBeen := read(e.Before)
	if hadBeen {
		from = strings.TrimPrefix(digest(was.content()), "sha256:")[:12]
	}
	switch e.Type {
	case typeOn:
		return "on", "off"
	case typeOff:
		return "off", "on"
	case typeAdd:
		if isNow {
			return "strategy " + now.words() + " added", ""
		}
	case typeRemove:
		if hadBeen {
			return "strategy " + was.words() + " removed", from
		}
	case typeUpdate:
		if isNow && hadBeen && was.words() != now.words() {
			return "strategy " + was.words() + " is now " + now.words(), from
		}
		if isNow {
			return "strategy " + now.words() + " changed", from
		}
	case typeOrder:
		return "the order of its strategies changed", ""
	}
	return strings.ReplaceAll(strings.TrimPrefix(e.Type, "feature-"), "-", " "), from
}

func (p *Provider) unit(environment, flag string) string {
	return p.env.Name + ":" + environment + "/" + flag
}

// page is where a person looks at a flag.
func (p *Provider) page(project, flag string) string {
	if !named.MatchString(project) || !named.MatchString(flag) {
		return ""
	}
	return strings.TrimRight(p.set.URL, "/") + "/projects/" + project + "/features/" + flag
}

// maxBackoff is the longest pause between tries of a source that fails and does not say how long to wait.
const maxBackoff = time.Minute

// Watch implements providers.Watcher by polling the log for what is newer than what was seen.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		seen := p.env.Now().UTC()
		reported := map[string]bool{}
		timer := time.NewTimer(p.set.Poll)
		defer timer.Stop()
		for failures := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			began := p.env.Now().UTC()
			// What another server of the same database wrote may come late, and clocks differ: it looks back a little.
			again := map[string]bool{}
			pause := p.set.Poll
			for c, err := range p.Changes(ctx, providers.Window{Since: seen.Add(-5 * time.Minute)}) {
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					if !yield(providers.Event{}, err) || providers.ClassOf(err) == providers.ClassPermanent {
						return
					}
					failures++
					pause = max(min(p.set.Poll<<min(failures, 10), maxBackoff), providers.RetryAfter(err))
					break
				}
				failures = 0
				if !reported[c.ID] && !yield(providers.Event{Change: &c}, nil) {
					return
				}
				again[c.ID] = true
			}
			if pause == p.set.Poll {
				seen, reported = began, again
			}
			timer.Reset(pause)
		}
	}
}
