package providertest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/backout-dev/backout/providers"
)

// Archive is an archive in memory. The zero value is empty; several providers may write to it at once, as several processes do
// to the real one.
type Archive struct {
	turn sync.Mutex // of who updates
	mu   sync.Mutex
	kept map[slot][]byte
}

type slot struct{ provider, key string }

// Put implements [providers.Archive].
func (a *Archive) Put(_ context.Context, provider, key string, data []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		a.kept = map[slot][]byte{}
	}
	a.kept[slot{provider, key}] = slices.Clone(data)
	return nil
}

// Get implements [providers.Archive].
func (a *Archive) Get(_ context.Context, provider, key string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if data, ok := a.kept[slot{provider, key}]; ok {
		return slices.Clone(data), nil
	}
	return nil, providers.ErrNotFound
}

// Keys implements [providers.Archive].
func (a *Archive) Keys(_ context.Context, provider, prefix string) ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for s := range a.kept {
		if s.provider == provider && strings.HasPrefix(s.key, prefix) {
			out = append(out, s.key)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Update implements [providers.Updater].
func (a *Archive) Update(ctx context.Context, provider, key string, change func(old []byte) ([]byte, error)) error {
	a.turn.Lock()
	defer a.turn.Unlock()
	old, err := a.Get(ctx, provider, key)
	if err != nil {
		old = nil // there is none
	}
	data, err := change(old)
	if err != nil || data == nil {
		return err
	}
	return a.Put(ctx, provider, key, data)
}

// Held is a copy of all that a provider keeps, by key.
func (a *Archive) Held(provider string) map[string][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string][]byte{}
	for s, data := range a.kept {
		if s.provider == provider {
			out[s.key] = slices.Clone(data)
		}
	}
	return out
}
