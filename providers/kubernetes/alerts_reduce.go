package kubernetes

import (
	"cmp"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// instance is what is kept of a pod of a workload.
type instance struct {
	meta
	workload place
	revision string // the name of the ReplicaSet or ControllerRevision that it runs
	ready    bool
	since    time.Time // of being ready or not
	trouble  trouble
	detail   string
	running  time.Time // since when the container that crashed runs again
	images   []string  // digests that its images were resolved to
}

// trouble is what a pod suffers from, in the words that the alert is named by.
type trouble string

// The troubles of a pod and of a workload.
const (
	crashLooping   trouble = "CrashLooping"
	cannotPull     trouble = "ImagePullError"
	cannotStart    trouble = "ContainerConfigError"
	notReady       trouble = "NotReady"
	deadline       trouble = "ProgressDeadlineExceeded"
	replicaFailure trouble = "ReplicaFailure"
)

// troubles maps what a kubelet gives as the reason why a container waits.
func troubleOf(reason string) trouble {
	switch reason {
	case "CrashLoopBackOff":
		return crashLooping
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable":
		return cannotPull
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return cannotStart
	}
	return ""
}

// reducePod gives nil for a pod that belongs to no workload, that has ended, or that is on its way out.
func (p *Provider) reducePod(o *kube.Object) *instance {
	kind, _, owner := controller(o)
	labels := o.GetLabels()
	n := &instance{meta: meta{place: place{"pod", o.GetNamespace(), o.GetName()}, uid: string(o.GetUID()), created: o.GetCreationTimestamp().UTC()}}
	switch kind {
	case "replicaset":
		name, found := strings.CutSuffix(owner, "-"+labels[templateHashKey])
		if !found {
			return nil // of a ReplicaSet that no Deployment made
		}
		n.workload, n.revision = place{"deployment", o.GetNamespace(), name}, owner
	case "statefulset":
		n.workload, n.revision = place{kind, o.GetNamespace(), owner}, labels["controller-revision-hash"]
	case "daemonset":
		n.workload, n.revision = place{kind, o.GetNamespace(), owner}, owner+"-"+labels["controller-revision-hash"]
	default:
		return nil
	}
	if phase := text(o.Object, "status", "phase"); phase == "Succeeded" || phase == "Failed" || o.GetDeletionTimestamp() != nil {
		n.ready, n.since = true, n.created // nobody waits for it
		n.revision = ""
		return n
	}
	n.since = n.created
	for _, c := range list(o.Object, "status", "conditions") {
		switch text(c, "type") {
		case "Ready":
			n.ready, n.since = text(c, "status") == "True", cmp.Or(when(text(c, "lastTransitionTime")), n.created)
			n.detail = cmp.Or(n.detail, text(c, "message"))
		case "PodScheduled":
			if text(c, "status") == "False" {
				n.detail = text(c, "message")
			}
		}
	}
	for _, group := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, c := range list(o.Object, "status", group) {
			n.container(c)
		}
	}
	n.detail = providers.Clean(n.detail)
	return n
}

func (n *instance) container(c map[string]any) {
	if _, digest, found := strings.Cut(text(c, "imageID"), "@"); found {
		n.images = append(n.images, providers.Clean(digest))
	}
	if t := troubleOf(text(c, "state", "waiting", "reason")); t != "" {
		n.trouble, n.detail = t, text(c, "name")+": "+text(c, "state", "waiting", "message")
		return
	}
	code := number(c, 0, "lastState", "terminated", "exitCode")
	if n.trouble == "" && number(c, 0, "restartCount") > 1 && code != 0 {
		if started := when(text(c, "state", "running", "startedAt")); !started.IsZero() {
			n.trouble, n.running = crashLooping, started
			n.detail = text(c, "name") + ": runs again, after it crashed"
		}
	}
}
