package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

// heard is up to which entry a shared record was taken in.
type heard struct {
	mu   sync.Mutex // held while it is
	upTo int64
}

// catchUp takes in what others said of incidents and suspects in a shared record.
func (s *Session) catchUp(ctx context.Context) {
	if !s.DB.Shared() || s.Lost != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	s.heard.mu.Lock()
	defer s.heard.mu.Unlock()
	for {
		entries, err := s.DB.Entries(ctx, s.heard.upTo, caughtUp)
		if err != nil {
			s.opts.Log.Warn("what others wrote cannot be read", "error", err)
			return
		}
		for _, e := range entries {
			s.take(e)
			s.heard.upTo = e.Seq
		}
		if len(entries) < caughtUp {
			return
		}
	}
}

const caughtUp = 500 // entries that are taken in at once

// told writes down what goes wrong with a shared store, each thing once as long as it lasts.
func (s *Session) told() func(error) {
	last := ""
	return func(err error) {
		if err.Error() != last {
			last = err.Error()
			s.opts.Log.Warn("shared store", "error", err)
		}
	}
}

// recordAway has the line of the record say that its server is away, and how old what is shown instead is.
func (s *Session) recordAway(health []providers.Health) []providers.Health {
	if s.DB == nil { // before it is open
		return health
	}
	away, is := s.DB.Away()
	if !is {
		return health
	}
	for i := range health {
		if h := &health[i]; h.Provider == recordName {
			h.State, h.LastOK = providers.HealthStale, away.Copy
			h.Detail = fmt.Sprintf("the shared store is away since %s: nothing can be recorded or begun", away.Since.UTC().Format(time.TimeOnly))
		}
	}
	return health
}
