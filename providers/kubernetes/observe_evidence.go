package kubernetes

import (
	"fmt"
	"time"
)

// slack is how much later than it made a ReplicaSet the controller may write a condition down.
const slack = 5 * time.Second

// evidence says in plain words what shows that a revision served well: pods of it that are ready now, what was seen or watched
// of it earlier, or what its controller's own conditions leave no other way to explain. A number is no evidence.
func (p *Provider) evidence(l *look, i int) []string {
	h, soak := l.revs[i], p.set.MinSoak
	var out []string
	mine := of(h, l.pods)
	if ready, since := readySince(mine); ready > 0 && int(ready) == len(mine) && ready >= l.wanted(h) {
		if served := l.at.Sub(since); served >= soak {
			out = append(out, fmt.Sprintf("%d of %d pods ready now, the first for %s", ready, len(mine), served.Round(time.Second)))
		}
	}
	if m := l.known[h.digest]; m.Served >= soak && m.Ready > 0 {
		out = append(out, fmt.Sprintf("seen serving for %s with %d pods ready, last at %s", m.Served.Round(time.Second), m.Ready, m.SeenAt.Format("2006-01-02 15:04:05 UTC")))
	}
	if s := p.sighted(l.live, h.digest); s != "" {
		out = append(out, s)
	}
	if s := l.served(i, soak); s != "" {
		out = append(out, s)
	}
	return out
}

// wanted is how many pods of a revision there should be now, at the least.
func (l *look) wanted(h held) int32 {
	if l.kind.name == "deployment" && h.object != nil {
		return int32(number(h.object.Object, 1, "spec", "replicas")) //nolint:gosec // the API server bounds it
	}
	return 1
}

// served infers from a Deployment's conditions that a revision rolled out and served: no rollout missed its progress deadline
// since before it began, it was there for longer than that deadline and the soak, and minimum availability was not lost meanwhile.
func (l *look) served(i int, soak time.Duration) string {
	h := l.revs[i]
	progressing, available := l.condition("Progressing"), l.condition("Available")
	if l.kind.name != "deployment" || i == 0 || h.unclear() || l.revs[i-1].unclear() || l.spec.ProgressDeadline == nil {
		return ""
	}
	began, ended := h.object.GetCreationTimestamp().Time, l.revs[i-1].object.GetCreationTimestamp().Time
	there := ended.Sub(began)
	deadline := time.Duration(*l.spec.ProgressDeadline) * time.Second
	if progressing.Status != "True" || progressing.LastTransitionTime.Sub(began) > slack || there < deadline+soak {
		return ""
	}
	if available.Status != "True" || ended.Sub(available.LastTransitionTime.Time) < soak {
		return ""
	}
	return fmt.Sprintf("served for %s: the Deployment says that its rollout was complete within its deadline and that enough pods were available", there.Round(time.Second))
}

// unclear reports that the creation of a revision does not say when it began to serve.
func (h *held) unclear() bool { return h.object == nil || h.renewed }
