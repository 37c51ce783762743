package proof

import (
	"fmt"
	"strings"
	"time"
)

// standing is what speaks against any way back to the target now, whatever was proved, and the level that a plan gives alone.
func standing(f Facts) (reasons []Reason, valid Level) {
	add := func(a Answer, rule string, limit Level, unknown string) {
		switch {
		case a.yes():
		case a.State == "no":
			reasons = append(reasons, Reason{rule, limit, a.Text})
		default:
			reasons = append(reasons, Reason{rule, limit, trailing(unknown, a.Text)})
		}
	}
	reasons = f.probed()
	if len(reasons) == 0 || f.Runnable.State != "no" { // else it is said already
		add(f.Runnable, "I2/I4", L0, "whether the rights and the target are there is not known")
	}
	add(f.Reversible, "I3", L0, "whether it has passed a point of no return is not known")
	add(f.Coupling, "I5", L1, "what has to go back with it is not known")
	if !f.OwnersSeen {
		reasons = append(reasons, Reason{"I6", L0, "what reconciles it is not known"})
	}
	return reasons, L1
}

func trailing(text, more string) string {
	if more == "" {
		return text
	}
	return text + ": " + more
}

// against is what speaks against one proof now.
func (r Rules) against(p *Record, f *Facts) []Reason {
	if p.Outcome != Pass {
		return nil // it earned nothing that could be lost
	}
	var out []Reason
	add := func(rule string, limit Level, format string, args ...any) {
		out = append(out, Reason{rule, limit, fmt.Sprintf(format, args...)})
	}
	if why := p.Mechanism.changed(f.Mechanism); why != "" {
		add("I1", L1, "%s", why)
	}
	if !sameSet(p.Together, f.Together) {
		add("I5", L1, "it was proved %s, and goes %s now", company(p.Together), company(f.Together))
	}
	if f.OwnersSeen && !sameSet(p.Owners, f.Owners) {
		add("I6", L0, "it was reconciled by %s then, and by %s now", nobody(p.Owners), nobody(f.Owners))
	}
	switch {
	case p.Copies == 0 || f.Copies >= p.Copies:
	case f.Copies == 0:
		add("I8", L1, "it had %d copies then; how many it has now is not known", p.Copies)
	default:
		add("I8", L1, "it had %d copies then, and has %d now", p.Copies, f.Copies)
	}
	if why := transfers(p, f); why != "" {
		add("transfer", L1, "%s", why)
	}
	return append(out, r.aged(p, f)...)
}

// changed says in words what of a mechanism is another one now, "" nothing.
func (m Mechanism) changed(now Mechanism) string {
	switch {
	case !m.Known():
		return "how it went back then was not recorded"
	case !now.Known():
		return "how it would go back now is not known"
	case m.Name != now.Name || m.Version != now.Version:
		return fmt.Sprintf("it goes back in another way now: %s %s, then %s %s", now.Name, now.Version, m.Name, m.Version)
	case m.Controller != now.Controller:
		return fmt.Sprintf("what carries it out is another version now: %s, then %s", known(now.Controller), known(m.Controller))
	case m.Strategy != now.Strategy:
		return "the settings of how it goes back were changed since"
	case now.Keeps < m.Keeps:
		return fmt.Sprintf("fewer revisions are kept to come back to: %d, then %d", now.Keeps, m.Keeps)
	default:
		return ""
	}
}

// transfers says in words why a proof does not cover this way back, "" it does. One between the same two contents always does;
// another one covers only what goes as far back and over the same class of change.
func transfers(p *Record, f *Facts) string {
	switch {
	case p.From.Digest != "" && p.From.Digest == f.From.Digest && p.To.Digest != "" && p.To.Digest == f.To.Digest:
		return ""
	case p.Change == "" || f.Change == "":
		return "it was proved between other contents, and what kind of change lies between is not known"
	case p.Change != f.Change:
		return fmt.Sprintf("it was proved for another class of change: %s, now %s", p.Change, f.Change)
	case p.Distance <= 0 || f.Distance <= 0:
		return "it was proved between other contents, and how far back is not known"
	case p.Distance != f.Distance:
		return fmt.Sprintf("it was proved for %d back, and this is %d", p.Distance, f.Distance)
	default:
		return ""
	}
}

// aged is whether a proof is too old, by time or by what was deployed since.
func (r Rules) aged(p *Record, f *Facts) []Reason {
	at, allowed := p.At(), r.fresh(f.Tier)
	if at.IsZero() || f.Now.IsZero() || at.Sub(f.Now) > clockSlack {
		return []Reason{{"age", L1, "how old the last proof is cannot be told"}}
	}
	var out []Reason
	if age := f.Now.Sub(at); age > allowed {
		out = append(out, Reason{"age", L1, fmt.Sprintf("the last proof is %s old (%s allowed)", Days(age), Days(allowed))})
	}
	switch n, all := f.deployed(at); {
	case n > r.deployments():
		out = append(out, Reason{"age", L1, fmt.Sprintf("%d deployments since the last proof (%d allowed)", n, r.deployments())})
	case !all:
		out = append(out, Reason{"age", L1, "how many deployments there were since the last proof is not known"})
	}
	return out
}

// Days is a length of time in whole days, in words.
func Days(d time.Duration) string {
	n := int(d / day)
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

func company(units []string) string {
	if len(units) == 0 {
		return "alone"
	}
	return "together with " + strings.Join(units, ", ")
}

func nobody(owners []string) string {
	if len(owners) == 0 {
		return "nobody"
	}
	return strings.Join(owners, ", ")
}

func known(s string) string {
	if s == "" {
		return "not known"
	}
	return s
}
