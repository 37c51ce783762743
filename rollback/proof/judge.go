package proof

import (
	"cmp"
	"slices"
	"time"
)

// Reason is why a way back counts for no more than Cap. Rule is the name of the event that it lost it by ("I1" to "I9"), "age"
// or "transfer".
type Reason struct {
	Rule string `json:"rule"`
	Cap  Level  `json:"cap"`
	Text string `json:"text"`
}

// Standing is what a unit's way back counts for now. Proof is the execution that this rests on, or the one that would count
// if it were not for Reasons; nil where it was never executed.
type Standing struct {
	Level   Level    `json:"level"`
	Earned  Level    `json:"earned"` // what Proof reached on its day
	Proof   *Record  `json:"proof,omitempty"`
	Reasons []Reason `json:"reasons,omitempty"`
	Tier    int      `json:"tier"`
	Probe   *Probe   `json:"probe,omitempty"` // what looking whether the plan is valid said last; nil: nobody looked
	Crew    Crew     `json:"crew"`            // who went that way lately
}

// Tested reports whether it counts as tested: executed in production, and nothing has come between.
func (s *Standing) Tested() bool { return s.Level >= Required }

// Judge says what a unit's way back counts for, by all that was ever recorded of it and what is known now. Records of other
// units are left out. A fact that is not known never gives a higher level than any answer to it would.
func Judge(records []Record, f Facts, r Rules) Standing {
	mine := make([]Record, 0, len(records))
	for i := range records {
		if records[i].Unit == f.Unit {
			mine = append(mine, records[i])
		}
	}
	slices.SortStableFunc(mine, func(a, b Record) int { return b.At().Compare(a.At()) })
	always, valid := standing(f)
	if last := lastExecution(mine); last != nil && last.Outcome != Pass {
		always = append(always, failed(last))
	}
	always = append(always, r.people(mine)...)
	did := crew(mine, f.People, f.Now)
	if r.TwoPeople && !did.Enough && len(mine) > 0 {
		always = append(always, Reason{"people", L1, did.Why})
	}
	best := Standing{Level: capped(valid, always), Reasons: always}
	for i := range mine {
		s := Standing{Earned: mine[i].Earned(), Proof: &mine[i]}
		s.Reasons = append(slices.Clone(always), r.against(&mine[i], &f)...)
		// A plan that is valid now is no less so because an old proof does not count, unless that speaks against any way back.
		s.Level = capped(max(capped(s.Earned, s.Reasons), valid), atZero(s.Reasons))
		if best.Proof == nil || better(&s, &best) {
			best = s
		}
	}
	best.Tier, best.Crew, best.Probe = f.Tier, did, f.about()
	if best.Tier < 1 || best.Tier > 3 {
		best.Tier = 1
	}
	slices.SortStableFunc(best.Reasons, func(a, b Reason) int { return cmp.Compare(a.Cap, b.Cap) })
	return best
}

// better prefers what counts for more, then what once did; of equals the newer one stays.
func better(a, b *Standing) bool {
	return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Earned, b.Earned)) > 0
}

func capped(l Level, reasons []Reason) Level {
	for _, r := range reasons {
		l = min(l, r.Cap)
	}
	return l
}

func atZero(reasons []Reason) []Reason {
	return slices.DeleteFunc(slices.Clone(reasons), func(r Reason) bool { return r.Cap > L0 })
}

// lastExecution is the newest one that says something.
func lastExecution(newestFirst []Record) *Record {
	for i := range newestFirst {
		if newestFirst[i].Outcome != Aborted {
			return &newestFirst[i]
		}
	}
	return nil
}

func failed(last *Record) Reason {
	text := "the last time, " + last.Run + ", it failed"
	if last.Outcome == Unverified {
		text = "the last time, " + last.Run + ", nobody saw whether it served well"
	}
	return Reason{"I7", L0, text}
}

// people are what is wrong with who did it: everybody who ever did has left.
func (r Rules) people(mine []Record) []Reason {
	if len(r.Rotation) == 0 || len(mine) == 0 {
		return nil
	}
	for i := range mine {
		if mine[i].Outcome == Pass && slices.Contains(r.Rotation, mine[i].People.Executor) {
			return nil
		}
	}
	return []Reason{{"I9", L1, "nobody of those who did it is on call any more"}}
}

// clockSlack is how far in the future a proof may lie: the clocks of two hosts differ.
const clockSlack = 5 * time.Minute
