package rollback

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// DestroyedName is what an entry of [Proposal.Destroys] is called where it has to be named: what stands before its first
// comma, as one word that a shell takes as it is. "PVC shop/data, which v1 does not have" is "pvc/shop/data".
func DestroyedName(entry string) string {
	name, _, _ := strings.Cut(entry, ",")
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-:@%+", r) {
			return unicode.ToLower(r)
		}
		return '-'
	}, strings.Join(strings.Fields(name), "/"))
}

// Destroyed names what the plan destroys, each thing once, in the order of the plan. Two units that destroy something of the
// same name have theirs before it.
func (p *Plan) Destroyed() []string {
	of := map[string]map[UnitID]bool{}
	for i := range p.Units {
		for _, entry := range p.Units[i].Destroys {
			n := DestroyedName(entry)
			if of[n] == nil {
				of[n] = map[UnitID]bool{}
			}
			of[n][p.Units[i].Unit.ID] = true
		}
	}
	var names []string
	for i := range p.Units {
		for _, entry := range p.Units[i].Destroys {
			n := DestroyedName(entry)
			if len(of[n]) > 1 {
				n = string(p.Units[i].Unit.ID) + "/" + n
			}
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// agreed refuses a confirmation that does not name each thing that would be destroyed, or that names what would not be:
// whoever gave it saw something else.
func agreed(destroyed, named []string) error {
	given := make([]string, len(named))
	for i, n := range named {
		given[i] = DestroyedName(n)
	}
	var missing []string
	for _, n := range destroyed {
		if !slices.Contains(given, DestroyedName(n)) {
			missing = append(missing, "--destroy "+n)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: it destroys what this would not bring back: name each thing that may go: %s (a console asks for it)", ErrRefused, strings.Join(missing, " "))
	}
	for i, n := range given {
		if !slices.ContainsFunc(destroyed, func(d string) bool { return DestroyedName(d) == n }) {
			return fmt.Errorf("%w: the plan does not destroy %q, so another one was meant: look at it again", ErrRefused, named[i])
		}
	}
	return nil
}
