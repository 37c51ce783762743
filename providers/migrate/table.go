package migrate

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// table is the version table of a tool.
type table struct {
	name, tool string
	system     system
}

// applied is a migration that the version table says was applied. At is zero where the tool does not keep it.
type applied struct {
	version int64
	row     int64
	at      time.Time
}

// versions is what a version table says. Mark changes with every write to it, also one that leaves it as it was before.
type versions struct {
	applied []applied // of goose, in the order in which they were
	current int64     // 0: none
	dirty   bool
	mark    string
}

// quoted is the table as it stands in SQL. Goose writes it as it is, golang-migrate quotes it.
func (t table) quoted() string {
	if t.tool == toolGoose {
		return t.name
	}
	schema, name, ok := strings.Cut(t.name, ".")
	if !ok {
		return `"` + t.name + `"`
	}
	return `"` + schema + `"."` + name + `"`
}

// bareName is the table without its schema, as the catalog holds it.
func (t table) bareName() string {
	_, name, ok := strings.Cut(t.name, ".")
	if !ok {
		name = t.name
	}
	if t.tool == toolGoose {
		if _, isSQLite := t.system.(sqlite); !isSQLite {
			name = strings.ToLower(name)
		}
	}
	return name
}

// records is our own table, beside the version table.
func (t table) records() string {
	schema, _, ok := strings.Cut(t.quoted(), ".")
	if !ok {
		return recordsTable
	}
	return schema + "." + recordsTable
}

func (t table) read(ctx context.Context, q querier) (versions, error) {
	there, err := t.system.exists(ctx, q, t.quoted())
	switch {
	case err != nil:
		return versions{}, err
	case !there:
		return versions{}, providers.Permanent(fmt.Errorf("there is no table %s: %s was never run on this database, or keeps its versions elsewhere", t.name, t.tool))
	case t.tool == toolGolang:
		return t.readGolang(ctx, q)
	}
	return t.readGoose(ctx, q)
}

func (t table) readGolang(ctx context.Context, q querier) (versions, error) {
	v := versions{mark: "none"}
	var written, file sql.NullString
	err := scan(ctx, q, "SELECT version, dirty, xmin::text, pg_relation_filenode($1)::text FROM "+t.quoted()+" LIMIT 1", func(rows *sql.Rows) error {
		return rows.Scan(&v.current, &v.dirty, &written, &file)
	}, t.quoted())
	if err == nil && written.Valid {
		v.mark = fmt.Sprintf("%d/%v/%s/%s", v.current, v.dirty, written.String, file.String)
	}
	v.current = max(v.current, 0) // -1: a way down from the first one failed, and the table says dirty
	return v, err
}

func (t table) readGoose(ctx context.Context, q querier) (versions, error) {
	var v versions
	when := "tstamp"
	if _, isPostgres := t.system.(postgres); isPostgres {
		when = "tstamp AT TIME ZONE current_setting('TimeZone')" // it is kept without a zone, in that of the session that wrote it
	}
	h := sha256.New()
	err := scan(ctx, q, "SELECT id, version_id, is_applied, "+when+" FROM "+t.quoted()+" ORDER BY id", func(rows *sql.Rows) error {
		var a applied
		var is bool
		var at sql.NullTime
		if err := rows.Scan(&a.row, &a.version, &is, &at); err != nil {
			return err
		}
		fmt.Fprintf(h, "%d %d %v\n", a.row, a.version, is)
		a.at = at.Time.UTC()
		if !at.Valid {
			a.at = time.Time{}
		}
		// Older versions of goose kept a row for each way, the last of which counts.
		v.applied = slices.DeleteFunc(v.applied, func(b applied) bool { return b.version == a.version })
		if is && a.version > 0 {
			v.applied = append(v.applied, a)
		}
		return nil
	})
	if err != nil {
		return versions{}, err
	}
	last, err := t.system.sequence(ctx, q, t.quoted())
	if n := len(v.applied); n > 0 {
		v.current = v.applied[n-1].version
	}
	v.mark = hex.EncodeToString(h.Sum(nil)[:8]) + "/" + last
	return v, err
}

// step writes down that one migration was taken back (from v to before), or applied (from before to v).
func (t table) step(ctx context.Context, q querier, v, before int64, down bool) error {
	var query string
	var args []any
	switch {
	case t.tool == toolGoose && down:
		query, args = "DELETE FROM "+t.quoted()+" WHERE version_id = "+t.system.param(1), []any{v}
	case t.tool == toolGoose:
		query, args = "INSERT INTO "+t.quoted()+" (version_id, is_applied) VALUES ("+t.system.param(1)+", "+t.system.param(2)+")", []any{v, true}
	case down:
		return t.set(ctx, q, before, false)
	default:
		return t.set(ctx, q, v, false)
	}
	_, err := q.ExecContext(ctx, query, args...)
	return err
}

// set makes golang-migrate's one row, none for 0.
func (t table) set(ctx context.Context, q querier, v int64, dirty bool) error {
	if _, err := q.ExecContext(ctx, "DELETE FROM "+t.quoted()); err != nil || v == 0 && !dirty {
		return err
	}
	if v == 0 {
		v = -1 // as the tool has it
	}
	_, err := q.ExecContext(ctx, "INSERT INTO "+t.quoted()+" (version, dirty) VALUES ($1, $2)", v, dirty)
	return err
}
