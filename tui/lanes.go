package tui

import (
	"slices"
	"strings"
)

// lane is one line of the density strip.
type lane struct {
	name   string
	mark   byte // stands for a single event
	counts []int
	text   string // instead of counts
	levels []int  // instead of counts: the heights of a strip, which is full at a value
	full   string
}

// foldQuiet puts the names of the lanes without anything into one line; alerts and deploys always have theirs.
func foldQuiet(all []lane) []lane {
	out := make([]lane, 0, len(all))
	var quiet []string
	for _, l := range all {
		if l.mark == '!' || l.mark == 'D' || l.some() {
			out = append(out, l)
		} else {
			quiet = append(quiet, l.name)
		}
	}
	if len(quiet) == 0 {
		return out
	}
	return append(out, lane{name: "nothing in", text: strings.Join(quiet, ", ")})
}

// withStrip puts a strip below the lane of the alerts.
func withStrip(lanes []lane, strip lane) []lane {
	at := 0
	if len(lanes) > 0 && lanes[0].mark == '!' {
		at = 1
	}
	return slices.Insert(slices.Clone(lanes), at, strip)
}

// laneMark is the letter of a lane: its own initial, and an exclamation mark for alerts.
func laneMark(name string) byte {
	switch {
	case name == "alerts" || name == "alert":
		return '!'
	case name == "drill" || name == "drills":
		return 'T' // D is a deploy
	case name == "":
		return '*'
	case name[0] >= 'a' && name[0] <= 'z':
		return name[0] - 'a' + 'A'
	default:
		return name[0]
	}
}

// mergeLanes brings lanes down to at most n. Alerts and deploys stay; then those that have something, and what does not
// fit goes into one lane "other", in which each event keeps its own letter's meaning only as a count.
func mergeLanes(all []lane, n int) []lane {
	if n < 1 {
		return nil
	}
	if n == 1 {
		return []lane{sum("events", '*', all)}
	}
	if len(all) <= n {
		return all
	}
	var keep, rest []lane
	for _, l := range all {
		if l.mark == '!' || l.mark == 'D' {
			keep = append(keep, l)
		} else {
			rest = append(rest, l)
		}
	}
	for _, l := range rest {
		if len(keep) < n-1 && l.some() {
			keep = append(keep, l)
		}
	}
	var other []lane
	for _, l := range rest {
		if !has(keep, l.name) {
			other = append(other, l)
		}
	}
	return append(keep, sum("other", '*', other))
}

func has(lanes []lane, name string) bool {
	for _, l := range lanes {
		if l.name == name {
			return true
		}
	}
	return false
}

func (l lane) some() bool {
	for _, n := range l.counts {
		if n > 0 {
			return true
		}
	}
	return false
}

// sum adds lanes up to one; where only one of them has something, its letter is kept.
func sum(name string, mark byte, lanes []lane) lane {
	out := lane{name: name, mark: mark}
	letters := 0
	for _, l := range lanes {
		if out.counts == nil {
			out.counts = make([]int, len(l.counts))
		}
		if l.some() {
			letters++
			out.mark = l.mark
		}
		for i, n := range l.counts {
			out.counts[i] += n
		}
	}
	if letters != 1 {
		out.mark = mark
	}
	return out
}
