package proof

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A way back that only one person ever went is that person's knowledge, not the team's.
const (
	crewSpan = 180 * day // how long an execution says who can do it
	crewSize = 2         // how many people have to have done it
)

// Crew is who went a way back lately, with success: people, not what runs by itself.
type Crew struct {
	People []string `json:"people,omitempty"`
	// Outsider is one of them who does not own the unit, "" none, or nobody knows.
	Outsider string `json:"outsider,omitempty"`
	// Enough: there are two of them, and one does not own the unit. Why is what is missing, in words.
	Enough bool   `json:"enough"`
	Why    string `json:"why,omitempty"`
}

// crew judges who did it. Owners are the people who own the unit; nil is that nobody said who they are.
func crew(mine []Record, owners []string, now time.Time) Crew {
	var c Crew
	for i := range mine {
		r := &mine[i]
		who := r.People.Executor
		if r.Outcome != Pass || who == "" || r.People.ExecutorKind != "human" || now.Sub(r.At()) > crewSpan || slices.Contains(c.People, who) {
			continue
		}
		c.People = append(c.People, who)
		if owners != nil && c.Outsider == "" && !slices.ContainsFunc(owners, func(o string) bool { return samePerson(o, who) }) {
			c.Outsider = who
		}
	}
	slices.Sort(c.People)
	switch {
	case len(c.People) == 0:
		c.Why = "no person has done it within 180 days"
	case len(c.People) < crewSize:
		c.Why = fmt.Sprintf("only %s has done it within 180 days: %d people are asked for, one of them no owner", c.People[0], crewSize)
	case owners == nil:
		c.Why = "whether one of those who did it does not own it is not known: say who owns it (proofs.owners)"
	case c.Outsider == "":
		c.Why = "only those who own it have done it within 180 days: " + strings.Join(c.People, ", ")
	default:
		c.Enough = true
	}
	return c
}

// samePerson compares who is named in a configuration, maybe without a host, with who did something.
func samePerson(named, who string) bool {
	short, _, _ := strings.Cut(who, "@")
	return strings.EqualFold(named, who) || strings.EqualFold(named, short)
}
