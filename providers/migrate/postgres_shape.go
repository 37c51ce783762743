package migrate

import (
	"context"
	"database/sql"
	"slices"
	"strings"
)

// The catalog is asked without a search path, so that every name in it comes with its schema. What extensions brought is theirs.
const within = ` n.nspname = ANY (string_to_array($1, E'\x1f'))
AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = o.oid AND d.deptype = 'e')`

// Each gives a line, a name and the table that it belongs to, both without a schema and empty where there is none.
var catalog = []string{
	`SELECT concat_ws(' ', 'relation', o.relkind, n.nspname || '.' || o.relname, CASE WHEN o.relkind IN ('v', 'm') THEN pg_get_viewdef(o.oid) END,
  CASE WHEN o.relkind = 'p' THEN pg_get_partkeydef(o.oid) END, CASE WHEN o.relispartition THEN pg_get_expr(o.relpartbound, o.oid) END,
  CASE WHEN o.relrowsecurity THEN 'row security' END), o.relname::text, o.relname::text
FROM pg_class o JOIN pg_namespace n ON n.oid = o.relnamespace WHERE o.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND` + within,

	`SELECT concat_ws(' ', 'column', n.nspname || '.' || o.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
  CASE WHEN a.attnotnull THEN 'not null' END, 'default ' || pg_get_expr(d.adbin, d.adrelid), 'identity ' || nullif(a.attidentity::text, ''),
  'generated ' || nullif(a.attgenerated::text, ''), 'collate ' || nullif(a.attcollation, t.typcollation)::regcollation::text), '', o.relname::text
FROM pg_attribute a JOIN pg_class o ON o.oid = a.attrelid JOIN pg_namespace n ON n.oid = o.relnamespace JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND o.relkind IN ('r', 'p', 'v', 'm', 'f') AND` + within,

	`SELECT concat_ws(' ', 'constraint', n.nspname || '.' || r.relname || '.' || o.conname, pg_get_constraintdef(o.oid)), '', r.relname::text
FROM pg_constraint o JOIN pg_class r ON r.oid = o.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace WHERE` + within,

	`SELECT concat_ws(' ', 'index', n.nspname || '.' || o.relname, pg_get_indexdef(o.oid), CASE WHEN NOT i.indisvalid THEN 'invalid' END), o.relname::text, r.relname::text
FROM pg_index i JOIN pg_class o ON o.oid = i.indexrelid JOIN pg_class r ON r.oid = i.indrelid JOIN pg_namespace n ON n.oid = o.relnamespace WHERE` + within,

	`SELECT concat_ws(' ', 'trigger', pg_get_triggerdef(o.oid), o.tgenabled), '', r.relname::text
FROM pg_trigger o JOIN pg_class r ON r.oid = o.tgrelid JOIN pg_namespace n ON n.oid = r.relnamespace WHERE NOT o.tgisinternal AND` + within,

	`SELECT concat_ws(' ', 'policy', n.nspname || '.' || r.relname || '.' || o.polname, o.polcmd, o.polpermissive, pg_get_expr(o.polqual, o.polrelid),
  pg_get_expr(o.polwithcheck, o.polrelid)), '', r.relname::text
FROM pg_policy o JOIN pg_class r ON r.oid = o.polrelid JOIN pg_namespace n ON n.oid = r.relnamespace WHERE` + within,

	`SELECT concat_ws(' ', 'function', pg_get_functiondef(o.oid)), '', ''
FROM pg_proc o JOIN pg_namespace n ON n.oid = o.pronamespace WHERE o.prokind IN ('f', 'p') AND` + within,

	`SELECT concat_ws(' ', 'type', o.typtype, n.nspname || '.' || o.typname, format_type(nullif(o.typbasetype, 0), o.typtypmod), o.typdefault,
  (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = o.oid),
  (SELECT string_agg(c.conname || ' ' || pg_get_constraintdef(c.oid), ', ' ORDER BY c.conname) FROM pg_constraint c WHERE c.contypid = o.oid)), '', ''
FROM pg_type o JOIN pg_namespace n ON n.oid = o.typnamespace WHERE o.typtype IN ('e', 'd', 'r') AND` + within,

	`SELECT 'extension ' || o.extname, '', '' FROM pg_extension o JOIN pg_namespace n ON n.oid = o.extnamespace WHERE n.nspname = ANY (string_to_array($1, E'\x1f'))`,
}

func (postgres) shape(ctx context.Context, q querier, schemas, without []string) (shape, error) {
	var path string
	var visible string
	if err := q.QueryRowContext(ctx, `SELECT current_setting('search_path'), array_to_string(current_schemas(false), E'\x1f')`).Scan(&path, &visible); err != nil {
		return shape{}, err
	}
	if len(schemas) > 0 {
		visible = strings.Join(schemas, "\x1f")
	}
	var out shape
	for _, s := range strings.Split(visible, "\x1f") {
		out.add("schema " + s)
	}
	set := func(to string) error {
		_, err := q.ExecContext(ctx, "SELECT set_config('search_path', $1, false)", to)
		return err
	}
	if err := set(""); err != nil {
		return shape{}, err
	}
	for _, query := range catalog {
		err := scan(ctx, q, query, func(rows *sql.Rows) error {
			var line, name, of sql.NullString
			if err := rows.Scan(&line, &name, &of); err != nil {
				return err
			}
			if line.String == "" || slices.Contains(without, of.String) || sequenceOf(without, of.String) {
				return nil
			}
			out.add(strings.Join(strings.Fields(line.String), " "))
			if name.String != "" {
				out.own(name.String, of.String)
			}
			return nil
		}, visible)
		if err != nil {
			return shape{}, err // the transaction, or the session, is given up with it
		}
	}
	return out, set(path)
}

// sequenceOf reports the sequence that numbers the rows of one of the tables.
func sequenceOf(tables []string, name string) bool {
	return slices.ContainsFunc(tables, func(t string) bool { return name == t+"_id_seq" })
}
