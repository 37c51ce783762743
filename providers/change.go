package providers

import (
	"encoding/json"
	"time"
)

// Kind says what sort of thing was altered. The zero value is an unknown kind.
type Kind string

// The kinds of change of the incident file, version 1.
const (
	KindDeploy    Kind = "deploy"
	KindConfig    Kind = "config"
	KindFlag      Kind = "flag"
	KindMigration Kind = "migration"
	KindInfra     Kind = "infra"
	KindScale     Kind = "scale"
	KindRollback  Kind = "rollback"
	KindDrill     Kind = "drill"
	KindOperation Kind = "operation"
)

// Kinds lists every kind, in the order in which a screen shows their lanes.
func Kinds() []Kind {
	return []Kind{KindDeploy, KindConfig, KindFlag, KindMigration, KindInfra, KindScale, KindRollback, KindDrill, KindOperation}
}

// Author is who or what made a change. Kind is "human" only where a source said so; empty is unknown.
type Author struct {
	Name string `json:"name,omitempty"`
	Kind string `json:"kind,omitempty"` // human, agent, automation, or empty for unknown
}

// RolloutStep is the share of a service, from 0 to 1, that ran the change from At on.
type RolloutStep struct {
	At    time.Time `json:"at"`
	Share float64   `json:"share"`
}

// Source names one provider's report of a change or an alert that several systems reported.
type Source struct {
	Provider string `json:"provider"`
	ID       string `json:"id"`
	URL      string `json:"url,omitempty"`
}

// Change is something that was altered in production. It is both the type in memory and the wire type of the incident
// file (version 1) and of the feed. A zero time, an empty string, a zero count and a nil slice mean unknown: never a
// guess, and absent on the wire. All times are UTC.
type Change struct {
	ID          string `json:"id"`
	Provider    string `json:"provider,omitempty"`
	Kind        Kind   `json:"kind,omitempty"`
	Service     string `json:"service,omitempty"`
	Environment string `json:"environment,omitempty"`
	Title       string `json:"title,omitempty"`

	Paths []string `json:"paths,omitempty"`
	Files int      `json:"files,omitempty"`
	Lines int      `json:"lines,omitempty"`

	Author    Author   `json:"author,omitzero"`
	Approvers []string `json:"approvers,omitempty"`

	// LandedAt is when the change was accepted (merged); EffectiveFrom when the first instance ran it and EffectiveTo
	// when the last one did. LandedApproximate marks a landing time that the source does not really know. VerifiedAt is when
	// somebody had looked from outside and found that it did what it was for.
	LandedAt          time.Time `json:"landed_at,omitzero"`
	LandedApproximate bool      `json:"landed_approximate,omitempty"`
	EffectiveFrom     time.Time `json:"effective_from,omitzero"`
	EffectiveTo       time.Time `json:"effective_to,omitzero"`
	VerifiedAt        time.Time `json:"verified_at,omitzero"`

	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Unit   string `json:"unit,omitempty"` // "provider:scope/name" where a unit is known
	Status string `json:"status,omitempty"`
	URL    string `json:"url,omitempty"`

	// Commit is the full hash of the commit that landed, ChangeSet what was released together (a pull request, a
	// release train), Reverts the ids or commits that this change takes back.
	Commit    string   `json:"commit,omitempty"`
	ChangeSet string   `json:"change_set,omitempty"`
	Reverts   []string `json:"reverts,omitempty"`
	Artifacts []string `json:"artifacts,omitempty"` // content digests

	// Delivers names this change as what brings others ("Helm release shop/pricing"); Within are the names of what may have
	// brought this one. The same name in two reports makes of both one change, where the times fit.
	Delivers string   `json:"delivers,omitempty"`
	Within   []string `json:"within,omitempty"`

	Assistance Assistance    `json:"assistance,omitzero"`
	Rollout    []RolloutStep `json:"rollout,omitempty"`

	// Sources holds every report of this change once a timeline has merged them; empty from a provider.
	Sources []Source `json:"sources,omitempty"`

	// Unknown keeps the fields that this version does not know, so that they are written back.
	Unknown map[string]json.RawMessage `json:"-"`
}

// StatusNote marks what a person wrote down about an incident: it stands on the timeline and altered nothing.
const StatusNote = "note"

// IsNote reports whether this is only what a person wrote down.
func (c *Change) IsNote() bool { return c.Kind == KindOperation && c.Status == StatusNote }

// Cured reports whether this is a rollback after which somebody found, from outside, that the symptoms were gone.
func (c *Change) Cured() bool { return c.Kind == KindRollback && !c.VerifiedAt.IsZero() }

// At is the change's place on a timeline: when it took effect, else when it landed. Zero when neither is known.
func (c *Change) At() time.Time {
	if !c.EffectiveFrom.IsZero() {
		return c.EffectiveFrom
	}
	return c.LandedAt
}

// VisibleAt reports whether somebody could have known of the change at t: the earlier of LandedAt and EffectiveFrom
// is not later. A change without any time is always visible.
func (c *Change) VisibleAt(t time.Time) bool {
	first := c.LandedAt
	if first.IsZero() || (!c.EffectiveFrom.IsZero() && c.EffectiveFrom.Before(first)) {
		first = c.EffectiveFrom
	}
	return first.IsZero() || !first.After(t)
}
