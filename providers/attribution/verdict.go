package attribution

import (
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Roles and strengths of evidence, as [providers.Evidence] names them.
const (
	roleAuthored   = "authored"
	roleCoAuthored = "co-authored"
	roleAssisted   = "assisted"
	roleCommitted  = "committed"
	roleReviewed   = "reviewed"
	roleSession    = "session"

	recorded = "recorded"
	declared = "declared"
	inferred = "inferred"
)

// unnamedTool stands where AI was declared without saying which.
const unnamedTool = "unknown AI tool"

const (
	maxEvidence = 40  // one squash commit can carry dozens of lines
	maxRaw      = 300 // bytes of a line kept for the record
)

// finding is one piece of evidence and the state that it supports by itself.
type finding struct {
	providers.Evidence
	state providers.AssistanceState
}

// verdict collects the findings on one commit.
type verdict struct {
	rules     *Rules
	when      time.Time
	findings  []finding
	principal string // the person an agent names beside itself: who drove it
	zeroOnly  bool   // a recorded session exists and none of its lines is in the commit
}

// add keeps the stronger of two findings that say the same of the same tool.
func (v *verdict) add(f finding) {
	f.Raw = providers.Clean(cut(strings.TrimSpace(f.Raw), maxRaw))
	f.Model = providers.Clean(cut(strings.TrimSpace(f.Model), 100))
	f.Tool = providers.Clean(cut(strings.TrimSpace(f.Tool), 100))
	for i, old := range v.findings {
		if old.Tool == f.Tool && old.Model == f.Model && old.Role == f.Role && old.Session == f.Session && old.state == f.state {
			if rankStrength(f.Strength) > rankStrength(old.Strength) {
				v.findings[i] = f
			}
			return
		}
	}
	if len(v.findings) < maxEvidence {
		v.findings = append(v.findings, f)
	}
}

// result puts the findings in order, strongest first, and takes the strongest state.
func (v *verdict) result(checked []string) providers.Assistance {
	v.withoutEmptySessions()
	v.onBehalf()
	slices.SortStableFunc(v.findings, func(a, b finding) int {
		if d := rankState(b.state) - rankState(a.state); d != 0 {
			return d
		}
		return rankStrength(b.Strength) - rankStrength(a.Strength)
	})
	out := providers.Assistance{State: providers.AssistanceNone, Checked: checked, Ruleset: v.rules.version}
	for i, f := range v.findings {
		if i == 0 && f.state != "" {
			out.State = f.state
		}
		out.Evidence = append(out.Evidence, f.Evidence)
		if counts(f.state) && f.Tool != "" && !slices.Contains(out.Tools, f.Tool) {
			out.Tools = append(out.Tools, f.Tool)
		}
	}
	return out
}

// withoutEmptySessions takes the weight from a bare link to a session whose own record says that it left no line.
func (v *verdict) withoutEmptySessions() {
	if !v.zeroOnly {
		return
	}
	for i := range v.findings {
		if f := &v.findings[i]; f.Role == roleSession && f.state == providers.AssistanceAssisted {
			f.state = providers.AssistancePossible
			f.Caveat = join(f.Caveat, "the session's record has no line of this commit")
		}
	}
}

// onBehalf names who drove an agent: agents put the person who asked beside themselves as a co-author.
func (v *verdict) onBehalf() {
	for i := range v.findings {
		if f := &v.findings[i]; f.state == providers.AssistanceAgent && v.principal != "" {
			f.Caveat = join(f.Caveat, "on behalf of "+v.principal)
		}
	}
}

// counts reports the states that are about AI.
func counts(s providers.AssistanceState) bool {
	return s == providers.AssistanceAgent || s == providers.AssistanceAssisted || s == providers.AssistancePossible
}

func rankState(s providers.AssistanceState) int {
	switch s {
	case providers.AssistanceAgent:
		return 4
	case providers.AssistanceAssisted:
		return 3
	case providers.AssistanceAutomation:
		return 2
	case providers.AssistancePossible:
		return 1
	default:
		return 0
	}
}

func rankStrength(s string) int {
	switch s {
	case recorded:
		return 3
	case declared:
		return 2
	case inferred:
		return 1
	default:
		return 0
	}
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// cut shortens s to at most n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
