package probe

import "time"

// streak is the hysteresis of one check: pure, no clock. The zero value is a closed alert.
type streak struct {
	open  bool
	since time.Time // first failure of the streak that opened the alert
	run   int       // outcomes in a row that speak against the present state
	first time.Time // the first of them
}

type change int

const (
	same change = iota
	opened
	closed
)

// add takes the next outcome. An alert opens with the fail-th failure in a row and began with the first of them; it closes
// with the recovered-th success in a row and ended with the first of those.
func (s *streak) add(at time.Time, ok bool, fail, recovered int) change {
	if ok != s.open { // as expected: a success while closed, a failure while open
		s.run = 0
		return same
	}
	if s.run == 0 {
		s.first = at
	}
	s.run++
	switch {
	case !s.open && s.run >= fail:
		*s = streak{open: true, since: s.first}
		return opened
	case s.open && s.run >= recovered:
		*s = streak{first: s.first}
		return closed
	}
	return same
}
