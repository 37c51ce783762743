package migration

import (
	"fmt"
	"slices"
	"strings"
)

// classifier goes through the statements of one migration. What it made itself no older program knows, so nothing that is done to
// that afterwards matters to one.
type classifier struct{ made map[string]bool }

// verdicts of single things, in few words where they are used.
func expand(format string, args ...any) Statement {
	return Statement{Class: Expand, Text: fmt.Sprintf(format, args...)}
}

func migrate(format string, args ...any) Statement {
	return Statement{Class: Migrate, Text: fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) Statement {
	return Statement{Class: Unknown, Text: fmt.Sprintf(format, args...)}
}

func contract(format string, args ...any) Statement {
	return Statement{Class: Contract, Text: fmt.Sprintf(format, args...)}
}

func (s Statement) but(caveat string) Statement { s.Caveat = caveat; return s }

func (s Statement) adds(names ...string) Statement { s.Adds = append(s.Adds, names...); return s }

func (s Statement) takes(names ...string) Statement { s.Takes = append(s.Takes, names...); return s }

// plain are statements of which only their kind matters.
var plain = map[string]Statement{
	"VacuumStmt": expand("cleans up"), "ReindexStmt": expand("builds an index anew"), "ClusterStmt": expand("orders rows on disk"),
	"LockStmt": expand("locks"), "CheckPointStmt": expand("writes a checkpoint"), "ListenStmt": expand("listens"), "NotifyStmt": expand("notifies"),
	"CommentStmt": expand("comments"), "CreateStatsStmt": expand("makes statistics"), "AlterStatsStmt": expand("sets statistics"),
	"CreateSeqStmt": expand("makes a sequence"), "CompositeTypeStmt": expand("makes a type"), "CreateEnumStmt": expand("makes an enum"),
	"CreateRangeStmt": expand("makes a range type"), "CreateDomainStmt": expand("makes a domain"), "CreateRoleStmt": expand("makes a role"),
	"RefreshMatViewStmt": expand("fills a materialized view again"), "CreatePublicationStmt": expand("makes a publication"),
	"TruncateStmt": contract("empties a table: its rows are gone"), "DropRoleStmt": contract("drops a role"), "DropOwnedStmt": contract("drops what a role owns"),
	"DropdbStmt": contract("drops a database"), "AlterObjectSchemaStmt": contract("moves to another schema"),
	"DoStmt":             unknown("runs a block of code, which cannot be seen through"),
	"CallStmt":           unknown("calls a procedure, which cannot be seen through"),
	"ExecuteStmt":        unknown("runs a prepared statement"),
	"PrepareStmt":        unknown("prepares a statement"),
	"CreateFunctionStmt": unknown("makes a function, whose body cannot be seen through"),
	"CreateTrigStmt":     unknown("makes a trigger: what it does to what is written cannot be seen"),
	"CreateEventTrigStmt": unknown(
		"makes an event trigger: what it does cannot be seen"),
	"RuleStmt":         unknown("makes a rule, which rewrites statements"),
	"CreatePolicyStmt": unknown("makes a policy on rows: who sees what then cannot be told"),
}

// statement classifies one statement; a list of changes to a table is one each.
func (c *classifier) statement(v any) []Statement {
	kind, b := unwrap(v)
	if s, ok := plain[kind]; ok {
		return []Statement{c.unlessMade(s, kind, b)}
	}
	switch kind {
	case "AlterTableStmt":
		return c.alterTable(b)
	case "CreateSchemaStmt":
		out := []Statement{expand("makes the schema %s", b.text("schemaname"))}
		for _, e := range b.list("schemaElts") {
			out = append(out, c.statement(e)...)
		}
		return out
	case "DropStmt":
		return c.drop(b)
	case "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CopyStmt", "ExplainStmt":
		return []Statement{c.data(kind, b)}
	default:
		return []Statement{c.other(kind, b)}
	}
}

// unlessMade is for the plain statements that empty or move a table.
func (c *classifier) unlessMade(s Statement, kind string, b body) Statement {
	switch kind {
	case "TruncateStmt":
		if !slices.ContainsFunc(b.list("relations"), func(r any) bool { _, t := unwrap(r); return !c.made[relation(t)] }) {
			return expand("empties what it made")
		}
	case "AlterObjectSchemaStmt":
		clear(c.made)
	}
	return s
}

func relation(r body) string { return body{"r": map[string]any(r)}.table("r") }

func (c *classifier) other(kind string, b body) Statement {
	switch kind {
	case "CreateStmt":
		return c.createTable(b)
	case "CreateTableAsStmt":
		return c.createAs(b)
	case "IndexStmt":
		return c.index(b)
	case "ViewStmt":
		return view(b)
	case "RenameStmt":
		return c.rename(b)
	case "AlterEnumStmt":
		if b.text("oldVal") != "" {
			return contract("renames the value %q of the enum %s", b.text("oldVal"), dotted(b["typeName"]))
		}
		return expand("adds the value %q to the enum %s", b.text("newVal"), dotted(b["typeName"])).
			but("what reads a row with the new value has to bear it")
	}
	return c.around(kind, b)
}

// around are statements about rights, sessions and types rather than tables.
func (c *classifier) around(kind string, b body) Statement {
	switch kind {
	case "GrantStmt", "GrantRoleStmt":
		if b.flag("is_grant") {
			return expand("grants rights")
		}
		return contract("revokes rights")
	case "VariableSetStmt":
		return c.set(b)
	case "TransactionStmt":
		switch b.text("kind") {
		case "TRANS_STMT_ROLLBACK", "TRANS_STMT_ROLLBACK_TO":
			return unknown("takes back what came before it, so what remains cannot be told")
		}
		return expand("begins or ends a transaction")
	case "CreateExtensionStmt":
		if known[b.text("extname")] {
			return expand("makes the extension %s", b.text("extname"))
		}
		return unknown("makes the extension %s: what that brings is not known here", b.text("extname"))
	case "AlterOwnerStmt":
		return expand("changes an owner").but("who was let in as its owner no longer is")
	case "AlterDomainStmt":
		if b.text("subtype") == "X" || b.text("subtype") == "O" {
			return expand("loosens the domain %s", dotted(b["typeName"])).but("what reads it has to bear values that were not let in before")
		}
		return contract("tightens the domain %s", dotted(b["typeName"]))
	}
	return unknown("is a %s, of which it is not known here what it does", strings.TrimSuffix(kind, "Stmt"))
}

// known are extensions that add types and functions and alter nothing that is there.
var known = wordSet(`pgcrypto uuid-ossp citext hstore pg_trgm btree_gin btree_gist intarray ltree unaccent cube earthdistance tablefunc
	fuzzystrmatch isn lo seg vector postgis pg_stat_statements plpgsql dict_int dict_xsyn`)

// set is a parameter of the session. Only the search path decides what names mean.
func (c *classifier) set(b body) Statement {
	name := b.text("name")
	switch name {
	case "search_path":
		clear(c.made)
	case "session_replication_role", "role", "session_authorization", "row_security", "default_tablespace", "default_table_access_method":
		return unknown("sets %s, with which what follows may do something else", name)
	}
	return expand("sets %s for its session", name)
}

// view makes a new view; one that takes another's place may say something else under the same name.
func view(b body) Statement {
	if b.flag("replace") {
		return unknown("replaces the view %s: whether it still says the same cannot be told", b.table("view"))
	}
	return expand("makes the view %s", b.table("view")).adds(b.table("view"))
}

func (c *classifier) index(b body) Statement {
	table := b.table("relation")
	switch _, unseen := calls(any(map[string]any(b))); {
	case c.made[table]:
		return expand("makes an index on what it made")
	case len(unseen) > 0:
		return unknown("makes an index on %s with %s(), which every write calls and which cannot be seen through", table, unseen[0])
	case b.flag("unique"):
		return contract("makes a unique index on %s: what was written twice before is refused now", table)
	}
	return expand("makes an index on %s", table)
}

// rename: under the old name there is nothing any more.
func (c *classifier) rename(b body) Statement {
	table, kind := b.table("relation"), b.text("renameType")
	if kind == "OBJECT_INDEX" {
		return expand("renames an index")
	}
	if c.made[table] {
		if kind == "OBJECT_TABLE" {
			delete(c.made, table)
			c.made[sibling(table, b.text("newname"))] = true
		}
		return expand("renames what it made")
	}
	switch kind {
	case "OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW":
		return contract("renames %s to %s", table, b.text("newname")).takes(table).adds(sibling(table, b.text("newname")))
	case "OBJECT_COLUMN":
		return contract("renames %s.%s to %s", table, b.text("subname"), b.text("newname")).
			takes(table + "." + b.text("subname")).adds(table + "." + b.text("newname"))
	}
	return contract("renames something of %s to %s", strings.Trim(table+" "+dotted(b["object"]), " "), b.text("newname"))
}

// sibling is another name in the same schema.
func sibling(table, name string) string {
	if i := strings.LastIndexByte(table, '.'); i >= 0 {
		return table[:i+1] + name
	}
	return name
}

func (c *classifier) drop(b body) []Statement {
	kind := strings.ToLower(strings.TrimPrefix(b.text("removeType"), "OBJECT_"))
	var out []Statement
	for _, o := range b.list("objects") {
		name := dotted(o)
		if (kind == "table" || kind == "matview" || kind == "view") && c.made[name] && b.text("behavior") != "DROP_CASCADE" {
			delete(c.made, name)
			out = append(out, expand("drops what it made"))
			continue
		}
		s := contract("drops the %s %s", strings.ReplaceAll(kind, "_", " "), name)
		switch kind {
		case "table", "view", "matview", "foreign_table":
			s = s.takes(name)
		case "index":
			s.Text += ": an upsert that was made for it fails, and what was quick may not be"
		}
		out = append(out, s)
	}
	return out
}
