package file

import (
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Cron is when something comes again: minute, hour, day of the month, month, day of the week, in a time zone. As everywhere,
// where both days are narrowed either suffices.
type Cron struct {
	minute, hour, day, month, weekday uint64 // sets of numbers, as bits
	anyDay, anyWeekday                bool
	zone                              *time.Location
}

func (s section) cron(name string, zone *time.Location) *Cron {
	n := s.of[name]
	fields := strings.Fields(n.Value)
	if n.Kind != yaml.ScalarNode || len(fields) != 5 {
		s.report(n, at(s.key, name), "is five fields: minute hour day month weekday, such as \"0 18 * * 5\"")
		return &Cron{zone: zone}
	}
	c := &Cron{zone: zone, anyDay: fields[2] == "*", anyWeekday: fields[4] == "*"}
	for i, f := range []struct {
		set       *uint64
		name      string
		low, high int
	}{{&c.minute, "minute", 0, 59}, {&c.hour, "hour", 0, 23}, {&c.day, "day", 1, 31}, {&c.month, "month", 1, 12}, {&c.weekday, "weekday", 0, 7}} {
		set, ok := bits(fields[i], f.low, f.high)
		if !ok {
			s.report(n, at(s.key, name), "its %s %q is *, numbers from %d to %d, ranges (1-5) or steps (*/2), with commas between", f.name, fields[i], f.low, f.high)
		}
		*f.set = set
	}
	if c.weekday&(1<<7) != 0 {
		c.weekday |= 1
	}
	return c
}

// bits reads one field of a cron expression.
func bits(text string, low, high int) (set uint64, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		span, by, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(by)
			if err != nil || n < 1 || n > high {
				return 0, false
			}
			step = n
		}
		from, to := low, high
		if span != "*" {
			a, b, ranged := strings.Cut(span, "-")
			n, err := strconv.Atoi(a)
			if err != nil {
				return 0, false
			}
			from = n
			if ranged {
				if to, err = strconv.Atoi(b); err != nil {
					return 0, false
				}
			} else if !stepped {
				to = n
			}
		}
		if from < low || to > high || from > to {
			return 0, false
		}
		for i := from; i <= to; i += step {
			set |= 1 << i
		}
	}
	return set, set != 0
}

// last is when it came last, no longer ago than a span. An hour that a clock skips counts as the moment it skips to.
func (c *Cron) last(now time.Time, span time.Duration) (time.Time, bool) {
	local := now.In(c.zone)
	for back := range int(span/(24*time.Hour)) + 2 {
		y, m, d := local.AddDate(0, 0, -back).Date()
		noon := time.Date(y, m, d, 12, 0, 0, 0, c.zone)
		if !c.on(noon) {
			continue
		}
		for h := 23; h >= 0; h-- {
			if c.hour&(1<<h) == 0 {
				continue
			}
			for minute := 59; minute >= 0; minute-- {
				if c.minute&(1<<minute) == 0 {
					continue
				}
				if t := time.Date(y, m, d, h, minute, 0, 0, c.zone); !t.After(now) {
					return t, true
				}
			}
		}
	}
	return time.Time{}, false
}

// on reports whether it comes on a day at all.
func (c *Cron) on(t time.Time) bool {
	if c.month&(1<<int(t.Month())) == 0 {
		return false
	}
	day, weekday := c.day&(1<<t.Day()) != 0, c.weekday&(1<<int(t.Weekday())) != 0
	if c.anyDay || c.anyWeekday {
		return day && weekday
	}
	return day || weekday
}
