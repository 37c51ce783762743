package timeline

import (
	"math/bits"

	"github.com/backout-dev/backout/providers"
)

// Lane is one row of the density strip: how many lines each column holds.
type Lane struct {
	Name   string
	Counts []int
}

// The names of the lanes, in the order in which they are shown.
const (
	LaneAlerts     = "alerts"
	LaneDeploys    = "deploys"
	LaneFlags      = "flags"
	LaneConfig     = "config"
	LaneInfra      = "infra"
	LaneMigrations = "migrations"
	LaneOther      = "other"
)

var laneNames = [...]string{LaneAlerts, LaneDeploys, LaneFlags, LaneConfig, LaneInfra, LaneMigrations, LaneOther}

func laneOf(k providers.Kind) int {
	switch k {
	case providers.KindDeploy:
		return 1
	case providers.KindFlag:
		return 2
	case providers.KindConfig:
		return 3
	case providers.KindInfra, providers.KindScale:
		return 4
	case providers.KindMigration:
		return 5
	default: // rollbacks, drills, operations and what nobody has a word for
		return 6
	}
}

// Lanes counts what happened in each of cols equal parts of a window: changes where they took effect, alerts in every
// part in which they were open. All seven lanes are there, also empty ones. An open bound of the window is the first or
// the last event.
func (s *Snapshot) Lanes(w providers.Window, cols int) []Lane {
	lanes := make([]Lane, len(laneNames))
	for i, n := range laneNames {
		lanes[i] = Lane{Name: n, Counts: make([]int, max(cols, 0))}
	}
	if cols <= 0 || len(s.chunks) == 0 {
		return lanes
	}
	from, until := unixNano(w.Since), unixNano(w.Until)
	if w.Since.IsZero() {
		from = s.firstKnown()
	}
	if w.Until.IsZero() {
		until = s.chunks[len(s.chunks)-1].last() + 1
	}
	if until <= from {
		return lanes
	}
	g := grid{from: from, until: until, cols: cols}
	c, r := s.bound(from)
	for col := range cols {
		nc, nr := s.bound(g.start(col + 1))
		s.countKinds(lanes, col, c, r, nc, nr)
		c, r = nc, nr
	}
	s.countAlerts(lanes[0].Counts, g)
	return lanes
}

// firstKnown is the time of the first line that has one.
func (s *Snapshot) firstKnown() int64 {
	if c, r := s.bound(1); c < len(s.chunks) && s.chunks[0].first() == 0 {
		return s.chunks[c].at[r]
	}
	return s.chunks[0].first()
}

// grid divides a span of time into columns.
type grid struct {
	from, until int64
	cols        int
}

func (g grid) start(col int) int64 {
	hi, lo := bits.Mul64(uint64(g.until-g.from), uint64(col))
	q, rem := bits.Div64(hi, lo, uint64(g.cols))
	if rem > 0 {
		q++ // the first nanosecond that col maps to
	}
	return g.from + int64(q)
}

func (g grid) col(at int64) int {
	hi, lo := bits.Mul64(uint64(at-g.from), uint64(g.cols))
	q, _ := bits.Div64(hi, lo, uint64(g.until-g.from))
	return int(q)
}

// countKinds counts the changes from row r of chunk c up to row nr of chunk nc.
func (s *Snapshot) countKinds(lanes []Lane, col, c, r, nc, nr int) {
	for ; c < nc || (c == nc && r < nr); c, r = c+1, 0 {
		ch := s.chunks[c]
		if r == 0 && c < nc {
			for k := range s.kinds {
				lanes[laneOf(s.kinds[k])].Counts[col] += int(ch.kinds[k])
			}
			continue
		}
		hi := ch.len()
		if c == nc {
			hi = nr
		}
		for i := r; i < hi; i++ {
			if ch.flags[i]&flagAlert == 0 {
				lanes[laneOf(s.kindOf(ch, i))].Counts[col]++
			}
		}
	}
}

// countAlerts adds up where alerts begin and end, and then how many are open.
func (s *Snapshot) countAlerts(counts []int, g grid) {
	delta := make([]int, g.cols+1)
	now := unixNano(s.now())
	for _, c := range s.chunks {
		if c.first() >= g.until {
			break
		}
		if c.last() < g.from && c.maxEnd <= g.from && popcount(c.open) == 0 {
			continue
		}
		for w, word := range c.alerts {
			for ; word != 0; word &= word - 1 {
				i := w*64 + bits.TrailingZeros64(word)
				end := c.end[i]
				if end == 0 { // open: up to now, and at least where it began
					end = max(now, c.at[i]+1)
				}
				if c.at[i] >= g.until || end <= g.from {
					continue
				}
				delta[g.col(max(c.at[i], g.from))]++
				if end < g.until {
					delta[g.col(max(end-1, c.at[i], g.from))+1]--
				}
			}
		}
	}
	open := 0
	for col := range counts {
		open += delta[col]
		counts[col] = open
	}
}
