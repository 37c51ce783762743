package timeline

import (
	"time"

	"github.com/backout-dev/backout/providers"
)

// Incident is a window and the alerts in it. Its ID is stable: it is derived from its first alert.
type Incident struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	Onset    Onset     `json:"onset"`
	OpenedAt time.Time `json:"opened_at"` // start of the first alert
	ClosedAt time.Time `json:"closed_at,omitzero"`
	Severity string    `json:"severity,omitempty"`
	// Alerts by start. Where there are thousands, those of older incidents are left out but for the first;
	// AlertCount counts all.
	Alerts     []providers.Alert `json:"alerts"`
	AlertCount int               `json:"alert_count,omitempty"`
	Services   []string          `json:"services,omitempty"` // that alert, most alerts first
	ByHand     bool              `json:"by_hand,omitempty"`
	// ClosedBy and Reason are there when a person closed it; an incident of which all alerts ended closes by itself.
	ClosedBy string `json:"closed_by,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// Open reports whether somebody still has to look at it.
func (i *Incident) Open() bool { return i.ClosedAt.IsZero() }

// Onset is when symptoms began, as an interval. Zero bounds are unknown.
type Onset struct {
	Earliest time.Time `json:"earliest,omitzero"`
	Latest   time.Time `json:"latest,omitzero"`
}
