package migrate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

func result(outcome rollback.Outcome, format string, args ...any) rollback.Result {
	return rollback.Result{Outcome: outcome, Detail: providers.Clean(fmt.Sprintf(format, args...))}
}

// failure is why nothing more is done; its result is final.
type failure struct{ rollback.Result }

func (f failure) Error() string { return f.Detail }

func fail(outcome rollback.Outcome, format string, args ...any) error {
	return failure{result(outcome, format, args...)}
}

// Apply implements rollback.Reverser. All of a way is one transaction, together with the look at what is there and the mark of the
// operation. A file that the tool runs without a transaction is executed alone, and judged by the live schema.
func (p *Provider) Apply(ctx context.Context, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	if ctx.Err() != nil {
		return result(rollback.Failed, "nothing was done: there was no time left"), nil
	}
	if err := p.known(step.Unit); err != nil || step.Action != actionDown && step.Action != actionUp {
		return result(rollback.Failed, "nothing was done: %q on %s is no step of this provider", step.Action, step.Unit), nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.set.ApplyTimeout)
	defer cancel()
	conn, err := p.db.Conn(ctx)
	if err != nil {
		return result(rollback.OutcomeUnknown, "the database does not answer: %v", err), nil
	}
	defer func() {
		// A migration may have altered the session, so nobody else gets it; what it holds goes with it.
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}()
	res, err := p.inside(ctx, conn, op, step)
	var f failure
	switch {
	case errors.As(err, &f):
		return f.Result, nil
	case err != nil:
		return p.broken(err), nil
	}
	return res, nil
}

// broken says what an error of the database means while nothing was committed.
func (p *Provider) broken(err error) rollback.Result {
	if code, text, ok := p.system.refused(err); ok {
		if code == "55P03" { // lock_timeout
			text += " (somebody else holds it: wait, or find out who)"
		}
		return result(rollback.Failed, "nothing was done, all of it was taken back: %s", text)
	}
	return result(rollback.OutcomeUnknown, "the database gave no answer: %v", err)
}

// inside does a step in one transaction, or hands it on where it cannot be one.
func (p *Provider) inside(ctx context.Context, conn *sql.Conn, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return rollback.Result{}, err
	}
	defer func() { _ = tx.Rollback() }()
	if err := p.system.limits(ctx, tx, p.set.LockTimeout, p.set.StatementTimeout, false); err != nil {
		return rollback.Result{}, err
	}
	if err := p.system.hold(ctx, tx, p.table, false); err != nil {
		return rollback.Result{}, err
	}
	s, m, err := p.fit(ctx, tx, op, step)
	if err != nil {
		return rollback.Result{}, err
	}
	if !m.whole() {
		if err := tx.Rollback(); err != nil {
			return rollback.Result{}, err
		}
		return p.outside(ctx, conn, op, step)
	}
	r := p.started(s, op, step, m)
	for i, w := range m.ways() {
		if err := p.statements(ctx, tx, w); err != nil {
			return rollback.Result{}, err
		}
		if err := p.table.step(ctx, tx, m.steps[i].version, m.left[i], m.down); err != nil {
			return rollback.Result{}, err
		}
	}
	after, err := p.settled(ctx, tx, m)
	if err != nil {
		return rollback.Result{}, err
	}
	r.ended, r.after = p.env.Now(), after.token()
	if err := p.write(ctx, tx, r); err != nil {
		return rollback.Result{}, err
	}
	if err := tx.Commit(); err != nil {
		if _, _, refused := p.system.refused(err); refused {
			return rollback.Result{}, err
		}
		return rollback.Result{}, fail(rollback.OutcomeUnknown, "whether it was committed is not known: %v", err)
	}
	return rollback.Result{Outcome: rollback.Applied, Token: r.after, Detail: "the schema is at " + m.to.Label + ", " + plainly(m)}, nil
}

func plainly(m path) string {
	if len(m.steps) == 1 {
		return "by " + m.steps[0].gone(m.down)
	}
	return fmt.Sprintf("by %d files in one transaction", len(m.steps))
}

// fit looks, with the locks held, whether all is as the plan saw it.
func (p *Provider) fit(ctx context.Context, q querier, op rollback.Operation, step rollback.Step) (*state, path, error) {
	s, err := p.within(ctx, q, true)
	if err != nil {
		return nil, path{}, err
	}
	if err := s.compare(op, step); err != nil {
		return nil, path{}, err
	}
	m, ok := s.way(step.To)
	switch {
	case !ok || m.action() != step.Action || m.digest() != step.Args["sql"]:
		return nil, path{}, fail(rollback.PreconditionFailed, "nothing was done: the migration files are not those that the plan showed: plan again")
	case len(m.missing()) > 0:
		return nil, path{}, fail(rollback.Failed, "nothing was done: %s", strings.Join(m.missing(), "; "))
	}
	long, _, err := p.system.long(ctx, q, s.shape.touched(m.ways()), p.set.LongTransaction)
	if err == nil && len(long) > 0 {
		err = fail(rollback.Failed, "nothing was done: %s", providers.Few(long, 3))
	}
	return s, m, err
}

// compare is the condition of an apply: nobody was there since the plan, but the operation itself.
func (s *state) compare(op rollback.Operation, step rollback.Step) error {
	token, half := s.token(), false
	for _, r := range s.records {
		switch {
		case r.op != op.ID || r.step != step.N:
		case r.ended.IsZero():
			token, half = r.before, true
		case r.after == token:
			return failure{rollback.Result{Outcome: rollback.AlreadyApplied, Token: token, Detail: "this operation did that already: the schema is at " + s.listed().Label}}
		default:
			return fail(rollback.PreconditionFailed, "nothing was done: this operation did that already, and the schema was changed since")
		}
	}
	switch {
	case token != step.Token:
		return fail(rollback.PreconditionFailed, "nothing was done: it is not what the plan saw: version %d now, schema %s", s.v.current, brief(s.print))
	case s.v.dirty && !half:
		return fail(rollback.PreconditionFailed, "nothing was done: the version table says dirty")
	}
	return nil
}

func (p *Provider) started(s *state, op rollback.Operation, step rollback.Step, m path) record {
	return record{
		op: op.ID, step: step.N, began: p.env.Now(), from: step.From, to: step.To, before: s.token(), title: m.title(), shapeAsWas: s.print,
	}
}

// statements executes one way.
func (p *Provider) statements(ctx context.Context, q querier, w way) error {
	for i, text := range w.stmts {
		if _, err := q.ExecContext(ctx, text); err != nil {
			code, said, ok := p.system.refused(err)
			if !ok {
				return err
			}
			if code == "55P03" {
				said += ": somebody else holds a lock on it for longer than " + p.set.LockTimeout.String()
			}
			return fail(rollback.Failed, "nothing was done, all of it was taken back: %s, line %d: %s", w.file, w.line[i], said)
		}
	}
	return nil
}

// settled looks what came of it before it is committed. What does not lead to the schema that was live there is not kept.
func (p *Provider) settled(ctx context.Context, q querier, m path) (*state, error) {
	if _, ok := p.system.(postgres); ok {
		if _, err := q.ExecContext(ctx, "RESET search_path"); err != nil {
			return nil, err
		}
	}
	after, err := p.within(ctx, q, true)
	if err != nil {
		return nil, err
	}
	if after.listed().Digest != m.to.Digest {
		return nil, fail(rollback.Failed, "nothing was done, all of it was taken back: the version table would have said %s, not %s", after.listed().Label, m.to.Label)
	}
	was, err := p.recalled(ctx, m.to.Digest)
	if err != nil || was.Print == "" || was.Print == after.print || p.accepted(after.print) {
		return after, err
	}
	text := ""
	if d := p.differs(ctx, after, was.Print); d != "" {
		text = ": " + d
	}
	return nil, fail(rollback.Failed, "nothing was done, all of it was taken back: it does not lead to the schema that was live at %s%s. Accept %s in the settings if that is meant", m.to.Label, text, brief(after.print))
}
