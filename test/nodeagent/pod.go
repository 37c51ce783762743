package nodeagent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const defaultGrace = 30 * time.Second

// worker runs one pod.
type worker struct {
	agent *agent
	pod   pod // as it was when the agent first heard of it: what a pod runs does not change
	ip    string
	began string

	mu      sync.Mutex
	status  []containerStatus
	known   []condition // as they are in the cluster
	leaving *pod        // what was heard last, once it is to go
	news    chan struct{}
}

func newWorker(a *agent, p pod, ip string) *worker {
	w := &worker{agent: a, pod: p, ip: ip, began: stampOf(time.Now()), news: make(chan struct{}, 1), known: p.Status.Conditions}
	for _, c := range p.Spec.Containers {
		s := containerStatus{Name: c.Name, Image: c.Image, State: state{Waiting: &waiting{Reason: "ContainerCreating"}}}
		for _, old := range p.Status.Containers {
			if old.Name == c.Name && old.State.Running != nil { // of an agent before this one
				s.RestartCount, s.LastState = old.RestartCount+1, state{Terminated: &terminated{
					ExitCode: 137, Reason: "Error", StartedAt: old.State.Running.StartedAt, FinishedAt: w.began,
				}}
			}
		}
		w.status = append(w.status, s)
	}
	return w
}

// tell gives the worker what the cluster says of its pod now.
func (w *worker) tell(p pod) {
	w.mu.Lock()
	if p.gone || p.Metadata.DeletionTimestamp != "" {
		if w.leaving == nil || !w.leaving.gone {
			w.leaving = &p
		}
	}
	if !p.gone {
		w.known = p.Status.Conditions
	}
	w.mu.Unlock()
	w.wake()
}

func (w *worker) wake() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// report alters the status of one container.
func (w *worker) report(i int, alter func(*containerStatus)) {
	w.mu.Lock()
	alter(&w.status[i])
	w.mu.Unlock()
	w.wake()
}

// grace is how long the processes of the pod may take to end.
func (w *worker) grace() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.leaving != nil && w.leaving.gone {
		return 0
	}
	if w.leaving != nil && w.leaving.Metadata.DeletionGraceSecond != nil {
		return time.Duration(*w.leaving.Metadata.DeletionGraceSecond) * time.Second
	}
	if w.pod.Spec.Grace != nil {
		return time.Duration(*w.pod.Spec.Grace) * time.Second
	}
	return defaultGrace
}

// run runs the pod until it is gone, or until ctx is done, which ends its processes and leaves the pod.
func (w *worker) run(ctx context.Context) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	over := make(chan struct{})
	go func() {
		defer close(over)
		w.runAll(running)
	}()
	told := ""
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-w.news:
		case <-retry.C:
		case <-ctx.Done():
			<-over
			return
		}
		leaving := w.left()
		if leaving != nil {
			stop()
			<-over
			if leaving.gone {
				return
			}
		}
		err := w.publish(ctx, &told)
		if err == nil && leaving != nil {
			err = w.remove(ctx)
			if err == nil {
				return
			}
		}
		if errors.Is(err, providers.ErrNotFound) {
			stop()
			<-over
			return
		}
		if err != nil && ctx.Err() == nil {
			w.agent.Log.Warn("tell of a pod", "pod", w.pod.Metadata.Name, "error", err)
			retry.Reset(time.Second)
		}
	}
}

func (w *worker) left() *pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leaving
}

// runAll runs the containers until they have ended.
func (w *worker) runAll(ctx context.Context) {
	if err := w.pod.unrunnable(); err != nil {
		for i := range w.status {
			w.report(i, func(s *containerStatus) {
				s.State = state{Waiting: &waiting{Reason: "CreateContainerConfigError", Message: err.Error()}}
			})
		}
		<-ctx.Done()
		return
	}
	var wg sync.WaitGroup
	for i := range w.pod.Spec.Containers {
		wg.Go(func() { w.runContainer(ctx, i) })
	}
	wg.Wait()
}

// publish writes what is so into the pod's status, if it is not what was written last.
func (w *worker) publish(ctx context.Context, told *string) error {
	w.mu.Lock()
	status := slices.Clone(w.status)
	conditions := w.conditions(status)
	w.mu.Unlock()
	phase := w.phase(status)
	operations := []kube.Operation{
		{Op: "test", Path: "/metadata/uid", Value: raw(w.pod.Metadata.UID)},
		{Op: "add", Path: "/status/phase", Value: raw(phase)},
		{Op: "add", Path: "/status/startTime", Value: raw(w.began)},
		{Op: "add", Path: "/status/hostIP", Value: raw("127.0.0.1")},
		{Op: "add", Path: "/status/podIP", Value: raw(w.ip)},
		{Op: "add", Path: "/status/podIPs", Value: raw([]map[string]string{{"ip": w.ip}})},
		{Op: "add", Path: "/status/conditions", Value: raw(conditions)},
		{Op: "add", Path: "/status/containerStatuses", Value: raw(status)},
	}
	now := string(raw(operations))
	if now == *told {
		return nil
	}
	m := &w.pod.Metadata
	if _, err := w.agent.cluster.Patch(ctx, podResource, m.Namespace, m.Name, operations, kube.Write{Subresource: "status"}); err != nil {
		return err
	}
	*told = now
	return nil
}

// conditions are those of the pod by what its containers are; the others stay as they are in the cluster.
func (w *worker) conditions(status []containerStatus) []condition {
	ready := "True"
	for i := range status {
		if !status[i].Ready {
			ready = "False"
		}
	}
	want := []condition{{Type: "Initialized", Status: "True"}, {Type: "ContainersReady", Status: ready}, {Type: "Ready", Status: ready}}
	out := slices.Clone(w.known)
	for _, c := range want {
		if c.Status == "False" {
			c.Reason, c.Message = "ContainersNotReady", "containers with unready status"
		}
		c.Transition = stampOf(time.Now())
		i := slices.IndexFunc(out, func(o condition) bool { return o.Type == c.Type })
		if i < 0 {
			out = append(out, c)
			continue
		}
		if out[i].Status == c.Status {
			c.Transition = out[i].Transition
		}
		out[i] = c
	}
	w.known = out
	return out
}

// phase is Running once a container ran, and the end once none is started again.
func (w *worker) phase(status []containerStatus) string {
	ran, ended, failed := false, true, false
	for i := range status {
		s := &status[i]
		ran = ran || s.State.Running != nil || s.State.Terminated != nil || s.LastState.Terminated != nil
		end := s.State.Terminated
		over := end != nil && (w.pod.Spec.RestartPolicy == "Never" || w.pod.Spec.RestartPolicy == "OnFailure" && end.ExitCode == 0)
		ended = ended && over
		failed = failed || end != nil && end.ExitCode != 0
	}
	switch {
	case ended && failed:
		return "Failed"
	case ended:
		return "Succeeded"
	case ran:
		return "Running"
	}
	return "Pending"
}

// remove takes the pod out of the cluster, which waits for its node to say that its processes have ended.
func (w *worker) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	now, uid := int64(0), types.UID(w.pod.Metadata.UID)
	return w.agent.client.Resource(podResource).Namespace(w.pod.Metadata.Namespace).Delete(ctx, w.pod.Metadata.Name,
		metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: &metav1.Preconditions{UID: &uid}})
}
