package kubernetes

import "github.com/backout-dev/backout/rollback"

// mechanismVersion rises when a way back does something else than before.
const mechanismVersion = "1"

// mechanism is how a workload goes back: how its pods are replaced, and how many revisions the cluster keeps.
func (l *look) mechanism() rollback.Mechanism {
	m := rollback.MechanismOf("pod template of a "+l.kind.title, mechanismVersion, map[string]any{
		"strategy": l.how(), "min_ready": l.spec.MinReadySeconds, "deadline": l.spec.ProgressDeadline, "pods": l.spec.PodManagementPolicy,
	})
	m.Keeps = 10 // where the object does not say
	if n := l.spec.RevisionHistoryLimit; n != nil {
		m.Keeps = int(*n)
	}
	return m
}
