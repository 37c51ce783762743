package providers

import (
	"encoding/json"
	"time"
)

// AlertState is what is known of an alert now.
type AlertState string

// An alert is unknown when its source stopped being able to tell: unknown is never resolved.
const (
	AlertFiring     AlertState = "firing"
	AlertSuppressed AlertState = "suppressed"
	AlertResolved   AlertState = "resolved"
	AlertUnknown    AlertState = "unknown"
)

// Alert is a symptom with a start and, later, an end. A zero EndsAt with an empty State is a firing alert.
type Alert struct {
	ID          string            `json:"id"`
	Provider    string            `json:"provider,omitempty"`
	Name        string            `json:"name,omitempty"`
	Service     string            `json:"service,omitempty"`
	Environment string            `json:"environment,omitempty"`
	Severity    string            `json:"severity,omitempty"`
	Summary     string            `json:"summary,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	StartsAt    time.Time         `json:"starts_at,omitzero"`
	EndsAt      time.Time         `json:"ends_at,omitzero"`
	URL         string            `json:"url,omitempty"`

	State      AlertState `json:"state,omitempty"`
	SilencedBy []string   `json:"silenced_by,omitempty"` // who or what suppresses it
	Sources    []Source   `json:"sources,omitempty"`

	Unknown map[string]json.RawMessage `json:"-"`
}

// StateAt is the alert's state at t as far as this report tells.
func (a *Alert) StateAt(t time.Time) AlertState {
	if a.State == AlertUnknown {
		return AlertUnknown
	}
	if !a.EndsAt.IsZero() && !a.EndsAt.After(t) {
		return AlertResolved
	}
	if a.State == AlertSuppressed {
		return AlertSuppressed
	}
	return AlertFiring
}
