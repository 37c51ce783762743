package rollback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/store"
)

// measureEvery is how often a run looks whether what it set still stands, while it waits and verifies.
const measureEvery = 30 * time.Second

// Measures reads all temporary measures that runs set, or may have set, the oldest first; those that are closed too.
func (e *Engine) Measures(ctx context.Context) ([]MeasureRun, error) {
	rows, err := e.cfg.Store.Measures(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]MeasureRun, len(rows))
	for i, row := range rows {
		if out[i], err = decodeMeasure(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Measure reads one measure.
func (e *Engine) Measure(ctx context.Context, id string) (MeasureRun, error) {
	row, err := e.cfg.Store.Measure(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return MeasureRun{}, fmt.Errorf("no measure %s, see 'backout measures list': %w", id, ErrNotFound)
	}
	if err != nil {
		return MeasureRun{}, err
	}
	return decodeMeasure(row)
}

// Probe looks at measures now, without altering any target: whether each is in force and whether its exit condition holds.
// No id means all that are not closed. What became different goes on the record, what is as before does not. What cannot be
// seen is unknown in the result, and not an error.
func (e *Engine) Probe(ctx context.Context, by policy.Principal, ids ...string) ([]MeasureRun, error) {
	all, err := e.Measures(ctx)
	if err != nil {
		return nil, err
	}
	var out []MeasureRun
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(m MeasureRun) bool { return m.ID == id }) {
			return nil, fmt.Errorf("no measure %s, see 'backout measures list': %w", id, ErrNotFound)
		}
	}
	for _, m := range all {
		if m.State.Closed() || len(ids) > 0 && !slices.Contains(ids, m.ID) {
			continue
		}
		if m, err = e.probe(ctx, m, by); err != nil {
			return out, err
		}
		out = append(out, m)
	}
	return out, nil
}

// measureLook is what is seen of a measure at one time.
type measureLook struct {
	inForce, exit Tell
	detail        string
	strange       bool // its provider is not here: whoever knows it has to look
}

// lookAt asks a measure's provider, under a deadline for each question.
func (e *Engine) lookAt(ctx context.Context, m Measure) measureLook {
	if m.Provider == drillKeeper {
		return e.lookAtDrill(ctx, m)
	}
	r, err := e.named(m.Provider)
	if err != nil {
		return measureLook{inForce: TellUnknown, exit: TellUnknown, strange: true, detail: fmt.Sprintf("provider %q is not configured here", m.Provider)}
	}
	measurer, ok := r.(Measurer)
	if !ok {
		return measureLook{inForce: TellUnknown, exit: TellUnknown, strange: true, detail: fmt.Sprintf("provider %q cannot look at measures", m.Provider)}
	}
	callCtx, cancel := context.WithTimeout(ctx, lookTimeout(r))
	defer cancel()
	inForce, detail, err := measurer.Probe(callCtx, m)
	look := measureLook{inForce: tell(inForce, err), exit: TellUnknown}
	if err != nil {
		detail = "it cannot be seen: " + err.Error()
	}
	p, ok := r.(ExitProber)
	if !ok {
		look.detail = providers.Clean(detail)
		return look
	}
	exitCtx, stop := context.WithTimeout(ctx, lookTimeout(r))
	defer stop()
	holds, why, err := p.ExitHolds(exitCtx, m)
	look.exit = tell(holds, err)
	if err != nil {
		why = "whether the exit condition holds cannot be seen: " + err.Error()
	}
	if why != "" {
		detail = strings.TrimPrefix(detail+"; "+why, "; ")
	}
	look.detail = providers.Clean(detail)
	return look
}

// probe looks at one measure and records what became different.
func (e *Engine) probe(ctx context.Context, m MeasureRun, by policy.Principal) (MeasureRun, error) {
	look := e.lookAt(ctx, m.Measure)
	if ctx.Err() != nil {
		return m, context.Cause(ctx) // called off: that says nothing of the measure
	}
	seen := m
	seen.InForce, seen.ExitHolds, seen.Detail, seen.LookedAt = look.inForce, look.exit, look.detail, e.cfg.Now().UTC()
	if look.strange || look.inForce == m.InForce && look.exit == m.ExitHolds && e.judged(m, look.inForce) == m.State {
		return seen, nil
	}
	err := e.journal(ctx, "measure", func(tx *store.Tx) error {
		now, busy, err := e.stillSo(tx, m)
		if err != nil {
			return err
		}
		// What a run or a lift did since the look counts for more, and of two that looked one records it.
		if busy || now.State != m.State || now.InForce == look.inForce && now.ExitHolds == look.exit && e.judged(now, look.inForce) == now.State {
			seen.State, seen.Lifting = now.State, now.Lifting
			return nil
		}
		now.InForce, now.ExitHolds, now.Detail, now.LookedAt = seen.InForce, seen.ExitHolds, seen.Detail, seen.LookedAt
		note := measureNote{event: "looked at", by: by, text: lookText(now, e.judged(now, look.inForce))}
		if now.State = e.judged(now, look.inForce); now.State.Closed() {
			now.EndedAt, now.Lifting = seen.LookedAt, nil
		}
		seen = now
		return e.saveMeasure(tx, now, note)
	})
	if errors.Is(err, store.ErrReadOnly) {
		err = nil // what cannot be recorded can still be told
	}
	return seen, err
}

// stillSo reads a measure once more. Busy: a run or a lift is at it, and says itself what becomes of it.
func (e *Engine) stillSo(tx *store.Tx, m MeasureRun) (now MeasureRun, busy bool, err error) {
	row, err := tx.Measure(m.ID)
	if err != nil {
		return m, false, err
	}
	if now, err = decodeMeasure(row); err != nil {
		return m, false, err
	}
	run, err := tx.Run(m.Run)
	busy = now.State == MeasureSetting && !run.Final || now.State == MeasureLifting && e.heldBy(now.Lifting)
	return now, busy, err
}

// judged is what a look makes of a measure's state.
func (e *Engine) judged(m MeasureRun, inForce Tell) MeasureState {
	switch {
	case inForce == TellYes && (m.State == MeasureElsewhere || m.State == MeasureSetting):
		return MeasureInForce
	case inForce == TellNo && m.State == MeasureInForce:
		return MeasureElsewhere
	case inForce == TellNo && m.State == MeasureLifting:
		return MeasureLifted // by what was interrupted or lost its answer
	default:
		return m.State
	}
}

func lookText(m MeasureRun, now MeasureState) string {
	text := m.What
	switch {
	case now == MeasureElsewhere && m.State != now:
		text += ": somebody else lifted it"
	case now == MeasureLifted:
		text += ": found lifted"
	case m.InForce == TellUnknown:
		text += ": whether it is in force is not known"
	case m.InForce == TellNo:
		text += ": not in force"
	default:
		text += ": in force"
	}
	switch m.ExitHolds {
	case TellYes:
		text += ", and it can be lifted"
	case TellNo:
		text += ", and may not be lifted yet"
	case TellUnknown:
		text += ", and whether it may be lifted is not known"
	}
	return strings.TrimSuffix(text+" ("+m.Detail+")", " ()")
}

// heldBy reports whether a process that may still be alive is lifting a measure.
func (e *Engine) heldBy(l *Lifting) bool {
	return l != nil && l.Holder != "" && l.Until.After(e.cfg.Now()) && (e.cfg.HolderDead == nil || !e.cfg.HolderDead(l.Holder))
}

// fallen looks now and then whether what this run set is in force, and says what is not: a rollback that somebody may be
// undoing is not verified.
func (x *execution) fallen(ctx context.Context) (bad []string) {
	due := x.probed.IsZero() || time.Since(x.probed) >= measureEvery
	for i := range x.run.Measures {
		m := &x.run.Measures[i]
		if m.State.Closed() || m.Provider == drillKeeper { // that the unit serves its target is looked at anyway
			continue
		}
		if due {
			x.probed = time.Now()
			again, err := x.e.probe(ctx, *m, x.run.By.By)
			if err != nil {
				bad = append(bad, fmt.Sprintf("measure %s: unknown (%v)", m.ID, err))
				continue
			}
			*m = again
		}
		switch {
		case m.State == MeasureElsewhere:
			bad = append(bad, fmt.Sprintf("measure %s: somebody else lifted it, so the rollback may be undone: %s", m.ID, m.What))
		case m.InForce != TellYes:
			bad = append(bad, fmt.Sprintf("measure %s: whether it is in force is %s (%s)", m.ID, or(string(m.InForce), "unknown"), m.Detail))
		}
	}
	return bad
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
