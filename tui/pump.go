package tui

import (
	"context"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
)

// pumpEvery is how often the source is asked at most. A slow terminal costs freshness, never memory: what was not sent
// is replaced by what is newer.
const pumpEvery = time.Second / 30

// pump sends the newest state whenever it changed, until ctx is done. send may block; meanwhile nothing is asked.
func pump(ctx context.Context, src Source, shown *atomic.Pointer[string], send func(tea.Msg)) {
	t := time.NewTicker(pumpEvery)
	defer t.Stop()
	last, incident := uint64(0), *shown.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		want := *shown.Load()
		st := src.State(want)
		if st.Version == last && want == incident {
			continue
		}
		last, incident = st.Version, want
		send(stateMsg{st})
	}
}
