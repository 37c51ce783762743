package tui

import "time"

// grace is how long keys are dropped after a modal opened or the terminal got the focus back, because they were meant
// for what was there before. A burst is how a paste looks on a terminal that does not mark it.
const (
	defaultGrace = 300 * time.Millisecond
	burstKeys    = 3
	burstSpan    = 15 * time.Millisecond
)

// guard tells apart what a person typed here and now from what only arrived. Repeats of one key are never a burst: a
// held key over a slow line comes in clumps.
type guard struct {
	times   [burstKeys]time.Time // of the last distinct keys, oldest first
	last    string
	focused time.Time
	until   time.Time // a burst that was seen lasts until the keys pause
}

// burst notes a key and reports whether it belongs to a paste.
func (g *guard) burst(key string, now time.Time) bool {
	if key == g.last && now.After(g.until) {
		return false
	}
	g.last = key
	oldest := g.times[0]
	copy(g.times[:], g.times[1:])
	g.times[burstKeys-1] = now
	if now.Before(g.until) || (!oldest.IsZero() && now.Sub(oldest) <= burstSpan) {
		g.until = now.Add(burstSpan)
		return true
	}
	return false
}

// early reports whether now is within d after opened or after the focus came back.
func (g *guard) early(now, opened time.Time, d time.Duration) bool {
	return now.Sub(opened) < d || (!g.focused.IsZero() && now.Sub(g.focused) < d)
}
