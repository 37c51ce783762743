package providers

import (
	"encoding/json"
	"time"
)

// Service is a node of the topology. DependsOn names the services that it calls.
type Service struct {
	Name        string   `json:"name"`
	Tier        string   `json:"tier,omitempty"`
	Owner       string   `json:"owner,omitempty"`
	Environment string   `json:"environment,omitempty"`
	DependsOn   []string `json:"depends_on,omitempty"`
	// Emits names what it does to the outside that no rollback takes back: payments, mails, deletions.
	Emits []string `json:"emits,omitempty"`
	// Reads names the tables ("orders") and columns ("orders.note") that it uses, whoever owns them. None: nobody said.
	Reads []string `json:"reads,omitempty"`

	Unknown map[string]json.RawMessage `json:"-"` // fields that this version does not know, to be written back
}

// EdgeKind says how two services or units hang together.
type EdgeKind string

// Kinds of edges. EdgeRequires means that From cannot serve without To's change (and so cannot go back without it).
// EdgeIndependent is a person's word that the two can go back one without the other, whatever they share.
const (
	EdgeCalls    EdgeKind = "calls"
	EdgeRequires EdgeKind = "requires"
	EdgeContract EdgeKind = "contract"
	EdgeConfig   EdgeKind = "config"
	EdgeOwner    EdgeKind = "owner"
	EdgeOrder    EdgeKind = "order"

	EdgeIndependent EdgeKind = "independent"
	// EdgeFlag: From, at one of FromVersions, asks for the feature flag To, which is a flag's name or its unit.
	EdgeFlag EdgeKind = "flag"

	// EdgeMinVersion: From, as it is now, needs To at one of ToVersions. EdgeVerified and EdgeRefuted: From at one of FromVersions
	// was tried with To at one of ToVersions, and they work together, or do not.
	EdgeMinVersion EdgeKind = "min-version"
	EdgeVerified   EdgeKind = "verified"
	EdgeRefuted    EdgeKind = "refuted"
)

// Edge says that From depends on To, with what it rests on. Versions are ranges of semantic versions such as ">= 1.2, < 2"; ""
// is any.
type Edge struct {
	From     string    `json:"from"`
	To       string    `json:"to"`
	Kind     EdgeKind  `json:"kind"`
	Evidence string    `json:"evidence,omitempty"`
	Source   string    `json:"source,omitempty"`
	SeenAt   time.Time `json:"seen_at,omitzero"`

	FromVersions string `json:"from_versions,omitempty"`
	ToVersions   string `json:"to_versions,omitempty"`
}

// Signal is a series of measurements. A point is {unix seconds, value}.
type Signal struct {
	Name    string            `json:"name"`
	Service string            `json:"service,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"` // instance, version, peer, ...
	Points  [][2]float64      `json:"points,omitempty"`
}

// Window is the half-open span [Since, Until). A zero bound is open.
type Window struct{ Since, Until time.Time }

// Contains reports whether t lies in the window.
func (w Window) Contains(t time.Time) bool {
	return (w.Since.IsZero() || !t.Before(w.Since)) && (w.Until.IsZero() || t.Before(w.Until))
}
