package attribution

import (
	"encoding/json"
	"fmt"

	"github.com/backout-dev/backout/providers"
)

const sourceCheckpoint = "checkpoint"

// checkpoint is the part of an agent session's metadata (as entireio/cli keeps it beside a repository) that is looked
// at. Prompts and transcripts never are: they may hold secrets.
type checkpoint struct {
	Agent       string        `json:"agent"`
	Model       string        `json:"model"`
	Attribution *attribution  `json:"initial_attribution"`
	Sessions    []checkpoint  `json:"sessions"`
	Percentage  *float64      `json:"agent_percentage"` // where the attribution stands alone
	Nested      []*checkpoint `json:"checkpoints"`
}

type attribution struct {
	AgentLines int     `json:"agent_lines"`
	Committed  int     `json:"total_committed"`
	Percentage float64 `json:"agent_percentage"`
}

func (v *verdict) checkpoints(list []string) {
	for _, raw := range list {
		var c checkpoint
		if len(raw) <= MaxNote && json.Unmarshal([]byte(raw), &c) == nil {
			v.checkpoint(&c, 0)
		}
	}
}

func (v *verdict) checkpoint(c *checkpoint, depth int) {
	if depth > 3 {
		return
	}
	for i := range c.Sessions {
		v.checkpoint(&c.Sessions[i], depth+1)
	}
	for _, n := range c.Nested {
		v.checkpoint(n, depth+1)
	}
	if c.Attribution == nil && c.Percentage != nil {
		c.Attribution = &attribution{Percentage: *c.Percentage}
	}
	if c.Attribution == nil && (c.Agent == "" || len(c.Sessions)+len(c.Nested) > 0) {
		return
	}
	f := finding{providers.Evidence{
		Role: roleSession, Strength: recorded, Source: sourceCheckpoint, Model: knownModel(c.Model),
		Tool: v.rules.toolOr(c.Agent, nameOr(c.Agent, unnamedTool)),
	}, providers.AssistanceAssisted}
	switch a := c.Attribution; {
	case a == nil:
		f.Caveat = "no share of lines was recorded"
	case a.AgentLines > 0 || a.Percentage > 0:
		f.Role, f.Raw = roleAssisted, fmt.Sprintf("%d of %d lines recorded (%.0f %%)", a.AgentLines, a.Committed, a.Percentage)
	default:
		f.state, f.Raw, f.Caveat = providers.AssistancePossible, "0 lines recorded", "session with 0 lines in this commit"
		v.zeroOnly = true
	}
	v.add(f)
}
