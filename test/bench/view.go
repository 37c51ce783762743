package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/tui"
)

// The console's size in all measurements.
const columns, rows = 120, 36

// gap is the time between two keys: a person's fastest, since quicker ones count as a paste, and uneven to the frame clock.
const gap = 47 * time.Millisecond

// grouped writes a number as the console does: 1,000,000.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// viewMeasurements compose the console's frame on all events, with an incident open and its suspects ranked.
func viewMeasurements(f *feeds) []measurement {
	return []measurement{{fmt.Sprintf("console at %d events: View, composed anew", f.events), "1 ms", func(ctx context.Context, _ string) (result, error) {
		dir, err := f.write()
		if err != nil {
			return result{}, err
		}
		c, err := newConsole(ctx, dir)
		if err != nil {
			return result{}, err
		}
		c.press(strings.Split(":window all", "")...)
		c.press("enter", "j")
		if shown := c.model.View().Content; !strings.Contains(shown, "INC-") || !strings.Contains(shown, grouped(f.events)+" in all") {
			return result{}, fmt.Errorf("the console does not show all events and an incident:\n%s", shown)
		}
		took := make([]time.Duration, 1000)
		for i := range took {
			c.press([]string{"j", "j", "k"}[i%3]) // so that the frame has to be composed again
			start := time.Now()
			c.model.View()
			took[i] = time.Since(start)
		}
		d := median(took)
		return result{value: ms(d), within: d <= time.Millisecond, note: fmt.Sprintf("median of %d at %dx%d; p95 %s", len(took), columns, rows, ms(percentile(took, 95)))}, nil
	}}}
}

// console is the console's model without a terminal, and its source.
type console struct {
	model tea.Model
	state tui.State
	now   time.Time
}

// State implements tui.Source: it never changes.
func (c *console) State(string) tui.State { return c.state }

func newConsole(ctx context.Context, dir string) (*console, error) {
	c := &console{now: time.Now()}
	clock := func() time.Time { return c.now }
	store, err := indexed(ctx, dir, clock)
	if err != nil {
		return nil, err
	}
	last := store.Snapshot().Query(timeline.Query{}).Row(0).At
	c.now = last.Add(time.Second)
	snap := store.Snapshot()
	c.state = tui.State{Version: 1, Snapshot: snap, Incidents: snap.Incidents(), Health: []providers.Health{{Provider: "feed", State: providers.HealthOK, LastOK: c.now}}}
	if len(c.state.Incidents) > 0 {
		inc := c.state.Incidents[0]
		c.state.Incident = &inc
		changes := snap.Changes(providers.Window{Since: last.Add(-10 * time.Minute)})
		c.state.Ranking = culprit.Rank(culprit.Input{ID: inc.ID, At: c.now, Onset: inc.Onset, Alerts: inc.Alerts[:min(len(inc.Alerts), symptoms)], Changes: changes})
		c.state.Symptom = measured(last)
		c.state.Changed = map[string]bool{}
		for i := range changes {
			c.state.Changed[changes[i].Service] = true
		}
	}
	c.model = tui.New(ctx, tui.Options{
		Source: c, Principal: policy.Principal{ID: "bench", Kind: policy.Human}, Environment: "prod", Now: clock,
	})
	c.send(tea.WindowSizeMsg{Width: columns, Height: rows})
	return c, nil
}

// measured is a strip of as many parts as a session makes of an hour, which rises over its last quarter.
func measured(until time.Time) tui.Symptom {
	const parts, each = 720, 5 * time.Second
	s := tui.Symptom{Name: "errors", Unit: tui.UnitRatio, Low: .001, High: 1}
	for i := range parts {
		from := until.Add(time.Duration(i-parts) * each)
		s.Measures = append(s.Measures, tui.Measure{From: from, Until: from.Add(each), Value: max(0, float64(i-parts*3/4)/(parts/4))})
	}
	return s
}

// press types keys as slowly as a person does.
func (c *console) press(keys ...string) {
	for _, k := range keys {
		c.now = c.now.Add(gap)
		msg := tea.KeyPressMsg{Text: k}
		if k == "enter" {
			msg = tea.KeyPressMsg{Code: tea.KeyEnter}
		} else {
			msg.Code = []rune(k)[0]
		}
		c.send(msg)
	}
}

// send gives a message to the model, and what its commands tell as well.
func (c *console) send(msg tea.Msg) {
	if all, ok := msg.(tea.BatchMsg); ok {
		for _, cmd := range all {
			c.do(cmd)
		}
		return
	}
	if msg == nil {
		return
	}
	var cmd tea.Cmd
	c.model, cmd = c.model.Update(msg)
	c.do(cmd)
}

func (c *console) do(cmd tea.Cmd) {
	if cmd != nil {
		c.send(cmd())
	}
}
