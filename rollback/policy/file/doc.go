// Package file reads policies: one YAML document with groups, rules, grants, freezes and friction, checked when it is
// loaded, and asked without a clock. It is pure: who reads the bytes, and what a situation is, is not its business.
package file

import (
	"time"

	"github.com/backout-dev/backout/rollback/policy"
)

// Policy is one file, checked. It may be asked from several goroutines.
type Policy struct {
	Name       string // of the file, as errors call it
	Digest     string // "sha256:<hex>" of its bytes
	Groups     map[string][]string
	Roles      map[string][]string
	Responders []policy.Who // whose rollbacks no freeze stops; empty: every human's
	Rules      []Rule
	Grants     []Grant
	Freezes    []Freeze
	Friction   []Friction
	Cases      []Case
}

// Rule says what is asked for where it holds.
type Rule struct {
	Name   string
	Line   int
	When   Condition
	Mode   policy.Mode
	Refuse string       // why, "" it does not refuse
	Need   *policy.Need // approvals, nil none
	Drill  int          // level that every unit's proof has to have; 0 none
	Reason bool
	needs  string // the need in words
}

// Grant says who may do what. Where a file has any, nobody may do what none of them grants.
type Grant struct {
	Name       string
	Line       int
	To         policy.Who
	Kinds      []string // of principals; empty: all
	May        []string
	Units      []string // patterns; empty: all
	Env        []string
	Directions []string
	Hours      *Hours
}

// Ends is what every temporary measure of a policy has: a reason, an owner, and an end.
type Ends struct {
	Reason, Owner string
	At            time.Time  // zero: no date
	Until         *Condition // nil: no condition
}

// Freeze stops what goes forward, and what no responder takes back, for a while.
type Freeze struct {
	Name     string
	Line     int
	Ends     Ends
	When     Condition
	Start    time.Time
	End      time.Time
	Cron     *Cron
	Duration time.Duration
}

// Friction is a rule that ends.
type Friction struct {
	Rule
	Ends Ends
}
