package migrate

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/backout-dev/backout/rollback"
)

// outside executes the one file that runs without a transaction. That it began is written down first, and how it ended after, so
// that whoever comes later knows that it may be half done; the version is written only with the end.
func (p *Provider) outside(ctx context.Context, conn *sql.Conn, op rollback.Operation, step rollback.Step) (rollback.Result, error) {
	if err := p.system.limits(ctx, conn, p.set.LockTimeout, p.set.StatementTimeout, true); err != nil {
		return rollback.Result{}, err
	}
	if err := p.system.hold(ctx, conn, p.table, true); err != nil {
		return rollback.Result{}, err
	}
	defer p.letGo(ctx, conn)
	s, m, err := p.fit(ctx, conn, op, step)
	if err != nil {
		return rollback.Result{}, err
	}
	r := p.started(s, op, step, m)
	for _, before := range s.records {
		if before.ended.IsZero() {
			if before.op != op.ID || before.step != step.N {
				return rollback.Result{}, fail(rollback.PreconditionFailed, "nothing was done: %s", p.half(s, before))
			}
			if res, over, err := p.resume(ctx, conn, s, before, m); over || err != nil {
				return res, err
			}
			r = before
		}
	}
	err = p.transact(ctx, conn, func(q querier) error {
		if err := p.mark(ctx, q, s.v.current, true); err != nil {
			return err
		}
		return p.write(ctx, q, r)
	})
	if err != nil {
		return rollback.Result{}, err
	}
	for i, text := range m.ways()[0].stmts {
		if _, err := conn.ExecContext(ctx, text); err != nil {
			return p.stopped(ctx, conn, r, m, i, err)
		}
	}
	return p.finish(ctx, conn, r, m)
}

// letGo gives the locks of the session back. The server would do that with the connection's end, but not before somebody looks.
func (p *Provider) letGo(ctx context.Context, conn *sql.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = p.system.release(ctx, conn) // where the connection is gone, they go with it
}

// mark has golang-migrate refuse to go on while a file is under way, as it would have itself. Goose knows no such mark.
func (p *Provider) mark(ctx context.Context, q querier, version int64, dirty bool) error {
	if p.set.Tool != toolGolang {
		return nil
	}
	return p.table.set(ctx, q, version, dirty)
}

// resume looks whether a step that was begun before came to its end. Over: there is nothing more to do.
func (p *Provider) resume(ctx context.Context, conn *sql.Conn, s *state, r record, m path) (res rollback.Result, over bool, err error) {
	was, err := p.recalled(ctx, m.to.Digest)
	shows := true
	m.ways()[0].effects(func(_ int, _ statement, e effect) { shows = shows && e.shape && len(e.destroys) == 0 })
	switch {
	case err != nil || s.print == r.shapeAsWas && shows:
		return rollback.Result{}, false, err // nothing of it was done: all that it does would show
	case s.print != r.shapeAsWas && was.Print == s.print && shows:
		res, err = p.finish(ctx, conn, r, m)
		return res, true, err
	}
	return result(rollback.OutcomeUnknown, "%s", p.half(s, r)), true, nil
}

// stopped judges a failure by the live schema.
func (p *Provider) stopped(ctx context.Context, conn *sql.Conn, r record, m path, n int, cause error) (rollback.Result, error) {
	said := cause.Error()
	_, text, refused := p.system.refused(cause)
	if refused {
		said = text
	}
	where := fmt.Sprintf("%s, line %d: %s", m.steps[0].gone(m.down), m.ways()[0].line[n], said)
	s, err := p.within(ctx, conn, true)
	switch {
	case err != nil || !refused:
		return result(rollback.OutcomeUnknown, "%d of %d statements were executed, then %s", n, len(m.ways()[0].stmts), where), nil
	case n == 0 && s.print == r.shapeAsWas:
		err := p.transact(ctx, conn, func(q querier) error {
			if err := p.mark(ctx, q, s.v.current, false); err != nil {
				return err
			}
			_, err := q.ExecContext(ctx, "DELETE FROM "+p.table.records()+" WHERE unit = "+p.system.param(1)+" AND op = "+p.system.param(2)+" AND step = "+p.system.param(3), p.table.name, r.op, r.step)
			return err
		})
		if err == nil {
			return result(rollback.Failed, "nothing was done: %s", where), nil
		}
	}
	return result(rollback.OutcomeUnknown, "half done, and not taken back: %d of %d statements were executed, then %s", n, len(m.ways()[0].stmts), where), nil
}

// finish writes the version down, with how it ended.
func (p *Provider) finish(ctx context.Context, conn *sql.Conn, r record, m path) (rollback.Result, error) {
	if _, ok := p.system.(postgres); ok {
		if _, err := conn.ExecContext(ctx, "RESET search_path"); err != nil {
			return result(rollback.OutcomeUnknown, "all was executed, and its version not written down: %v", err), nil
		}
	}
	err := p.transact(ctx, conn, func(q querier) error {
		if err := p.table.step(ctx, q, m.steps[0].version, m.left[0], m.down); err != nil {
			return err
		}
		after, err := p.within(ctx, q, true)
		if err != nil {
			return err
		}
		r.ended, r.after = p.env.Now(), after.token()
		return p.write(ctx, q, r)
	})
	if err != nil {
		return result(rollback.OutcomeUnknown, "all was executed, and its version not written down: %v", err), nil
	}
	return rollback.Result{Outcome: rollback.Applied, Token: r.after, Detail: "the schema is at " + m.to.Label + ", by " + m.steps[0].gone(m.down) + ", without a transaction"}, nil
}

func (p *Provider) transact(ctx context.Context, conn *sql.Conn, do func(querier) error) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}
