package unleash

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// period is a configuration that stood for a while.
type period struct {
	configuration
	label        string // of the event that began it
	since, until time.Time
	op, by       string // the operation of backout that began it, "" none; and who
	ousted       bool   // backout went away from it
}

// globals are the events on a whole flag after which nothing can be told of before: they may alter every environment, and do
// not say how.
func globals() []string {
	return []string{typeArchived, typeRevived, "feature-import", "features-imported", "feature-project-change", "feature-variants-updated"}
}

// touches reports whether an event may have altered a flag in an environment.
func (e event) touches(environment string) bool {
	switch {
	case e.Type == typeCreated:
		return true
	case e.Environment == "":
		return slices.Contains(globals(), e.Type)
	default:
		return e.Environment == environment && !strings.HasPrefix(e.Type, "change-")
	}
}

// rebuild goes back through the log of a flag from what it is now: the newest period first. What the log does not say, or what
// does not fit, is where it ends, and gap says why; "" where it goes back to the flag's creation.
func rebuild(now configuration, log []event, environment string) (past []period, gap string) {
	by := stamps(log)
	at := period{configuration: now}
	cur, key, prev := now, "", time.Time{}
	for _, e := range log {
		if !e.touches(environment) {
			continue
		}
		if k := e.transaction(by); at.label == "" || k != key {
			if at.label != "" {
				past = append(past, at)
				at = period{configuration: cur, until: prev, ousted: at.op != ""}
			}
			at.label, at.since, at.op, at.by, key = e.label(), e.At.UTC(), by[e.ID], e.By, k
		}
		if e.Type == typeCreated {
			if len(cur.Strategies) > 0 || cur.Enabled {
				return append(past, at), "the log does not tell all that happened since the flag was created"
			}
			return append(past, at), ""
		}
		before, ok := undo(cur, e)
		if !ok {
			return append(past, at), fmt.Sprintf("what stood before event %d (%s) cannot be told from the log", e.ID, e.Type)
		}
		cur, prev = before, e.At.UTC()
	}
	if at.label == "" {
		at.label = "e0"
	}
	return append(past, at), "the log does not go back to the flag's creation"
}

// transaction is what was done at once: nothing that stood in the middle of it was ever meant to serve.
func (e event) transaction(by map[int64]string) string {
	switch {
	case by[e.ID] != "":
		return stampPrefix + by[e.ID]
	case e.Group != "":
		return e.Group
	default:
		return e.label()
	}
}

// undo gives what was there before an event, if what is there after it is what the event says.
func undo(after configuration, e event) (configuration, bool) {
	c := after.clone()
	now, isNow := read(e.Data)
	was, hadBeen := read(e.Before)
	switch e.Type {
	case typeOn, typeOff:
		c.Enabled = e.Type == typeOff
		return c, after.Enabled == (e.Type == typeOn)
	case typeAdd:
		i := c.find(now.ID)
		if !isNow || i < 0 || !c.Strategies[i].same(now) {
			return c, false
		}
		c.Strategies = slices.Delete(c.Strategies, i, i+1)
		return c, true
	case typeRemove:
		if !hadBeen || c.find(was.ID) >= 0 {
			return c, false
		}
		c.Strategies = append(c.Strategies, was)
		return c, true
	case typeUpdate:
		i := c.find(now.ID)
		if !isNow || !hadBeen || was.ID != now.ID || i < 0 || !c.Strategies[i].same(now) {
			return c, false
		}
		c.Strategies[i] = was
		return c, true
	default:
		return c, false
	}
}
