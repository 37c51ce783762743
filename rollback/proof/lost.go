package proof

import (
	"slices"
	"strings"
)

// Lost is by what a proof that once made its unit tested no longer does, as far as that is known: nil where it still counts, or
// never did. That something is not known is no loss, and neither is that another target is asked about than was proved.
func (s *Standing) Lost() []Reason {
	if s.Proof == nil || s.Earned < Required || s.Tested() {
		return nil
	}
	// What goes together now is compared with what did then, also where nobody knows it.
	alone := slices.ContainsFunc(s.Reasons, func(r Reason) bool { return r.Rule == "I5" && unsure(r.Text) })
	var out []Reason
	for _, r := range s.Reasons {
		if r.Cap < Required && r.Rule != "transfer" && !unsure(r.Text) && (r.Rule != "I5" || !alone) {
			out = append(out, r)
		}
	}
	return out
}

// unsure reports that a reason says what nobody knows, which all of this room say in these words.
func unsure(text string) bool {
	for _, words := range []string{"not known", "cannot be told", "not recorded"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
