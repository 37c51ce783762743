package nodeagent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers/kube"
)

// beatEvery is how often the node says that it is there, as often as a kubelet does.
const beatEvery = 10 * time.Second

// register makes the node, or takes one over that is there, and says that it is ready.
func (a *agent) register(ctx context.Context) error {
	labels := map[string]any{"kubernetes.io/hostname": a.Node, "kubernetes.io/os": "linux"}
	node := &kube.Object{Object: map[string]any{
		"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": a.Node, "labels": labels},
	}}
	if _, err := a.cluster.Create(ctx, nodeResource, "", node, kube.Write{}); err != nil && !errors.Is(err, kube.ErrExists) {
		return fmt.Errorf("join the cluster as %s: %w", a.Node, err)
	}
	if err := a.ready(ctx); err != nil {
		return fmt.Errorf("join the cluster as %s: %w", a.Node, err)
	}
	return nil
}

// ready says what the node has room for and that it is well.
func (a *agent) ready(ctx context.Context) error {
	room := map[string]string{"cpu": "16", "memory": "64Gi", "pods": "110"}
	now := stampOf(time.Now())
	status := map[string]any{
		"capacity": room, "allocatable": room,
		"addresses": []map[string]string{{"type": "Hostname", "address": a.Node}, {"type": "InternalIP", "address": "127.0.0.1"}},
		"conditions": []condition{
			{Type: "Ready", Status: "True", Reason: "AgentReady", Message: "processes can be started", Heartbeat: now, Transition: now},
			{Type: "MemoryPressure", Status: "False", Reason: "AgentReady", Heartbeat: now, Transition: now},
			{Type: "DiskPressure", Status: "False", Reason: "AgentReady", Heartbeat: now, Transition: now},
			{Type: "PIDPressure", Status: "False", Reason: "AgentReady", Heartbeat: now, Transition: now},
		},
	}
	_, err := a.cluster.Patch(ctx, nodeResource, "", a.Node, []kube.Operation{{Op: "add", Path: "/status", Value: raw(status)}}, kube.Write{Subresource: "status"})
	return err
}

// beat keeps the node ready: one that says nothing for some time is taken for lost, and its pods are moved.
func (a *agent) beat(ctx context.Context) {
	for pause(ctx, beatEvery) {
		if err := a.ready(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("say that the node is ready", "error", err)
		}
	}
}
