package timeline

import (
	"encoding/json"
	"time"
)

// HandAction is what a person does to an incident.
type HandAction string

// The four things that can be done by hand.
const (
	HandOpen  HandAction = "open"
	HandSplit HandAction = "split"
	HandMerge HandAction = "merge"
	HandClose HandAction = "close"
)

// AlertRef names an alert.
type AlertRef struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
}

// HandOp is one thing that a person did to incidents. It is kept in the record and replayed in the order in which it
// happened; what it names and is not there (any more) is passed over.
//
//   - open: a new incident from At on, with Title, and with Alerts, which leave the incidents they were in;
//   - split: Alerts leave Incident and make a new one;
//   - merge: the alerts of Other move to Incident; the id of Other finds Incident from then on;
//   - close: Incident is closed at At, for Reason. Its alerts that begin later make a new one.
type HandOp struct {
	Action   HandAction `json:"action"`
	At       time.Time  `json:"at"`
	Who      string     `json:"who,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Incident string     `json:"incident,omitempty"`
	Other    string     `json:"other,omitempty"`
	Title    string     `json:"title,omitempty"`
	Alerts   []AlertRef `json:"alerts,omitempty"`
}

// NewIncident is the id of the incident that an open or a split makes. It follows from the operation alone, so that it is
// the same in every process that replays the record.
func (o HandOp) NewIncident() string {
	o.At = o.At.UTC()
	b, err := json.Marshal(o)
	if err != nil {
		return ""
	}
	return shortHash(incidentPrefix, incidentDigits, "hand", string(b))
}

// byHand applies the operations to the groups that formed by themselves.
func (b *builder) byHand(ops []HandOp) {
	for _, op := range ops {
		switch op.Action {
		case HandOpen, HandSplit:
			g := &group{id: op.NewIncident(), hand: true, title: op.Title}
			if op.Action == HandOpen {
				g.opened = op.At.UTC()
			}
			g.alerts = b.take(op.Alerts)
			if len(g.alerts) > 0 || op.Action == HandOpen {
				b.groups = append(b.groups, g)
			}
		case HandMerge:
			to, from := b.resolve(op.Incident), b.resolve(op.Other)
			if to != nil && from != nil && to != from {
				to.alerts = append(to.alerts, from.alerts...)
				from.alerts, from.into = nil, to
			}
		case HandClose:
			if g := b.resolve(op.Incident); g != nil {
				b.close(g, op)
			}
		}
	}
}

// take moves alerts out of the groups they are in.
func (b *builder) take(refs []AlertRef) []int {
	wanted := make(map[AlertRef]bool, len(refs))
	for _, r := range refs {
		wanted[r] = true
	}
	var taken []int
	for _, g := range b.groups {
		stay := g.alerts[:0:0]
		for _, a := range g.alerts {
			if wanted[b.ref(a)] {
				taken = append(taken, a)
			} else {
				stay = append(stay, a)
			}
		}
		g.alerts = stay
	}
	return taken
}

func (b *builder) close(g *group, op HandOp) {
	at := unixNano(op.At)
	later := &group{}
	stay := g.alerts[:0:0]
	for _, a := range g.alerts {
		if b.all[a].at > at {
			later.alerts = append(later.alerts, a)
		} else {
			stay = append(stay, a)
		}
	}
	g.alerts, g.closed, g.by, g.reason = stay, op.At.UTC(), op.Who, op.Reason
	if b.opens(later) {
		later.id = b.idOf(b.anchor(later.alerts))
		b.groups = append(b.groups, later)
	}
}
