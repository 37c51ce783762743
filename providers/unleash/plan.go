package unleash

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// The two ways back: they are different things, and each says which it is.
const (
	actionKill    = "kill"    // off for everybody, and nothing else
	actionRestore = "restore" // the whole of what stood before
)

// maxConfiguration is the most that a configuration may take in a plan.
const maxConfiguration = 256 << 10

// Plan implements rollback.Reverser.
func (p *Provider) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	s, err := p.look(ctx, obs.Unit.ID)
	if err != nil {
		return rollback.Proposal{}, fmt.Errorf("%s: %w", obs.Unit.ID, err)
	}
	if s.token() != obs.Token {
		return rollback.Proposal{}, fmt.Errorf("%s changed while its way back was looked for: look again", obs.Unit.ID)
	}
	target, ok := s.find(to)
	if !ok {
		return rollback.Proposal{}, fmt.Errorf("what %s was cannot be told from Unleash's event log any more", to.Label)
	}
	data, err := json.Marshal(target)
	if err != nil || len(data) > maxConfiguration {
		return rollback.Proposal{}, fmt.Errorf("the configuration of %s is larger than %d KiB: it is not handled here", to.Label, maxConfiguration>>10)
	}
	step := rollback.Step{
		N: 1, Unit: obs.Unit.ID, Action: actionRestore, Title: fmt.Sprintf("restore %s in %s as of %s: %s", s.flag, s.env, to.Label, target.words()),
		From: obs.Current.Digest, To: to.Digest, Token: obs.Token, Args: map[string]string{"configuration": string(data)},
	}
	if to.Label == offLabel {
		step.Action, step.Title = actionKill, fmt.Sprintf("switch %s off in %s for everybody (kill)", s.flag, s.env)
	}
	proposal := rollback.Proposal{
		Steps: []rollback.Step{step}, Diff: difference(s.now, target, string(obs.Unit.ID)), Estimate: p.set.Propagation + 2*time.Second,
		Blast: "every SDK in " + s.env,
		NotRestored: []string{
			"what was done for people while the flag was as it is", "other environments, and what is the same in all of them: tags, description, dependencies",
		},
		Warnings: []string{
			fmt.Sprintf("SDKs ask every %s (propagation): until then they go on with what they know", p.set.Propagation),
			"no compare-and-set: Unleash takes no condition with a change, so one that somebody makes between the last look and this one is overwritten",
			"the flag carries a tag of backout while it is changed, so that Unleash's log says what changed it",
		},
	}
	return s.doubts(proposal, target, p.clients[s.env] != nil), nil
}

// doubts adds what is not certain of a way back.
func (s *state) doubts(p rollback.Proposal, target configuration, asked bool) rollback.Proposal {
	for _, g := range target.Strategies {
		if len(g.Segments) > 0 {
			p.NotRestored = append(p.NotRestored, "what the segments are that its strategies name: they are no part of the flag")
			break
		}
	}
	if s.gap != "" {
		p.Warnings = append(p.Warnings, "what stood before "+s.past[len(s.past)-1].label+" is unknown: "+s.gap)
	}
	if !asked {
		p.Warnings = append(p.Warnings, "what SDKs are told is not looked at: no client of "+s.env+" is configured")
	}
	return p
}

func difference(from, to configuration, unit string) string {
	text := func(c configuration) string {
		data, err := json.MarshalIndent(c.content(), "", "  ")
		if err != nil {
			return ""
		}
		return string(data) + "\n"
	}
	diff := udiff.Unified(unit+" (now)", unit+" (then)", text(from), text(to))
	var b strings.Builder
	for line := range strings.Lines(diff) {
		b.WriteString(providers.Clean(strings.TrimRight(line, "\n")) + "\n")
	}
	return b.String()
}
