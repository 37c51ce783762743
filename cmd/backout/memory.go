package main

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A console stays open for days beside everything else on somebody's machine, so it pays for little memory with a little
// more collecting. A million events leave some 90 MB alive, which fits the limit with room to work in.
const (
	smallPercent = 20
	smallLimit   = 120 << 20
	smallAlive   = 100 << 20
)

// small keeps the process small until ctx is done, unless the user has set how memory is collected. The limit is lifted for
// good once more is alive than fits it: collecting without end would not make that less.
func (a *app) small(ctx context.Context) {
	if a.getenv("GOGC") != "" || a.getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(smallPercent)
	debug.SetMemoryLimit(smallLimit)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if metrics.Read(alive); alive[0].Value.Uint64() > smallAlive {
			debug.SetMemoryLimit(math.MaxInt64)
			return
		}
	}
}
