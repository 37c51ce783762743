package rollback

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/backout-dev/backout/providers"
)

// suspend puts before a unit's own steps what has to be done to the reconcilers above it, as far as other providers know of
// any, and makes the measures whole that its own provider described.
func (e *Engine) suspend(ctx context.Context, obs Observation, to Revision, p *Proposal) error {
	own := providerOf(obs.Unit.ID)
	for i := range p.Measures {
		p.Measures[i].Unit, p.Measures[i].Provider = obs.Unit.ID, own
	}
	for i := range p.Steps {
		p.Steps[i].Provider = ""
	}
	names := make([]string, 0, len(e.cfg.Reversers))
	for name := range e.cfg.Reversers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, provider := range slices.Backward(names) { // each goes before what is there
		s, ok := e.cfg.Reversers[provider].(Suspender)
		if !ok || provider == own {
			continue
		}
		callCtx, cancel := context.WithTimeout(ctx, lookTimeout(e.cfg.Reversers[provider]))
		more, err := s.Suspend(callCtx, obs, to)
		cancel()
		if ctx.Err() != nil {
			return fmt.Errorf("plan %s back to %s: %w", obs.Unit.ID, name(to), context.Cause(ctx))
		}
		if err != nil { // a reconciler that cannot be asked must not keep anybody from going back, but is not well either
			p.Unseen = append(slices.Clone(p.Unseen), providers.Clean(fmt.Sprintf("whether %s would undo it is not known: %v", provider, err)))
			continue
		}
		more.into(p, obs, provider)
	}
	return nil
}

// into puts a suspension before a proposal's own steps.
func (s Suspension) into(p *Proposal, obs Observation, provider string) {
	steps, measures := slices.Clone(s.Steps), slices.Clone(s.Measures)
	for i := range steps {
		steps[i].From, steps[i].To, steps[i].Provider = obs.Current.Digest, obs.Current.Digest, provider
		steps[i].Measure = provider + "/" + steps[i].Measure
	}
	for i := range measures {
		m := &measures[i]
		m.ID, m.Unit, m.Provider = provider+"/"+m.ID, obs.Unit.ID, provider
	}
	p.Steps, p.Measures = append(steps, p.Steps...), append(measures, p.Measures...)
	p.NotRestored = append(slices.Clone(p.NotRestored), s.NotRestored...)
	p.Missing = append(slices.Clone(p.Missing), s.Missing...)
	p.Warnings = append(slices.Clone(p.Warnings), s.Warnings...)
	if p.LastingFix == "" {
		p.LastingFix = s.LastingFix
	}
}
