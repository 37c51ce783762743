package rollouts

import (
	"github.com/backout-dev/backout/rollback"
)

// mechanismVersion rises when a way back does something else than before.
const mechanismVersion = "1"

// mechanism is how a Rollout goes back: an abort is another way than an earlier template; its strategy, its rollback window.
func (s *sight) mechanism(action string) rollback.Mechanism {
	written, _ := s.raw.Object["spec"].(map[string]any)
	m := rollback.MechanismOf("rollout "+action, mechanismVersion, map[string]any{
		"strategy": written["strategy"], "window": written["rollbackWindow"], "analysis": written["analysis"],
		"deadline": written["progressDeadlineSeconds"], "min_ready": written["minReadySeconds"],
	})
	m.Keeps = 10 // where the object does not say
	switch n := written["revisionHistoryLimit"].(type) {
	case int64:
		m.Keeps = int(n)
	case float64:
		m.Keeps = int(n)
	}
	return m
}
