package migrate

import (
	"context"
	"database/sql"
	"time"
)

// recordsTable is our own table in the database. The mark of an operation stands there in the same transaction as its effect.
const recordsTable = "backout_operations"

// record is one step of one operation. Times are of this program's clock, in UTC.
type record struct {
	op         string
	step       int
	began      time.Time
	ended      time.Time // zero: it was begun outside a transaction, and nobody has said how it ended
	from, to   string    // digests of revisions
	before     string    // tokens
	after      string
	title      string
	shapeAsWas string // the fingerprint before it
}

const recordColumns = "op, step, began, ended, revision_from, revision_to, token_before, token_after, title, schema_before"

// records reads what operations left behind, the newest first; none where the table is not there.
func (p *Provider) records(ctx context.Context, q querier) ([]record, error) {
	there, err := p.system.exists(ctx, q, p.table.records())
	if err != nil || !there {
		return nil, err
	}
	var out []record
	err = scan(ctx, q, "SELECT "+recordColumns+" FROM "+p.table.records()+" WHERE unit = "+p.system.param(1)+" ORDER BY began DESC LIMIT 500", func(rows *sql.Rows) error {
		var r record
		var began, ended string
		if err := rows.Scan(&r.op, &r.step, &began, &ended, &r.from, &r.to, &r.before, &r.after, &r.title, &r.shapeAsWas); err != nil {
			return err
		}
		r.began, _ = time.Parse(time.RFC3339Nano, began)
		r.ended, _ = time.Parse(time.RFC3339Nano, ended)
		out = append(out, r)
		return nil
	}, p.table.name)
	return out, err
}

// write puts a record down, in place of an earlier one of the same step.
func (p *Provider) write(ctx context.Context, q querier, r record) error {
	t := p.table.records()
	there, err := p.system.exists(ctx, q, t)
	if err != nil {
		return err
	}
	if !there {
		_, err := q.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS "+t+` (unit text NOT NULL, op text NOT NULL, step integer NOT NULL, began text NOT NULL, ended text NOT NULL,
revision_from text NOT NULL, revision_to text NOT NULL, token_before text NOT NULL, token_after text NOT NULL, title text NOT NULL, schema_before text NOT NULL,
PRIMARY KEY (unit, op, step))`)
		if err != nil {
			return err
		}
	}
	n := p.system.param
	if _, err := q.ExecContext(ctx, "DELETE FROM "+t+" WHERE unit = "+n(1)+" AND op = "+n(2)+" AND step = "+n(3), p.table.name, r.op, r.step); err != nil {
		return err
	}
	params := n(1)
	for i := 2; i <= 11; i++ {
		params += ", " + n(i)
	}
	_, err = q.ExecContext(ctx, "INSERT INTO "+t+" (unit, "+recordColumns+") VALUES ("+params+")",
		p.table.name, r.op, r.step, stamp(r.began), stamp(r.ended), r.from, r.to, r.before, r.after, r.title, r.shapeAsWas)
	return err
}

// stamp is a time of which the text sorts as the time does; "" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z07:00")
}
