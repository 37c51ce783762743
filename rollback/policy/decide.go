package policy

import "strings"

// Tiers of environments. Any other word counts as TierProd: what is not known to be harmless is not.
const (
	TierProd    = "prod"
	TierStaging = "staging"
	TierDev     = "dev"
)

// Facts is what a decision rests on. Units are the ids of the plan in their order, Known all unit ids that the console
// knows (for the typed name), Verdict the plan's worst verdict.
type Facts struct {
	Principal Principal
	Tier      string
	Verdict   string
	Units     []string
	Known     []string
	Missing   []string // rights or artifacts that are not there
	Untested  []string // units without a valid proof
	Destroys  []string // names of what would be destroyed
}

// refusals are the verdicts under which nothing runs, with the reason as a person reads it.
var refusals = map[string]string{
	"no-op":        "nothing to do: the unit already serves the target",
	"irreversible": "the plan is irreversible: going back would lose what cannot be restored",
	"blocked":      "the plan is blocked",
}

// Decide answers one plan. It is deterministic and knows no clock.
func Decide(f Facts) Decision {
	d := Decision{Allowed: true, Confirm: ConfirmYes, Destroys: f.Destroys}
	refuse := func(why string) { d.Allowed, d.Reasons = false, append(d.Reasons, why) }

	switch f.Principal.Kind {
	case Human, Automation:
		if f.Principal.ID == "" {
			refuse("nobody said who acts")
		}
	case Agent:
		refuse("an AI agent may plan and propose but not confirm: a person has to, in a terminal of their own")
	default:
		refuse("nobody said whether a person, an automation or an AI agent acts")
	}
	if len(f.Units) == 0 {
		refuse("the plan holds no unit")
	}
	if why, ok := refusals[f.Verdict]; ok {
		refuse(why)
	}
	for _, m := range f.Missing {
		refuse("missing: " + m)
	}

	// Unknown is never green: it is let through in no tier by one key, and never without a reason.
	unknown := f.Verdict == "unknown" || f.Verdict == ""
	if unknown {
		d.NeedsReason = true
		d.Reasons = append(d.Reasons, "whether it can go back alone is unknown: a reason is needed")
	}
	if (f.Tier != TierStaging && f.Tier != TierDev || unknown) && len(f.Units) > 0 {
		d.Confirm, d.Name = ConfirmName, ConfirmationName(f.Units, f.Known)
	}
	if !d.Allowed {
		return d // what else there is to know is no reason for a refusal
	}
	for _, u := range f.Untested {
		d.Reasons = append(d.Reasons, u+" is untested: no proof that going back works counts now")
	}
	return d
}

// ConfirmationName is what must be typed for a plan: the last segment of its first unit's id, or the whole id where
// another unit of the plan or of the known ones has the same last segment.
func ConfirmationName(units, known []string) string {
	if len(units) == 0 {
		return ""
	}
	first := units[0]
	name := last(first)
	for _, l := range [][]string{units, known} {
		for _, u := range l {
			if u != first && last(u) == name {
				return first
			}
		}
	}
	return name
}

func last(unit string) string {
	if i := strings.LastIndexAny(unit, "/:"); i >= 0 && i < len(unit)-1 {
		return unit[i+1:]
	}
	return unit
}
