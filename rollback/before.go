package rollback

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// beforeLimit is the longest that a run waits to hear how its alerts and checks stand before it touches anything.
const beforeLimit = 5 * time.Second

// before looks at the checks and asks how the plan's alerts stand while nothing was touched yet, for the record, and because
// there are sources that forget an alert when it is over: such a one can only tell later that it ended if this process heard
// of it from there. It is no condition: what is not answered in time is unknown, and the run goes on.
func (x *execution) before(ctx context.Context) {
	if x.attempted() {
		return
	}
	asking, cancel := context.WithTimeout(ctx, beforeLimit)
	defer cancel()
	// A source that does not heed its deadline is left behind.
	symptoms, checks := make(chan []Symptom, 1), make(chan []Check, 1)
	go func() { checks <- x.check(asking) }()
	alerts := x.run.Plan.Alerts
	if len(alerts) == 0 || x.e.cfg.Symptoms == nil {
		symptoms <- nil
	} else {
		go func() { symptoms <- x.e.symptoms(asking, alerts) }()
	}
	late := "no answer in " + beforeLimit.String()
	select {
	case x.run.Before = <-symptoms:
	case <-asking.Done():
		x.run.Before = told(alerts, nil, errors.New(late))
	}
	select {
	case x.run.BeforeChecks = <-checks:
	case <-asking.Done():
		x.run.BeforeChecks = []Check{{Name: "checks", State: CheckUnknown, Observed: late}}
	}
	if ctx.Err() != nil {
		x.run.Before, x.run.BeforeChecks = nil, nil // called off: nobody looked
		return
	}
	x.trace(x.run.BeforeChecks, x.run.Before)
}

// symptoms asks how alerts stand. One that is not answered for is unknown.
func (e *Engine) symptoms(ctx context.Context, alerts []AlertRef) []Symptom {
	if e.cfg.Symptoms == nil {
		return told(alerts, nil, errors.New("no source can tell"))
	}
	states, err := e.cfg.Symptoms.States(ctx, alerts)
	return told(alerts, states, err)
}

// told gives one symptom for each alert.
func told(alerts []AlertRef, states []Symptom, err error) []Symptom {
	out := make([]Symptom, len(alerts))
	for i, a := range alerts {
		out[i] = Symptom{AlertRef: a, State: providers.AlertUnknown, Detail: "its source did not answer for it"}
		if err != nil {
			out[i].Detail = providers.Clean(err.Error())
			continue
		}
		at := slices.IndexFunc(states, func(s Symptom) bool { return s.Provider == a.Provider && s.ID == a.ID })
		if at >= 0 {
			out[i] = states[at]
			out[i].Detail = providers.Clean(out[i].Detail)
		}
	}
	return out
}
