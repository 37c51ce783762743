package providers

import (
	"context"
	"time"
)

// AlertQuery names one alert as it was once reported, to ask how it stands now. A zero StartsAt is unknown.
type AlertQuery struct {
	ID       string
	Name     string
	Service  string
	StartsAt time.Time
}

// AlertStatus is how one alert stands. SeenAt is when the source gave the answer that this rests on; zero: it gave none.
// Detail says why in one line, always where State is AlertUnknown.
type AlertStatus struct {
	State  AlertState
	SeenAt time.Time
	Detail string
}

// AlertStates is an ability of a provider: it asks its source now. The answer has an entry for each id that was asked.
// Resolved is only said where the source shows it; what the source can no longer tell of is unknown. It also holds in a
// process that never saw the alert. An error means that nothing was learned. Calls are bounded by ctx.
type AlertStates interface {
	AlertStates(ctx context.Context, alerts []AlertQuery) (map[string]AlertStatus, error)
}

// CheckState is the result of a check. Unknown is never good.
type CheckState string

// The results of a check.
const (
	CheckPass    CheckState = "pass"
	CheckFail    CheckState = "fail"
	CheckUnknown CheckState = "unknown"
)

// CheckResult is one look from outside at whether a service serves well.
type CheckResult struct {
	Name     string
	Service  string
	State    CheckState
	Observed string // what was seen: "0.002", "503 in 12ms", or why nothing was
	Goal     string // what would pass: "at most 0.05"
	// Value is what was observed as a number and Limit the number that it may not pass, in one unit; nil where there is none.
	Value, Limit *float64
}

// Threshold is a question to a source of series: every series of the query has to be within Max and Min, nil is no limit, at
// each moment of the window back from now. No window means only now.
type Threshold struct {
	Query    string
	Max, Min *float64
	Window   time.Duration
}

// ThresholdSource is an ability of a provider: it answers a threshold that its own settings do not name. What could not be
// asked, has no series, is no number or has a gap in the window is unknown. Calls are bounded by ctx.
type ThresholdSource interface {
	Threshold(ctx context.Context, t Threshold) CheckResult
}

// CheckSource is an ability of a provider: it looks now, for the named services; none means all. A check that could not
// be made is a result with CheckUnknown; an error means that none could.
type CheckSource interface {
	Checks(ctx context.Context, services []string) ([]CheckResult, error)
}

// CheckLister is an ability of a CheckSource: it names the checks that it would make for the services, without making them.
type CheckLister interface {
	CheckNames(services []string) []string
}
