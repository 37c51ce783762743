package unleash

import (
	"context"
	"fmt"
	"net/url"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// Verify implements rollback.Reverser: what the admin API says, and what SDKs are told where a token of theirs is configured. Both
// say which configuration is out, and not whether the service is well with it: neither verifies a rollback alone.
func (p *Provider) Verify(ctx context.Context, unit rollback.UnitID, to rollback.Revision) ([]rollback.Check, error) {
	s, err := p.look(ctx, unit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", unit, err)
	}
	target, known := s.find(to)
	goal := target.words()
	if !known {
		goal = to.Label
	}
	admin := rollback.Check{Name: "configuration", State: rollback.CheckFail, Observed: s.now.words(), Goal: goal, Inside: true}
	if s.now.digest() == to.Digest {
		admin.State = rollback.CheckPass
	}
	checks := []rollback.Check{admin}
	if p.clients[s.env] != nil {
		sdk := rollback.Check{Name: "what SDKs are told", State: rollback.CheckUnknown, Goal: goal, Inside: true, Observed: "what " + to.Label + " was cannot be told any more"}
		if known {
			sdk.State, sdk.Observed = p.told(ctx, s, target)
		}
		checks = append(checks, sdk)
	}
	return checks, nil
}

// told asks as an SDK would, and compares.
func (p *Provider) told(ctx context.Context, s *state, want configuration) (rollback.CheckState, string) {
	var answer struct {
		Features *[]struct {
			Name       string     `json:"name"`
			Enabled    bool       `json:"enabled"`
			Strategies []strategy `json:"strategies"`
		} `json:"features"`
	}
	query := url.Values{"namePrefix": {s.flag}}
	if _, err := p.clients[s.env].Aside(ctx, "/api/client/features", query, document(&answer)); err != nil {
		return rollback.CheckUnknown, providers.Clean(err.Error())
	}
	if answer.Features == nil {
		return rollback.CheckUnknown, "the answer is no list of flags"
	}
	for _, f := range *answer.Features {
		if f.Name != s.flag {
			continue
		}
		got := configuration{Enabled: f.Enabled, Strategies: f.Strategies}
		if served(got).digest() == served(want).digest() {
			return rollback.CheckPass, got.words()
		}
		if got.words() == want.words() {
			return rollback.CheckFail, got.words() + ", and what it is made of differs"
		}
		return rollback.CheckFail, got.words()
	}
	return rollback.CheckFail, "SDKs in " + s.env + " are not told of it at all"
}

// served is what SDKs are told of a configuration: no titles, no strategy that is switched off, and for segments the conditions
// that they stand for, which the flag itself does not hold. Of a flag that is off only that counts.
func served(c configuration) configuration {
	out := configuration{Enabled: c.Enabled}
	if !c.Enabled {
		return out
	}
	for _, s := range c.ordered() {
		if !s.Disabled {
			out.Strategies = append(out.Strategies, strategy{Name: s.Name, Parameters: s.Parameters, Variants: s.Variants, SortOrder: len(out.Strategies)}.whole())
		}
	}
	return out
}
