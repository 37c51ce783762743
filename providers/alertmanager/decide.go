package alertmanager

import (
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers"
)

// sighting is what is remembered of an alert that was listed.
type sighting struct {
	started time.Time     // of the instance that listed it
	at      time.Time     // when, by the server's clock
	ends    time.Time     // when it will run out unless it is sent again
	horizon time.Duration // the longest time to running out that was seen
}

// see adds an answer that lists the alert.
func (s sighting) see(a *wireAlert, snap snapshot) sighting {
	return sighting{started: snap.started, at: snap.at, ends: a.EndsAt, horizon: max(s.horizon, a.EndsAt.Sub(snap.at))}
}

// decide says what became of an alert that a complete answer does not list. last is nil where nobody saw it listed.
//
// Alertmanager keeps alerts in memory only and forgets them when it restarts, so absence says "resolved" only of an
// instance that had the alert: it was seen listing it, or it has been up since before the alert began. An alert also goes
// when its sender dies: it is then not sent again and runs out at its endsAt, while a sender that reports the end makes it
// go earlier. Where answers come often enough to tell these apart, one that ran out is unknown.
func decide(last *sighting, startsAt time.Time, snap snapshot, tolerance time.Duration) (providers.AlertState, string) {
	switch {
	case snap.started.IsZero():
		return providers.AlertUnknown, "gone, but this server does not tell whether it restarted and forgot it"
	case last != nil && last.started.Equal(snap.started):
		gap := snap.at.Sub(last.at)
		if ranOut := !snap.at.Add(time.Second).Before(last.ends); ranOut && last.horizon > 2*gap {
			return providers.AlertUnknown, fmt.Sprintf("ran out at %s because nothing reported it any more; is its sender alive?", last.ends.UTC().Format(time.TimeOnly))
		}
		return providers.AlertResolved, "gone from a complete answer of the instance that had it"
	case startsAt.IsZero():
		return providers.AlertUnknown, "gone, and nobody knows when it began"
	case snap.started.Add(tolerance).Before(startsAt) && startsAt.Before(snap.at.Add(tolerance)):
		return providers.AlertResolved, "gone from a complete answer of an instance that has been up since before it began"
	}
	return providers.AlertUnknown, fmt.Sprintf("gone, but Alertmanager started at %s and may have forgotten it", snap.started.Format(time.DateTime))
}
