package rollback

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// part is one unit of the set that has to go back together.
type part struct {
	id       UnitID
	choice   choice
	findings []Finding
}

// set is the closure of the units that were asked for under what couples them. Over names what did not fit the cap.
type set struct {
	parts []part
	over  []UnitID
}

func (s *set) has(id UnitID) bool {
	return slices.ContainsFunc(s.parts, func(p part) bool { return p.id == id })
}

// forward reports that every unit goes to what backout once took it back from.
func (s *set) forward() bool {
	return !slices.ContainsFunc(s.parts, func(p part) bool { return !p.choice.forward })
}

func (s *set) ids() []UnitID {
	out := make([]UnitID, len(s.parts))
	for i, p := range s.parts {
		out[i] = p.id
	}
	return out
}

// gather starts with the units asked for and adds every unit that a finding couples to the set, until nothing is added
// or the cap is reached.
func (w *world) gather(req Request, primary []UnitID, limit int) (*set, error) {
	s := &set{}
	for i, id := range primary {
		if err, bad := w.errs[id]; bad {
			return nil, err
		}
		ch := w.locate(id, req.Change)
		to := w.before(id, &ch)
		if i == 0 && req.To != "" {
			to = req.To
		}
		if err := w.choose(id, &ch, to); err != nil {
			return nil, err
		}
		s.parts = append(s.parts, part{id: id, choice: ch})
	}
	if s.forward() {
		for i := range s.parts {
			s.parts[i].findings = w.ahead(s.parts[i].id, s.parts[i].choice, s.ids())
			w.config(s.parts[i].id, s.parts[i].choice) // for its order
		}
		return s, nil // nothing is brought along: what did not go back has nowhere to go forward to
	}
	for i := range s.parts {
		s.parts[i] = w.assess(s.parts[i].id, s.parts[i].choice, req.Change)
	}
	for i := 0; i < len(s.parts); i++ {
		p := s.parts[i]
		for _, f := range p.findings {
			if f.Verdict != Coupled {
				continue
			}
			for _, v := range f.Units {
				w.join(s, p, v, limit)
			}
		}
	}
	w.disagree(s)
	return s, nil
}

// join adds a unit that has to go back with p.
func (w *world) join(s *set, p part, v UnitID, limit int) {
	if s.has(v) || slices.Contains(s.over, v) {
		return
	}
	if len(s.parts) >= limit {
		s.over = append(s.over, v)
		return
	}
	u := w.unit(v)
	ch := choice{revs: revisions(w.obs[v]), found: true, target: -1}
	if at := w.bears(u, w.identify(p.id, p.choice, nil)); at >= 0 {
		ch.culprit = at
	} else if start := since(p.choice.taken()); !start.IsZero() {
		for i, r := range ch.revs {
			if !r.Since.IsZero() && !r.Since.Before(start) {
				ch.culprit = i
			}
		}
	}
	if err := w.choose(v, &ch, w.wanted[v]); err != nil {
		s.parts = append(s.parts, part{id: v, choice: ch, findings: []Finding{{
			Rule: ruleClosure, Verdict: Blocked, Units: []UnitID{p.id},
			Text: fmt.Sprintf("it has to go back with %s, but there is nowhere to go: %v", p.id, err),
		}}})
		return
	}
	s.parts = append(s.parts, w.assess(v, ch, nil))
}

// assess runs all rules on one unit. There is nothing to couple where there is nothing to do.
func (w *world) assess(id UnitID, ch choice, c *providers.Change) part {
	p := part{id: id, choice: ch, findings: w.judge(id, ch, c)}
	if len(ch.taken()) == 0 {
		return p
	}
	p.findings = append(p.findings, w.shared(id, ch, c)...)
	p.findings = append(p.findings, w.bound(id, ch, nil)...)
	p.findings = append(p.findings, w.config(id, ch)...)
	p.findings = append(p.findings, w.contracts(id, ch)...)
	p.findings = append(p.findings, w.minimum(id, ch)...)
	p.findings = append(p.findings, w.crossing(id, ch)...)
	p.findings = append(p.findings, w.flags(id, ch)...)
	p.findings = append(p.findings, w.readers(id, ch)...)
	p.findings = append(p.findings, w.effects(id, ch)...)
	p.findings = append(p.findings, w.undeclared()...)
	p.findings = append(p.findings, w.age(id, ch, p.findings)...)
	return p
}

// select checks what the person picked against what has to go together.
func (s *set) allowed(only []UnitID) error {
	if len(only) == 0 {
		return nil
	}
	for _, id := range only {
		if !s.has(id) {
			return fmt.Errorf("%s is not part of this plan: %w", id, ErrNotFound)
		}
	}
	var errs []error
	for _, p := range s.parts {
		if slices.Contains(only, p.id) {
			for _, f := range p.findings {
				if f.Verdict == Coupled && slices.ContainsFunc(f.Units, func(u UnitID) bool { return !slices.Contains(only, u) }) {
					errs = append(errs, fmt.Errorf("%s: %s (%s): %w", p.id, f.Text, f.Rule, ErrNotAlone))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// overflow is the finding for a set that is larger than the cap.
func (s *set) overflow(limit int) Finding {
	var names []string
	for _, id := range append(s.ids(), s.over...) {
		names = append(names, string(id))
	}
	return Finding{
		Rule: ruleClosure, Verdict: Blocked, Units: append(s.ids(), s.over...), Evidence: strings.Join(names, ", "),
		Text: fmt.Sprintf("not independently reversible: %d units hang together, and one plan takes at most %d; "+
			"turn a flag off, shift traffic, or roll forward", len(names), limit),
	}
}
