package culprit

import (
	"fmt"
	"time"
)

// onset is the interval in which symptoms began. at is the instant that ages are counted to.
type onset struct {
	known                bool
	earliest, latest, at time.Time
}

// onsetOf takes the given interval, and estimates what is missing from the first alert.
func onsetOf(in Input) onset {
	var first time.Time
	for i := range in.Alerts {
		if t := in.Alerts[i].StartsAt; !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	o := onset{earliest: in.Onset.Earliest, latest: in.Onset.Latest}
	switch {
	case o.earliest.IsZero() && o.latest.IsZero():
		o.earliest, o.latest = first, first
	case o.latest.IsZero():
		o.latest = o.earliest
		if first.After(o.latest) {
			o.latest = first
		}
	case o.earliest.IsZero():
		o.earliest = o.latest
	}
	if o.latest.Before(o.earliest) {
		o.earliest, o.latest = o.latest, o.earliest
	}
	o.known = !o.latest.IsZero()
	o.at = o.earliest.Add(o.latest.Sub(o.earliest) / 2)
	return o
}

// span writes a duration as a person would say it.
func span(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < time.Second:
		return "less than 1 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		if m := int(d.Minutes()) % 60; m != 0 && d < 10*time.Hour {
			return fmt.Sprintf("%d h %d min", int(d.Hours()), m)
		}
		return fmt.Sprintf("%d h", int(d.Hours()))
	default:
		return fmt.Sprintf("%d d", int(d.Hours()/24))
	}
}
