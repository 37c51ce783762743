package session

import (
	"testing"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback"
)

func TestHowMuchDependsOnAUnitIsTheTierOfItsService(t *testing.T) {
	s := &Session{opts: Options{Config: &config.Config{Services: []config.Service{
		{Name: "a", Tier: "1"}, {Name: "b", Tier: "tier-2"}, {Name: "c", Tier: "Tier3"}, {Name: "d", Tier: "gold"}, {Name: "e", Tier: "1", Environment: "prod"},
	}}}}
	for service, want := range map[string]int{"a": 1, "b": 2, "c": 3, "d": 0, "e": 0, "none": 0} {
		if got := s.criticality(rollback.Unit{Service: service, Environment: "staging"}); got != want {
			t.Errorf("%s is of tier %d, want %d", service, got, want)
		}
	}
}
