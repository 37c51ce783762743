package session

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/backout-dev/backout/providers"
)

// mostSearched is how many answers are kept: what a commit holds never changes.
const mostSearched = 500

type searched struct {
	mu    sync.Mutex
	found map[string][]string
}

// mentions asks the repositories which of some names the files of a service have at a commit. ErrNotFound: none has the commit.
func (s *Session) mentions(ctx context.Context, service, commit string, names []string) ([]string, error) {
	key := strings.Join(append([]string{service, commit}, names...), "\x00")
	s.searched.mu.Lock()
	found, ok := s.searched.found[key]
	s.searched.mu.Unlock()
	if ok {
		return found, nil
	}
	err := fmt.Errorf("commit %s: %w", commit, providers.ErrNotFound)
	for _, p := range s.providers {
		m, ok := p.(providers.NameFinder)
		if !ok {
			continue
		}
		here, why := m.NamesIn(ctx, service, commit, names)
		switch {
		case why == nil:
			found, err = append(found, here...), nil
		case !errors.Is(why, providers.ErrNotFound):
			return nil, fmt.Errorf("%s: %w", p.Name(), why)
		}
	}
	if err != nil {
		return nil, err
	}
	s.searched.mu.Lock()
	defer s.searched.mu.Unlock()
	if len(s.searched.found) >= mostSearched || s.searched.found == nil {
		s.searched.found = map[string][]string{}
	}
	s.searched.found[key] = found
	return found, nil
}
