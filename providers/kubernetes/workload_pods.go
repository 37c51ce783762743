package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const writtenLabel = "controller-revision-hash"

// pod is what is looked at of one pod of a workload.
type pod struct {
	name    string
	uid     string
	owner   string // the ReplicaSet's uid, or the workload's own
	written string // the ControllerRevision it was made from
	created time.Time
	leaving bool
	ready   bool
	since   time.Time // of ready, or of not ready
	why     string    // why it cannot become ready by itself, as its node says
	probed  bool      // a container has a readiness probe
	images  map[string]string
	digests map[string]string // what the images resolved to, where the node says so
}

// hopeless are the reasons for which a container waits and that more waiting does not mend.
func hopeless() []string {
	return []string{"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "CrashLoopBackOff", "CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
}

func (p *Provider) pods(ctx context.Context, w *live) ([]pod, error) {
	selector, err := w.selector()
	if err != nil {
		return nil, err
	}
	var out []pod
	for o, err := range p.cluster.List(ctx, core("pods"), w.namespace(), kube.Selection{Labels: selector}) {
		if err != nil {
			return nil, fmt.Errorf("%s: its pods: %w", w.id, err)
		}
		if c := metav1.GetControllerOf(o); c != nil {
			out = append(out, podOf(o, string(c.UID)))
		}
	}
	slices.SortFunc(out, func(a, b pod) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

func podOf(o *kube.Object, owner string) pod {
	q := pod{
		name: providers.Clean(o.GetName()), uid: string(o.GetUID()), owner: owner, written: o.GetLabels()[writtenLabel],
		created: o.GetCreationTimestamp().UTC(), leaving: o.GetDeletionTimestamp() != nil, images: map[string]string{}, digests: map[string]string{},
	}
	for _, c := range list(o.Object, "status", "conditions") {
		if text(c, "type") == "Ready" {
			q.ready, q.since = text(c, "status") == "True" && !q.leaving, when(text(c, "lastTransitionTime"))
		}
	}
	for _, c := range list(o.Object, "spec", "containers") {
		q.images[text(c, "name")] = text(c, "image")
		q.probed = q.probed || object(c, "readinessProbe") != nil
	}
	for _, group := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, c := range list(o.Object, "status", group) {
			if _, _, digest := splitImage(text(c, "imageID")); strings.HasPrefix(digest, "sha256:") {
				q.digests[text(c, "name")] = digest
			}
			if reason := text(c, "state", "waiting", "reason"); slices.Contains(hopeless(), reason) {
				q.why = providers.Clean(reason + " " + text(c, "state", "waiting", "message"))
			}
		}
	}
	return q
}

// of are the pods that were made from a revision and stay.
func of(h held, pods []pod) []pod {
	var out []pod
	for _, q := range pods {
		if !q.leaving && madeFrom(q, h) {
			out = append(out, q)
		}
	}
	return out
}

// madeFrom reports whether a pod was made from a revision. A StatefulSet labels its pods with the name of the revision, a
// DaemonSet with the revision's own label.
func madeFrom(q pod, h held) bool {
	if h.object == nil {
		return false
	}
	return q.owner == string(h.object.GetUID()) || q.written != "" && (q.written == h.object.GetName() || q.written == h.object.GetLabels()[writtenLabel])
}

// readySince is how many of the pods are ready, and since when the first of them is.
func readySince(pods []pod) (n int32, since time.Time) {
	for _, q := range pods {
		if !q.ready {
			continue
		}
		n++
		if since.IsZero() || q.since.Before(since) {
			since = q.since
		}
	}
	return n, since
}
