package nodeagent

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers/kube"
)

// The resources that the agent reads and writes.
var (
	podResource     = kube.Resource{Version: "v1", Resource: "pods"}
	nodeResource    = kube.Resource{Version: "v1", Resource: "nodes"}
	serviceResource = kube.Resource{Version: "v1", Resource: "services"}
	configResource  = kube.Resource{Version: "v1", Resource: "configmaps"}
	secretResource  = kube.Resource{Version: "v1", Resource: "secrets"}
	sliceResource   = kube.Resource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
)

type metadata struct {
	Name                string            `json:"name"`
	Namespace           string            `json:"namespace"`
	UID                 string            `json:"uid"`
	DeletionTimestamp   string            `json:"deletionTimestamp"`
	DeletionGraceSecond *int64            `json:"deletionGracePeriodSeconds"`
	Labels              map[string]string `json:"labels"`
	Annotations         map[string]string `json:"annotations"`
}

// pod is what the agent reads of a pod.
type pod struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		RestartPolicy  string            `json:"restartPolicy"`
		Grace          *int64            `json:"terminationGracePeriodSeconds"`
		Containers     []container       `json:"containers"`
		InitContainers []json.RawMessage `json:"initContainers"`
		Volumes        []struct {
			Name      string          `json:"name"`
			Projected json.RawMessage `json:"projected"` // the service account's, which admission adds
		} `json:"volumes"`
	} `json:"spec"`
	Status struct {
		Phase      string            `json:"phase"`
		Conditions []condition       `json:"conditions"`
		Containers []containerStatus `json:"containerStatuses"`
	} `json:"status"`

	gone bool // it is no longer in the cluster
}

// over reports whether a pod has ended for good.
func (p *pod) over() bool { return p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed" }

// unrunnable says what of the pod this node cannot run.
func (p *pod) unrunnable() error {
	if len(p.Spec.InitContainers) > 0 {
		return fmt.Errorf("the pod has init containers: %w", errNotRun)
	}
	for _, v := range p.Spec.Volumes {
		if v.Projected == nil {
			return fmt.Errorf("the pod mounts volume %s: %w", v.Name, errNotRun)
		}
	}
	return nil
}

type container struct {
	Name    string   `json:"name"`
	Image   string   `json:"image"`
	Command []string `json:"command"`
	Args    []string `json:"args"`
	Ports   []struct {
		Name string `json:"name"`
		Port int    `json:"containerPort"`
	} `json:"ports"`
	Env       []variable  `json:"env"`
	EnvFrom   []envSource `json:"envFrom"`
	Readiness *probe      `json:"readinessProbe"`
	Liveness  *probe      `json:"livenessProbe"`
	Startup   *probe      `json:"startupProbe"`
}

type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  *struct {
		ConfigMap *keyOf `json:"configMapKeyRef"`
		Secret    *keyOf `json:"secretKeyRef"`
		Field     *struct {
			Path string `json:"fieldPath"`
		} `json:"fieldRef"`
	} `json:"valueFrom"`
}

type keyOf struct {
	Name     string `json:"name"`
	Key      string `json:"key"`
	Optional bool   `json:"optional"`
}

type envSource struct {
	Prefix    string `json:"prefix"`
	ConfigMap *keyOf `json:"configMapRef"`
	Secret    *keyOf `json:"secretRef"`
}

type condition struct {
	Type       string `json:"type"`
	Status     string `json:"status"`
	Reason     string `json:"reason,omitempty"`
	Message    string `json:"message,omitempty"`
	Transition string `json:"lastTransitionTime,omitempty"`
	Heartbeat  string `json:"lastHeartbeatTime,omitempty"`
}

// containerStatus is written as it is.
type containerStatus struct {
	Name         string `json:"name"`
	Image        string `json:"image"`
	ImageID      string `json:"imageID"`
	ContainerID  string `json:"containerID,omitempty"`
	Ready        bool   `json:"ready"`
	Started      bool   `json:"started"`
	RestartCount int    `json:"restartCount"`
	State        state  `json:"state"`
	LastState    state  `json:"lastState"`
}

type state struct {
	Waiting    *waiting    `json:"waiting,omitempty"`
	Running    *running    `json:"running,omitempty"`
	Terminated *terminated `json:"terminated,omitempty"`
}

type waiting struct {
	Reason  string `json:"reason"`
	Message string `json:"message,omitempty"`
}

type running struct {
	StartedAt string `json:"startedAt"`
}

type terminated struct {
	ExitCode   int    `json:"exitCode"`
	Reason     string `json:"reason"`
	StartedAt  string `json:"startedAt"`
	FinishedAt string `json:"finishedAt"`
}

// decode fills a struct from an object.
func decode(o *kube.Object, into any) error {
	data, err := o.MarshalJSON()
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("read %s %s/%s: %w", o.GetKind(), o.GetNamespace(), o.GetName(), err)
	}
	return nil
}

func raw(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // only this package's own plain structs come here
	}
	return data
}

func stampOf(t time.Time) string { return t.UTC().Format(time.RFC3339) }
