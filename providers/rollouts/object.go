package rollouts

import (
	"cmp"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What the provider reads and writes.
var (
	rolloutsKind = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "rollouts"}
	setsKind     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	eventsKind   = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	budgetsKind  = schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
)

// Names that the controller gives.
const (
	hashLabel          = "rollouts-pod-template-hash"
	revisionAnnotation = "rollout.argoproj.io/revision"
	historyAnnotation  = "rollout.argoproj.io/revision-history"
	ephemeralKey       = "rollout.argoproj.io/ephemeral-metadata"
	scaleDownDeadline  = "scale-down-deadline"
	causeAnnotation    = "kubernetes.io/change-cause"
)

// object is what is read of a Rollout.
type object struct {
	Meta   metav1.ObjectMeta `json:"metadata"`
	Spec   spec              `json:"spec"`
	Status status            `json:"status"`
}

type spec struct {
	Replicas       *int64               `json:"replicas"`
	Paused         bool                 `json:"paused"`
	Selector       metav1.LabelSelector `json:"selector"`
	RollbackWindow *struct {
		Revisions int64 `json:"revisions"`
	} `json:"rollbackWindow"`
	WorkloadRef *struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Name       string `json:"name"`
	} `json:"workloadRef"`
	Strategy struct {
		Canary    *canary    `json:"canary"`
		BlueGreen *blueGreen `json:"blueGreen"`
	} `json:"strategy"`
}

type canary struct {
	Steps              []step         `json:"steps"`
	MaxUnavailable     any            `json:"maxUnavailable"`
	TrafficRouting     map[string]any `json:"trafficRouting"`
	DynamicStableScale bool           `json:"dynamicStableScale"`
	ScaleDownDelay     *int64         `json:"abortScaleDownDelaySeconds"`
}

// step is one step of a canary; exactly one is set.
type step struct {
	SetWeight *int64 `json:"setWeight"`
	Pause     *struct {
		Duration any `json:"duration"`
	} `json:"pause"`
	Analysis   map[string]any `json:"analysis"`
	Experiment map[string]any `json:"experiment"`
	Plugin     map[string]any `json:"plugin"`
}

type blueGreen struct {
	AutoPromotion        *bool          `json:"autoPromotionEnabled"`
	AutoPromotionSeconds int64          `json:"autoPromotionSeconds"`
	PrePromotion         map[string]any `json:"prePromotionAnalysis"`
}

type status struct {
	Abort                      bool             `json:"abort"`
	AbortedAt                  *metav1.Time     `json:"abortedAt"`
	StableRS                   string           `json:"stableRS"`
	CurrentPodHash             string           `json:"currentPodHash"`
	CurrentStepIndex           *int64           `json:"currentStepIndex"`
	ObservedGeneration         string           `json:"observedGeneration"`
	WorkloadObservedGeneration string           `json:"workloadObservedGeneration"`
	Phase                      string           `json:"phase"`
	Message                    string           `json:"message"`
	PromoteFull                bool             `json:"promoteFull"`
	ControllerPause            bool             `json:"controllerPause"`
	Conditions                 []condition      `json:"conditions"`
	PauseConditions            []pauseCondition `json:"pauseConditions"`
	BlueGreen                  struct {
		ActiveSelector string `json:"activeSelector"`
	} `json:"blueGreen"`
	Canary struct {
		Weights *struct {
			Canary struct {
				Weight int64 `json:"weight"`
			} `json:"canary"`
		} `json:"weights"`
	} `json:"canary"`
}

type condition struct {
	Type           string      `json:"type"`
	Status         string      `json:"status"`
	Reason         string      `json:"reason"`
	Message        string      `json:"message"`
	LastUpdate     metav1.Time `json:"lastUpdateTime"`
	LastTransition metav1.Time `json:"lastTransitionTime"`
}

type pauseCondition struct {
	Reason    string      `json:"reason"`
	StartTime metav1.Time `json:"startTime"`
}

// replicas is how many pods are wanted; the API's own default is 1.
func (o *object) replicas() int64 {
	if o.Spec.Replicas == nil {
		return 1
	}
	return *o.Spec.Replicas
}

// routed reports whether a traffic router decides who is served by what, and not the number of pods.
func (o *object) routed() bool {
	return o.Spec.Strategy.BlueGreen != nil || (o.Spec.Strategy.Canary != nil && len(o.Spec.Strategy.Canary.TrafficRouting) > 0)
}

func (o *object) condition(typ string) condition {
	for _, c := range o.Status.Conditions {
		if c.Type == typ {
			return c
		}
	}
	return condition{}
}

// degraded is why the controller calls the Rollout degraded and since when; "" where it does not.
func (o *object) degraded() (reason string, since time.Time) {
	if o.Status.Phase != "Degraded" {
		return "", time.Time{}
	}
	if c := o.condition("InvalidSpec"); c.Status == "True" {
		return "InvalidSpec", c.LastTransition.UTC()
	}
	progress := o.condition("Progressing")
	if o.Status.Abort && o.Status.AbortedAt != nil {
		return "RolloutAborted", o.Status.AbortedAt.UTC()
	}
	return cmp.Or(progress.Reason, "Degraded"), progress.LastTransition.UTC()
}
