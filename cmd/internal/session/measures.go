package session

import (
	"context"
	"time"

	"github.com/backout-dev/backout/rollback/policy"
)

// How often the measures that rollbacks left behind are looked at, and how soon the first time: what only shows something and
// ends looks at none.
const (
	measuresEvery = 30 * time.Second
	measuresFirst = 5 * time.Second
)

// looker is who an open console looks at measures as: nobody asked it to.
var looker = policy.Principal{ID: "backout", Kind: policy.Automation}

// watchMeasures looks at the measures that stand until ctx is done. What became different goes on the record, and from there
// onto the timeline. It has a goroutine of its own: a target that is slow delays nothing else.
func (s *Session) watchMeasures(ctx context.Context) {
	if s.opts.File != "" || s.Lost != nil {
		return // what is shown is not what is so now
	}
	wait := time.NewTimer(measuresFirst)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if _, err := s.Engine.Probe(ctx, looker); err != nil && ctx.Err() == nil {
			s.opts.Log.Warn("measures cannot be looked at", "error", err)
		}
		wait.Reset(measuresEvery)
	}
}
