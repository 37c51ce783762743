package exec

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// plainText refuses what would have to be altered to be shown: names, tokens and arguments are given back to the program
// exactly as they came.
func plainText(what, s string) error {
	if providers.Clean(s) != s {
		return fmt.Errorf("%s %q holds control characters, or more than %d bytes", what, providers.Clean(s), providers.MaxText)
	}
	return nil
}

// checkUnit completes a unit. An id may leave out the provider, which the program need not know.
func (c *core) checkUnit(u *rollback.Unit) error {
	if !strings.HasPrefix(string(u.ID), c.name+":") {
		u.ID = rollback.UnitID(c.name + ":" + string(u.ID))
	}
	scope, name, ok := strings.Cut(strings.TrimPrefix(string(u.ID), c.name+":"), "/")
	if err := plainText("unit id", string(u.ID)); err != nil {
		return err
	}
	if !ok || scope == "" || name == "" || strings.ContainsRune(scope, ':') {
		return fmt.Errorf("unit id %q: it reads scope/name", u.ID)
	}
	switch u.CAS {
	case rollback.CASAtomic, rollback.CASNone:
	case "":
		u.CAS = rollback.CASNone // what is not promised is not there
	default:
		return fmt.Errorf("cas %q is neither atomic nor none", providers.Clean(string(u.CAS)))
	}
	u.Kind, u.Service = cmp.Or(providers.Clean(u.Kind), "program"), providers.Clean(u.Service)
	u.Environment = cmp.Or(providers.Clean(u.Environment), c.environment)
	return nil
}

func (c *core) checkObservation(o *rollback.Observation, unit rollback.UnitID) error {
	if o.Unit.ID == "" {
		o.Unit.ID = unit
	}
	if err := c.checkUnit(&o.Unit); err != nil {
		return err
	}
	if o.Unit.ID != unit {
		return fmt.Errorf("asked for %s, it answered about %s", unit, o.Unit.ID)
	}
	if o.Token == "" {
		return errors.New("the token is empty")
	}
	for what, s := range map[string]string{"token": o.Token, "stamp": o.Stamp} {
		if err := plainText(what, s); err != nil {
			return err
		}
	}
	o.At = c.now().UTC() // when it was seen is ours to say
	o.InFlight = providers.Clean(o.InFlight)
	cleanAll(o.Owners)
	cleanAll(o.References)
	if err := checkRevision(&o.Current); err != nil {
		return fmt.Errorf("current: %w", err)
	}
	for i := range o.History {
		if err := checkRevision(&o.History[i]); err != nil {
			return fmt.Errorf("history: %w", err)
		}
	}
	return nil
}

func checkRevision(r *rollback.Revision) error {
	if !digest.MatchString(r.Digest) {
		return fmt.Errorf("digest %q is not sha256: and 64 hex digits", providers.Clean(r.Digest))
	}
	r.Commit = providers.Clean(r.Commit)
	cleanAll(r.Good)
	r.Since, r.Until = r.Since.UTC(), r.Until.UTC()
	return plainText("label", r.Label)
}

func checkProposal(p *rollback.Proposal, obs rollback.Observation, to rollback.Revision) error {
	if len(p.Steps) == 0 && len(p.Missing) == 0 {
		return errors.New("no steps, and nothing that is missing")
	}
	seen := map[int]bool{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Unit == "" {
			s.Unit = obs.Unit.ID
		}
		s.Action, s.Title = providers.Clean(s.Action), providers.Clean(s.Title)
		s.From, s.To, s.Token = cmp.Or(s.From, obs.Current.Digest), cmp.Or(s.To, to.Digest), cmp.Or(s.Token, obs.Token)
		switch {
		case s.Unit != obs.Unit.ID:
			return fmt.Errorf("step %d is for %s, not for %s", s.N, s.Unit, obs.Unit.ID)
		case seen[s.N]:
			return fmt.Errorf("two steps have the number %d", s.N)
		case s.Title == "":
			return fmt.Errorf("step %d has no title", s.N)
		}
		seen[s.N] = true
		if err := checkArgs(s); err != nil {
			return err
		}
	}
	if n := len(p.Steps); n > 0 && (p.Steps[0].From != obs.Current.Digest || p.Steps[n-1].To != to.Digest || p.Steps[0].Token != obs.Token) {
		return errors.New("the steps do not lead from what was observed to what was asked for")
	}
	for _, l := range [][]string{p.Destroys, p.NotRestored, p.Missing, p.Warnings} {
		cleanAll(l)
	}
	p.Diff, p.Blast = cleanDiff(p.Diff), providers.Clean(p.Blast)
	p.Estimate = max(p.Estimate, 0)
	return nil
}

func checkArgs(s *rollback.Step) error {
	for k, v := range s.Args {
		if err := errors.Join(plainText("argument", k), plainText("argument", v)); err != nil {
			return err
		}
	}
	for what, v := range map[string]string{"from": s.From, "to": s.To, "token": s.Token} {
		if err := plainText(what, v); err != nil {
			return err
		}
	}
	return nil
}

const maxDiff = 64 << 10

// cleanDiff cleans a diff line by line and cuts what is long.
func cleanDiff(diff string) string {
	var b strings.Builder
	for line := range strings.Lines(diff) {
		line = providers.Clean(strings.TrimRight(line, "\r\n"))
		if b.Len()+len(line) > maxDiff {
			b.WriteString("... cut\n")
			break
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func cleanAll(l []string) {
	for i, s := range l {
		l[i] = providers.Clean(s)
	}
}
