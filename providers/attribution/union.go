package attribution

import (
	"fmt"
	"slices"

	"github.com/backout-dev/backout/providers"
)

// Union is the verdict on a change that joins several commits: landing is the verdict on the commit that landed, merged
// those on what it brought. Evidence is pooled and the strongest state holds, except that the change counts as
// automation only where everything it brought does. unread says how many merged commits were not looked at.
func Union(landing providers.Assistance, merged []providers.Assistance, unread int) providers.Assistance {
	if len(merged) == 0 && unread == 0 {
		return landing
	}
	ai, automated := 0, 0
	for _, m := range merged {
		switch m.State {
		case providers.AssistanceAgent, providers.AssistanceAssisted:
			ai++
		case providers.AssistanceAutomation:
			automated++
		default:
		}
	}
	onlyBots := automated > 0 && automated == len(merged)
	v := &verdict{rules: &Rules{version: landing.Ruleset}}
	v.pool(landing, onlyBots, "")
	for _, m := range merged {
		v.pool(m, onlyBots, fmt.Sprintf("%d of %d merged commits carry such evidence", ai, len(merged)))
	}
	out := v.result(slices.Clone(landing.Checked))
	for _, m := range merged { // evidence is capped, states and tools are not
		if m.State != providers.AssistanceAutomation && rankState(m.State) > rankState(out.State) {
			out.State = m.State
		}
		for _, t := range m.Tools {
			if !slices.Contains(out.Tools, t) {
				out.Tools = append(out.Tools, t)
			}
		}
	}
	read := fmt.Sprintf("%d merged commits", len(merged))
	if unread > 0 {
		read = fmt.Sprintf("%d of %d merged commits", len(merged), len(merged)+unread)
	}
	out.Checked = append(out.Checked, read)
	return out
}

// pool adds the evidence of one commit of the change.
func (v *verdict) pool(a providers.Assistance, onlyBots bool, share string) {
	for _, e := range a.Evidence {
		f := finding{Evidence: e, state: stateOf(e, a.State)}
		if f.state == providers.AssistanceAutomation && !onlyBots {
			f.state = ""
		}
		if counts(f.state) && f.state != providers.AssistancePossible {
			f.Caveat = join(f.Caveat, share)
		}
		v.add(f)
	}
}

// stateOf gives one piece of evidence the state of the verdict that it came from, as far as it can carry it.
func stateOf(e providers.Evidence, s providers.AssistanceState) providers.AssistanceState {
	switch {
	case e.Role == roleReviewed || (e.Role == roleCommitted && s != providers.AssistancePossible):
		return ""
	case s == providers.AssistanceAgent && (e.Role != roleAuthored || e.Source != "commit.author"):
		return providers.AssistanceAssisted
	case e.Strength == inferred && counts(s):
		return providers.AssistancePossible
	case s == providers.AssistanceNone:
		return ""
	}
	return s
}
