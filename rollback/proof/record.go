// Package proof says how far going back was ever shown to work: what an executed rollback proves, and whether that still
// counts by what is known now. It is pure: what is not known never makes anything count for more.
package proof

import (
	"fmt"
	"time"
)

// Level is how far a way back is shown to work. The zero value is not at all.
type Level int

// Levels. From L3 on a way back is tested: it was executed in production.
const (
	L0 Level = iota // nothing is known
	L1              // the plan is valid now: what it goes to is there, and so are the rights
	L2              // executed somewhere that is like production
	L3              // executed in production, on a part of the unit
	L4              // executed in production, on the whole unit

	// Required is the level from which a way back is called tested.
	Required = L3
)

func (l Level) String() string { return fmt.Sprintf("L%d", int(l)) }

// MarshalText writes a level as "L4".
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a level as it is written; anything else is an error.
func (l *Level) UnmarshalText(b []byte) error {
	for at := L0; at <= L4; at++ {
		if string(b) == at.String() {
			*l = at
			return nil
		}
	}
	return fmt.Errorf("a proof's level is L0 to L4, not %q", b)
}

// Class is what kind of environment something was executed in. The zero value is not known, and proves no more than a plan.
type Class string

// Classes of environments. ProdLike is one with the data volume of production.
const (
	Prod     Class = "prod"
	ProdLike Class = "prodlike"
	Staging  Class = "staging"
	Dev      Class = "dev"
)

// Slice is on how much of the unit something was executed. The zero value is not known.
type Slice string

// Slices of a unit.
const (
	Full   Slice = "full"
	Cell   Slice = "cell"
	Canary Slice = "canary"
	Shadow Slice = "shadow"
)

// Outcome is how an execution ended. Aborted says nothing either way: it was stopped, or somebody else came between.
type Outcome string

// Outcomes. Unverified was executed, and nobody saw whether it serves well.
const (
	Pass       Outcome = "pass"
	Fail       Outcome = "fail"
	Unverified Outcome = "unverified"
	Aborted    Outcome = "aborted"
)

// Mechanism is how a unit goes back. Name and Version are both set where it is known. Strategy is a digest of the settings that
// decide how it goes (waves, hooks, windows), and Keeps how many revisions are kept to come back to, 0 where that has no number.
type Mechanism struct {
	Name       string `json:"name,omitempty"`
	Version    string `json:"version,omitempty"`
	Controller string `json:"controller,omitempty"`
	Strategy   string `json:"strategy,omitempty"`
	Keeps      int    `json:"keeps,omitempty"`
}

// Known reports whether enough of it is known to compare it.
func (m Mechanism) Known() bool { return m.Name != "" && m.Version != "" }

// Content is one end of a way back, identified by its digest.
type Content struct {
	Digest string `json:"digest"`
	Label  string `json:"label,omitempty"`
}

// Times are those of one execution; zero where it did not get so far.
type Times struct {
	Decided     time.Time `json:"decided,omitzero"`
	Approved    time.Time `json:"approved,omitzero"`
	FirstEffect time.Time `json:"first_effect,omitzero"`
	Converged   time.Time `json:"converged,omitzero"`
	Verified    time.Time `json:"verified,omitzero"`
	Ended       time.Time `json:"ended,omitzero"`
}

// Took is from the approval to the verification, 0 where it was not verified. A plan may lie open for long before somebody
// approves it, so that time is not part of it.
func (t Times) Took() time.Duration {
	if t.Approved.IsZero() || t.Verified.IsZero() {
		return 0
	}
	return max(t.Verified.Sub(t.Approved), 0)
}

// Check is one check of the verification, with how it stood before anything was touched. Inside: the target's own word.
type Check struct {
	Name     string `json:"name"`
	Baseline string `json:"baseline,omitempty"`
	Observed string `json:"observed,omitempty"`
	State    string `json:"state"`
	Inside   bool   `json:"inside,omitempty"`
}

// People are those who did it.
type People struct {
	Executor     string   `json:"executor"`
	ExecutorKind string   `json:"executor_kind,omitempty"`
	Approvers    []string `json:"approvers,omitempty"`
}

// Evidence is the entry of the ledger that an execution ended with: its number and its hash, to which the whole chain before it is bound.
type Evidence struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
}

// Forward is the other half of a drill: bringing the unit to exactly what was live before it.
type Forward struct {
	Run      string `json:"run"`
	Returned bool   `json:"returned_to_from"`
	Verified bool   `json:"verified"`
	Times    Times  `json:"times"`
}

// Record is what one execution of a rollback showed of one unit. It is never changed: whether it counts is judged anew each time.
type Record struct {
	ID          string    `json:"id"` // the run and the unit
	Run         string    `json:"run"`
	Kind        string    `json:"kind"`            // incident, drill
	Drill       string    `json:"drill,omitempty"` // the drill whose way back it was
	Unit        string    `json:"unit"`
	Service     string    `json:"service,omitempty"`
	Environment string    `json:"environment,omitempty"`
	Class       Class     `json:"class,omitempty"`
	Slice       Slice     `json:"slice,omitempty"`
	Mechanism   Mechanism `json:"mechanism,omitzero"`
	From        Content   `json:"from"`
	To          Content   `json:"to"`
	Distance    int       `json:"distance,omitempty"` // how many revisions back; 0 is not known
	Change      string    `json:"change_class,omitempty"`
	Together    []string  `json:"together,omitempty"` // units that went in the same plan
	Owners      []string  `json:"owners,omitempty"`   // reconcilers above it
	Copies      int       `json:"copies,omitempty"`   // pods, hosts, allocations that it had; 0 is not known
	Times       Times     `json:"times"`
	Checks      []Check   `json:"checks,omitempty"`
	People      People    `json:"people"`
	Outcome     Outcome   `json:"outcome"`
	Detail      string    `json:"detail,omitempty"`
	Surprises   []string  `json:"surprises,omitempty"` // what the plan had not told
	Forward     *Forward  `json:"forward,omitempty"`   // of a drill: the way forward again
	Evidence    Evidence  `json:"evidence"`
}

// At is when it showed what it shows: when it was verified, else when it ended.
func (r *Record) At() time.Time {
	if !r.Times.Verified.IsZero() {
		return r.Times.Verified
	}
	return r.Times.Ended
}

// Earned is the level that the execution reached on its day.
func (r *Record) Earned() Level {
	switch {
	case r.Outcome != Pass:
		return L0
	case r.From.Digest == "" || r.From.Digest == r.To.Digest:
		return L1 // to the same content, or nobody knows to what: that shows rights and plumbing only
	case r.Class == Prod && r.Slice == Full:
		return L4
	case r.Class == Prod && (r.Slice == Cell || r.Slice == Canary):
		return L3
	case (r.Class == Prod || r.Class == ProdLike) && r.Slice != "":
		return L2 // a shadow of production serves nobody
	default:
		return L1
	}
}
