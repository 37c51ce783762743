package migration

import (
	"slices"
	"strings"
	"sync"
)

// body is one node of the parser's tree. A field that has its zero value is not there.
type body map[string]any

// unwrap takes a node out of the object that names its kind.
func unwrap(v any) (kind string, b body) {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 1 {
		return "", nil
	}
	for k, inner := range m {
		kind = k
		in, _ := inner.(map[string]any)
		b = in
	}
	return kind, b
}

func (b body) text(field string) string { s, _ := b[field].(string); return s }
func (b body) flag(field string) bool   { f, _ := b[field].(bool); return f }
func (b body) list(field string) []any  { l, _ := b[field].([]any); return l }

func (b body) sub(field string) body { m, _ := b[field].(map[string]any); return m }

// table is the name of a relation as it was written.
func (b body) table(field string) string {
	r := b.sub(field)
	if r == nil {
		return ""
	}
	if schema := r.text("schemaname"); schema != "" {
		return schema + "." + r.text("relname")
	}
	return r.text("relname")
}

// word is the text of a String node.
func word(v any) string {
	if _, b := unwrap(v); b != nil {
		return b.text("sval")
	}
	return ""
}

// dotted is a list of names as one, as in "schema.table". A list may be wrapped, and so may the name of a type.
func dotted(v any) string {
	kind, b := unwrap(v)
	switch kind {
	case "List":
		v = b["items"]
	case "TypeName", "ObjectWithArgs":
		v = b["names"]
		if kind == "ObjectWithArgs" {
			v = b["objname"]
		}
	case "String":
		return b.text("sval")
	}
	l, _ := v.([]any)
	names := make([]string, 0, len(l))
	for _, x := range l {
		names = append(names, word(x))
	}
	return strings.Join(names, ".")
}

// walk visits every node below v, and v.
func walk(v any, visit func(kind string, b body)) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			walk(e, visit)
		}
	case map[string]any:
		for k, e := range x {
			if inner, ok := e.(map[string]any); ok && k != "" && k[0] >= 'A' && k[0] <= 'Z' {
				visit(k, inner)
			}
			walk(e, visit)
		}
	}
}

// calls are the functions that are called anywhere below v and are not among those that change nothing by themselves.
func calls(v any) (data, unseen []string) {
	walk(v, func(kind string, b body) {
		if kind != "FuncCall" {
			return
		}
		name := dotted(b["funcname"])
		switch bare := strings.TrimPrefix(name, "pg_catalog."); {
		case harmless()[bare]:
		case bare == "setval" || bare == "nextval":
			data = append(data, name)
		default:
			unseen = append(unseen, name)
		}
	})
	slices.Sort(data)
	slices.Sort(unseen)
	return slices.Compact(data), slices.Compact(unseen)
}

// harmless are functions of PostgreSQL that give a value and do nothing else. One of any other name may do anything.
var harmless = sync.OnceValue(func() map[string]bool {
	return wordSet(`
	abs age array_agg array_append array_cat array_length array_position array_prepend array_remove array_replace array_to_json
	array_to_string ascii avg bit_length bool_and bool_or btrim cardinality ceil ceiling char_length character_length chr
	clock_timestamp coalesce concat concat_ws count cume_dist current_database current_date current_schema current_setting current_timestamp current_user
	date_bin date_part date_trunc decode dense_rank digest encode every exp extract first_value floor format gen_random_bytes gen_random_uuid
	gen_salt generate_series generate_subscripts greatest initcap isfinite json_agg json_array_elements json_array_elements_text json_array_length
	json_build_array json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object json_object_agg
	json_object_keys json_populate_record json_strip_nulls json_to_record json_typeof jsonb_agg jsonb_array_elements
	jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_exists
	jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists
	jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls
	jsonb_to_record jsonb_to_recordset jsonb_typeof justify_days justify_hours justify_interval lag last_value lead least left length
	ln localtime localtimestamp log lower lpad ltrim make_date make_interval make_time make_timestamp make_timestamptz max md5 min mod
	now nth_value ntile nullif numrange int4range int8range daterange tsrange tstzrange octet_length overlay percent_rank
	percentile_cont percentile_disc pg_get_serial_sequence pg_typeof pi plainto_tsquery position power quote_ident quote_literal
	quote_nullable radians random range_merge rank regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
	regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right round row_number row_to_json rpad rtrim
	session_user setweight sha224 sha256 sha384 sha512 sign split_part sqrt starts_with statement_timestamp stddev string_agg
	string_to_array string_to_table strip strpos substr substring sum timeofday timezone to_char to_date to_hex to_json to_jsonb
	to_number to_regclass to_regtype to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim trunc ts_rank unnest upper
	upper_inf lower_inf uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 uuidv4 uuidv7 variance version websearch_to_tsquery width_bucket
	xpath isempty unaccent similarity set_config
`)
})

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}
