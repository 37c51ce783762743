package session

import (
	"slices"
	"testing"

	"github.com/backout-dev/backout/providers"
)

type placed struct {
	providers.Provider
	at string
}

func (p placed) Place() string { return p.at }

func TestPlacesAreNamedOnce(t *testing.T) {
	s := &Session{providers: []providers.Provider{placed{at: "prod-eu"}, nil, placed{at: "prod-eu"}, placed{at: ""}, placed{at: "prod-us"}}}
	if got := s.Places(); !slices.Equal(got, []string{"prod-eu", "prod-us"}) {
		t.Errorf("%q", got)
	}
}
