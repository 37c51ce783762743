package migration

// data classifies what reads and writes rows.
func (c *classifier) data(kind string, b body) Statement {
	if kind == "ExplainStmt" {
		k, inner := unwrap(b["query"])
		return c.data(k, inner)
	}
	whole := any(map[string]any{kind: map[string]any(b)})
	written, deleted, into := c.writes(whole)
	set, unseen := calls(whole)
	switch {
	case deleted != "":
		return contract("deletes rows of %s: they do not come back", deleted)
	case len(unseen) > 0:
		return unknown("calls %s(), which cannot be seen through", unseen[0])
	case kind == "CopyStmt" && b.flag("is_program"):
		return unknown("copies from or to a program")
	case into != "":
		c.made[into] = true
		return expand("makes the table %s", into).adds(into)
	case written != "":
		return migrate("writes rows of %s", written)
	case len(set) > 0:
		return migrate("moves a sequence")
	case kind == "SelectStmt" && c.pathSet(whole):
		clear(c.made)
		return expand("sets a parameter of its session")
	case kind == "SelectStmt" || kind == "CopyStmt" || kind == "":
		return expand("reads")
	}
	return expand("writes what it made")
}

// writes finds the tables that are written, and deleted from, anywhere in a statement, in a WITH of it too. What the migration made
// itself does not count.
func (c *classifier) writes(v any) (written, deleted, into string) {
	walk(v, func(kind string, b body) {
		table := b.table("relation")
		switch kind {
		case "InsertStmt", "UpdateStmt", "MergeStmt":
			if !c.made[table] {
				written = table
			}
		case "DeleteStmt":
			if !c.made[table] {
				deleted = table
			}
		case "CopyStmt":
			if b.flag("is_from") && !c.made[table] {
				written = table
			}
		case "SelectStmt":
			if i := b.sub("intoClause"); i != nil {
				into = i.table("rel")
			}
		}
	})
	walk(v, func(kind string, b body) {
		if kind == "MergeWhenClause" && b.text("commandType") == "CMD_DELETE" && written != "" {
			deleted = written
		}
	})
	return written, deleted, into
}

// pathSet reports whether the search path is set by a call, as a dump does it.
func (c *classifier) pathSet(v any) bool {
	found := false
	walk(v, func(kind string, b body) {
		found = found || kind == "FuncCall" && (dotted(b["funcname"]) == "set_config" || dotted(b["funcname"]) == "pg_catalog.set_config")
	})
	return found
}

// createAs makes a table or a materialized view from a query.
func (c *classifier) createAs(b body) Statement {
	name := b.sub("into").table("rel")
	if _, unseen := calls(b["query"]); len(unseen) > 0 {
		return unknown("calls %s(), which cannot be seen through", unseen[0])
	}
	if written, deleted, _ := c.writes(b["query"]); written+deleted != "" {
		return unknown("writes rows while it makes %s", name)
	}
	if !b.flag("if_not_exists") {
		c.made[name] = true
	}
	return expand("makes %s", name).adds(name)
}
