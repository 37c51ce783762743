package rollback

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	openedEvery = 10 * time.Second // how often a run asks which alerts opened since its effect
	// pendingFor is how long before the effect such an alert may have begun: it tells of itself only when its condition has held
	// for a while. What began before the change is none of them.
	pendingFor = 10 * time.Minute
)

// Newcomers is the extra ability of [Symptoms] that can tell which alerts opened lately. A run asks while it is verified: an
// alert of its services that opened since its effect has to clear like those that the plan names.
type Newcomers interface {
	// Opened gives the alerts of the services whose condition began at since or later and that are open. An error says that some source could
	// not be asked, and comes with what the others said.
	Opened(ctx context.Context, services []string, since time.Time) ([]AlertRef, error)
}

// opened asks which alerts opened since the run's effect, and adds them to those that have to clear. That somebody cannot tell
// is a check that is unknown.
func (x *execution) opened(ctx context.Context) {
	source, ok := x.e.cfg.Symptoms.(Newcomers)
	if !ok || x.run.AppliedAt.IsZero() || (!x.askedOpened.IsZero() && time.Since(x.askedOpened) < openedEvery) {
		return
	}
	x.askedOpened = time.Now()
	var services []string
	for _, u := range x.run.Plan.Units {
		services = append(services, u.Unit.Service)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	since := x.run.AppliedAt
	if onset := x.run.Plan.Onset; !onset.IsZero() {
		since = since.Add(-pendingFor)
		if onset.After(since) {
			since = onset
		}
	}
	alerts, err := source.Opened(ctx, compact(services), since)
	x.openedUnknown = err
	for _, a := range alerts {
		same := func(b AlertRef) bool { return a.Provider == b.Provider && a.ID == b.ID }
		if !slices.ContainsFunc(x.run.Plan.Alerts, same) && !slices.ContainsFunc(x.newer, same) {
			x.newer = append(x.newer, a)
		}
	}
}

// unseenNewcomers is a check in place of the alerts that may have opened and that nobody can tell of; none where all could be
// asked. It verifies nothing by passing, because it never does.
func (x *execution) unseenNewcomers() []Check {
	if x.openedUnknown == nil {
		return nil
	}
	return []Check{{
		Name: "alerts that opened since", State: CheckUnknown, Inside: true,
		Observed: providers.Clean(fmt.Sprint(x.openedUnknown)),
	}}
}
