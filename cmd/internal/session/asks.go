package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
)

// asks is how many proposals wait for a person, as far as the record was read.
type asks struct {
	mu    sync.Mutex
	read  bool // once
	moved bool // something came to the record that may have altered it
	open  []string
}

// hear takes note of an entry that may alter which proposals are open.
func (a *asks) hear(e ledger.Entry) {
	if e.Kind != ledger.KindProposal && e.Kind != ledger.KindConfirmation {
		return
	}
	a.mu.Lock()
	a.moved = true
	a.mu.Unlock()
}

// refreshAsks reads which proposals wait for a person, where that may have altered.
func (s *Session) refreshAsks(ctx context.Context) {
	s.asks.mu.Lock()
	due := !s.asks.read || s.asks.moved
	s.asks.moved = false
	s.asks.mu.Unlock()
	if !due || s.Lost != nil {
		return
	}
	all, err := s.Engine.Proposals(ctx)
	s.asks.mu.Lock()
	defer s.asks.mu.Unlock()
	if err != nil {
		s.asks.moved = true
		s.opts.Log.Warn("proposals cannot be read", "error", err)
		return
	}
	s.asks.read, s.asks.open = true, nil
	for i := range all {
		if all[i].State == rollback.AskOpen {
			s.asks.open = append(s.asks.open, all[i].ID)
		}
	}
}

// Notice is what everybody who looks has to know first: a game day that is under way, and what waits for a person; "" nothing.
func (s *Session) Notice() string {
	s.asks.mu.Lock()
	open := slices.Clone(s.asks.open)
	s.asks.mu.Unlock()
	waits := ""
	switch {
	case len(open) == 0 || s.opts.File != "":
	case len(open) == 1:
		waits = fmt.Sprintf("%s waits for a person: backout proposals show %s", open[0], open[0])
	default:
		waits = fmt.Sprintf("%d proposals wait for a person: backout proposals", len(open))
	}
	lost := ""
	if s.NoPolicy != nil {
		lost = "the policy cannot be read, so nothing may be rolled back: backout policy check"
	}
	return strings.Join(slices.DeleteFunc([]string{s.GameNotice(), lost, waits}, func(text string) bool { return text == "" }), "; ")
}
