package timeline

import (
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Row is what can be told of a line without decoding it. Title and Sources are only there when Decoded is true; for
// others use View.Event.
type Row struct {
	At, End     time.Time // zero: unknown; for an alert a zero End is open or unknown
	Alert       bool
	Kind        providers.Kind
	State       providers.AlertState // as reported, and resolved once End is there
	Service     string
	Environment string
	Unit        string
	ID          string
	Provider    string
	Title       string
	Sources     int // how many providers' reports the line holds
	Decoded     bool
}

// Row is line i, 0 being the newest. It panics when i is out of range, as a slice does.
func (v *View) Row(i int) Row {
	if i < 0 || i >= v.n {
		panic(fmt.Sprintf("timeline: row %d of %d", i, v.n))
	}
	c, j := v.find(i)
	return v.s.line(c, j)
}

func (s *Snapshot) line(c *chunk, j int) Row {
	r := Row{
		At: fromNano(c.at[j]), End: fromNano(c.end[j]), Alert: c.flags[j]&flagAlert != 0, Kind: s.kindOf(c, j),
		State: flagState(c.flags[j]), Service: s.names[c.service[j]], Environment: s.names[c.env[j]],
		Unit: s.names[c.unit[j]], ID: string(c.id(j)), Provider: s.names[c.provider[j]], Sources: 1,
	}
	if r.Alert && r.State != providers.AlertUnknown && c.end[j] != 0 && !fromNano(c.end[j]).After(s.now()) {
		r.State = providers.AlertResolved
	}
	if it := c.item(j); it != nil {
		r.Title, r.Decoded = it.title, true
		if it.event.Change != nil {
			r.Sources = max(1, len(it.event.Change.Sources))
		}
	}
	return r
}

// Event decodes line i. It may read one record from the provider. What it gives must not be written into.
func (v *View) Event(i int) (providers.Event, error) {
	if i < 0 || i >= v.n {
		return providers.Event{}, fmt.Errorf("row %d of %d: %w", i, v.n, providers.ErrNotFound)
	}
	c, j := v.find(i)
	return v.s.event(c, j)
}
