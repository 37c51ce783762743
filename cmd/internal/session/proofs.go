package session

import (
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
)

func proofRules(c config.Proofs) proof.Rules {
	return proof.Rules{Fresh: [3]time.Duration{c.Tier1, c.Tier2, c.Tier3}, Deployments: c.Deployments, Rotation: c.Rotation, TwoPeople: c.TwoPeople}
}

// criticality is how much depends on a unit, by the tier of its service in the catalogue ("1", "tier-2"); 0 where it says none.
func (s *Session) criticality(u rollback.Unit) int {
	for _, c := range s.opts.Config.Services {
		if c.Name != u.Service || c.Environment != "" && c.Environment != u.Environment {
			continue
		}
		if i := slices.Index([]string{"1", "2", "3"}, strings.TrimLeft(strings.ToLower(c.Tier), "tier-_ ")); i >= 0 {
			return i + 1
		}
	}
	return 0
}

// ownersOf are the people who own a unit: those behind its service's owner, nil where nobody said who they are.
func (s *Session) ownersOf(u rollback.Unit) []string {
	return s.opts.Config.Proofs.Owners[s.ownerOf(u)]
}
