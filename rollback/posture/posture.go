// Package posture says in a few numbers how well prepared going back is: what is tested, what was used untested, what no longer
// counts and why, and how it went. It is pure, and says nothing of what it was not told.
package posture

import (
	"cmp"
	"slices"
	"time"

	"github.com/backout-dev/backout/rollback/proof"
)

// Unit is one unit as it stands now. Deployments are those that were seen in the window; they and its tier say how much it weighs.
type Unit struct {
	ID          string
	Alone       string // yes, no; anything else is not known
	Deployments int
	Standing    proof.Standing
}

// Run is one rollback that touched its target. Tested is what its plan said of all its units.
type Run struct {
	ID       string
	At       time.Time
	Tested   bool
	Verified bool
	Over     bool
	Changes  []string // that it took back
}

// Change is one change on the timeline, with what is known of AI in it.
type Change struct{ ID, Assistance string }

// Loss is a proof that was first seen not to count any more.
type Loss struct {
	Proof string    `json:"proof"`
	Unit  string    `json:"unit"`
	Rule  string    `json:"rule"`
	Text  string    `json:"text"`
	At    time.Time `json:"at"`
}

// Facts is everything that the numbers come from. Runs, Records and Losses may reach back further than Since.
type Facts struct {
	Now, Since time.Time
	Units      []Unit
	Runs       []Run
	Records    []proof.Record
	Changes    []Change  // of the window, as far as they were read
	Read       time.Time // since when changes were read; deployments too. Zero: since Since
	Losses     []Loss
	Silent     []string // sources that do not answer
}

// Share is some of all, as a rate that knows how little few say.
type Share struct {
	Changes    int        `json:"changes"`
	RolledBack proof.Rate `json:"rolled_back"`
}

// Week is one of the last four, the oldest first.
type Week struct {
	From      time.Time     `json:"from"`
	Rollbacks int           `json:"rollbacks"`
	Verified  int           `json:"verified"`
	Longest   time.Duration `json:"longest_ns"` // from the plan to the verification; 0 where none was verified
}

// Cause is one rule that proofs were lost by, and how many.
type Cause struct {
	Rule string `json:"rule"`
	N    int    `json:"n"`
}

// Report is the posture of a window.
type Report struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`

	Units      int      `json:"units"`
	Reversible int      `json:"reversible"`
	Unknown    int      `json:"unknown"` // whether they can go back alone is not known
	Tested     int      `json:"tested"`
	Coverage   *float64 `json:"coverage"` // of what is tested, by weight; null without a unit

	Rollbacks int           `json:"rollbacks"`
	Untested  []string      `json:"untested_used"` // runs with a unit whose way back was not tested
	Success   proof.Rate    `json:"success"`
	Took      proof.Lengths `json:"plan_to_verified"`

	Lost    []Cause `json:"lost"`
	ByEvent int     `json:"lost_by_event"` // and not by age
	ByAge   int     `json:"lost_by_age"`

	Read      time.Time `json:"changes_read_since"` // later than Since where less was read: what is said of changes is of these alone
	Tagged    Share     `json:"ai_tagged"`
	Untagged  Share     `json:"untagged"`
	NotLooked int       `json:"ai_not_known"` // changes of which nobody knows: not looked at, possible, automation
	Silent    []string  `json:"silent"`
	Weeks     []Week    `json:"weeks"`
}

const week = 7 * 24 * time.Hour

// Of works out the posture.
func Of(f *Facts) Report {
	r := Report{Since: f.Since, Read: f.Since, Until: f.Now, Units: len(f.Units), Untested: []string{}, Lost: []Cause{}, Silent: append([]string{}, f.Silent...)}
	if f.Read.After(f.Since) {
		r.Read = f.Read
	}
	r.units(f.Units)
	var within []proof.Record
	for i := range f.Records {
		if f.in(f.Records[i].Times.Ended) {
			within = append(within, f.Records[i])
		}
	}
	r.Success, r.Took = proof.SuccessRate(within), decided(within)
	for _, run := range f.Runs {
		if !f.in(run.At) {
			continue
		}
		r.Rollbacks++
		if !run.Tested {
			r.Untested = append(r.Untested, run.ID)
		}
	}
	r.losses(f)
	r.assistance(f)
	r.weeks(f)
	return r
}

func (f *Facts) in(t time.Time) bool { return !t.IsZero() && !t.Before(f.Since) && !t.After(f.Now) }

// units counts, and weighs each by its tier and by how often it is deployed: what is deployed often has to go back often.
func (r *Report) units(all []Unit) {
	var tested, of float64
	for i := range all {
		u := &all[i]
		switch u.Alone {
		case "yes":
			r.Reversible++
		case "no":
		default:
			r.Unknown++
		}
		weight := float64(4-min(max(u.Standing.Tier, 1), 3)) * float64(1+u.Deployments)
		of += weight
		if u.Standing.Tested() {
			r.Tested++
			tested += weight
		}
	}
	if of > 0 {
		share := tested / of
		r.Coverage = &share
	}
}

// decided measures from the plan on: what it takes a person to decide is part of what an incident lasts.
func decided(records []proof.Record) proof.Lengths {
	moved := slices.Clone(records)
	for i := range moved {
		moved[i].Times.Approved = moved[i].Times.Decided
	}
	return proof.Took(moved)
}

func (r *Report) losses(f *Facts) {
	n, seen := map[string]int{}, map[[2]string]bool{}
	for _, l := range f.Losses {
		if id := [2]string{l.Proof, l.Rule}; f.in(l.At) && !seen[id] {
			seen[id] = true
			n[l.Rule]++
		}
	}
	for rule, n := range n {
		r.Lost = append(r.Lost, Cause{rule, n})
		if rule == "age" {
			r.ByAge += n
		} else {
			r.ByEvent += n
		}
	}
	slices.SortFunc(r.Lost, func(a, b Cause) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Rule, b.Rule)) })
}

// assistance compares changes in which AI was found with those in which it was looked for and not found.
func (r *Report) assistance(f *Facts) {
	back := map[string]bool{}
	for _, run := range f.Runs {
		for _, id := range run.Changes {
			back[id] = true
		}
	}
	var tagged, untagged int
	for _, c := range f.Changes {
		gone := 0
		if back[c.ID] {
			gone = 1
		}
		switch c.Assistance {
		case "agent", "assisted":
			r.Tagged.Changes++
			tagged += gone
		case "none":
			r.Untagged.Changes++
			untagged += gone
		default:
			r.NotLooked++
		}
	}
	r.Tagged.RolledBack = proof.RateOf(tagged, r.Tagged.Changes)
	r.Untagged.RolledBack = proof.RateOf(untagged, r.Untagged.Changes)
}

// weeks are the last four, whatever the window.
func (r *Report) weeks(f *Facts) {
	for i := range 4 {
		w := Week{From: f.Now.Add(-time.Duration(4-i) * week)}
		until := w.From.Add(week)
		for _, run := range f.Runs {
			if run.At.After(w.From) && !run.At.After(until) && run.Over {
				w.Rollbacks++
				if run.Verified {
					w.Verified++
				}
			}
		}
		var within []proof.Record
		for k := range f.Records {
			if at := f.Records[k].Times.Ended; at.After(w.From) && !at.After(until) {
				within = append(within, f.Records[k])
			}
		}
		w.Longest = decided(within).Max
		r.Weeks = append(r.Weeks, w)
	}
}
