package migration

import "strings"

// createTable makes a table. One that may be there already is not counted as made here.
func (c *classifier) createTable(b body) Statement {
	name := b.table("relation")
	s := expand("makes the table %s", name).adds(name)
	walk(any(map[string]any(b)), func(kind string, k body) {
		if kind == "Constraint" && k.text("contype") == "CONSTR_FOREIGN" {
			if other := k.table("pktable"); other != name && !c.made[other] && !lenient(k) {
				s = s.but(refuses(other))
			}
		}
	})
	if !b.flag("if_not_exists") {
		c.made[name] = true
	}
	return s
}

func refuses(table string) string {
	return "rows of " + table + " that a new row points to can no longer be deleted"
}

// lenient is a reference that lets the row it points to go.
func lenient(k body) bool {
	d := k.text("fk_del_action")
	return d == "c" || d == "n" || d == "d"
}

func (c *classifier) alterTable(b body) []Statement {
	table := b.table("relation")
	var out []Statement
	for _, x := range b.list("cmds") {
		_, cmd := unwrap(x)
		switch {
		case c.made[table]:
			out = append(out, expand("alters what it made"))
		case b.text("objtype") == "OBJECT_TYPE":
			out = append(out, unknown("alters the composite type %s", table))
		case b.text("objtype") == "OBJECT_TABLE", b.text("objtype") == "OBJECT_FOREIGN_TABLE":
			out = append(out, c.alter(table, cmd))
		case b.text("objtype") == "OBJECT_INDEX":
			out = append(out, expand("alters an index"))
		default:
			out = append(out, unknown("alters %s", table))
		}
	}
	return out
}

// smooth are changes to a table that no program notices in what it reads and writes.
var smooth = wordSet(`AT_SetStatistics AT_SetOptions AT_ResetOptions AT_SetStorage AT_SetCompression AT_ClusterOn AT_DropCluster
	AT_SetLogged AT_SetUnLogged AT_SetTableSpace AT_SetRelOptions AT_ResetRelOptions AT_ReplicaIdentity AT_ValidateConstraint AT_CookedColumnDefault`)

func (c *classifier) alter(table string, cmd body) Statement {
	column := table + "." + cmd.text("name")
	switch kind := cmd.text("subtype"); kind {
	case "AT_AddColumn":
		_, def := unwrap(cmd["def"])
		return c.addColumn(table, def, cmd.flag("missing_ok"))
	case "AT_DropColumn":
		return contract("drops the column %s", column).takes(column)
	case "AT_AlterColumnType":
		_, def := unwrap(cmd["def"])
		return retype(column, def)
	case "AT_SetNotNull":
		return contract("lets no NULL into %s any more", column)
	case "AT_DropNotNull":
		return expand("lets NULL into %s", column).but("what reads it has to bear NULL")
	case "AT_ColumnDefault":
		return refill(column, cmd)
	case "AT_AddConstraint":
		_, k := unwrap(cmd["def"])
		return c.addConstraint(table, k)
	case "AT_DropConstraint":
		return contract("drops the constraint %s of %s: an upsert that was made for it fails, and it keeps nothing out any more", cmd.text("name"), table)
	case "AT_DetachPartition":
		return contract("takes a partition away from %s", table)
	case "AT_EnableRowSecurity", "AT_ForceRowSecurity":
		return contract("hides rows of %s", table)
	case "AT_ChangeOwner":
		return expand("changes the owner of %s", table).but("who was let in as its owner no longer is")
	case "AT_AttachPartition":
		return expand("adds a partition to %s", table).but("its rows are among those of " + table + " now")
	default:
		if smooth[kind] {
			return expand("sets what %s is stored or planned with", table)
		}
		return unknown("alters %s (%s), of which it is not known here what it does", table, strings.TrimPrefix(kind, "AT_"))
	}
}

// refill sets or takes away a default.
func refill(column string, cmd body) Statement {
	if cmd["def"] == nil {
		return contract("takes the default of %s away", column)
	}
	if _, unseen := calls(cmd["def"]); len(unseen) > 0 {
		return unknown("has %s filled by %s(), which cannot be seen through", column, unseen[0])
	}
	return expand("sets another default for %s", column).but("what an older program leaves out is filled with something else")
}

// addColumn: an older program leaves the column out when it writes.
func (c *classifier) addColumn(table string, def body, maybe bool) Statement {
	n := newColumn{name: table + "." + def.text("colname")}
	switch dotted(def.sub("typeName")["names"]) {
	case "serial", "bigserial", "smallserial", "serial4", "serial8", "serial2":
		n.filled = true
	}
	for _, x := range def.list("constraints") {
		_, k := unwrap(x)
		if k.text("contype") == "CONSTR_FOREIGN" {
			if other := k.table("pktable"); !c.made[other] && !lenient(k) {
				n.caveat = refuses(other)
			}
			continue
		}
		n.bear(k)
	}
	s := n.judge()
	if maybe && s.Class == Expand {
		s.Text += " if it is not there"
	}
	return s.adds(n.name)
}

// newColumn is what is asked of whoever writes a row without knowing a column.
type newColumn struct {
	name, against, unseen, caveat        string
	required, filled, constant, checking bool
}

// bear takes in one constraint.
func (n *newColumn) bear(k body) {
	data, unseen := calls(k["raw_expr"])
	switch k.text("contype") {
	case "CONSTR_NOTNULL":
		n.required = true
	case "CONSTR_DEFAULT":
		n.filled = !isNull(k["raw_expr"])
		n.constant = n.filled && len(data) == 0 && !makesEachNew(k["raw_expr"])
	case "CONSTR_IDENTITY", "CONSTR_GENERATED":
		n.filled = true
	case "CONSTR_PRIMARY":
		n.required, n.against = true, "a primary key"
	case "CONSTR_UNIQUE":
		n.against = "unique"
	case "CONSTR_CHECK":
		n.checking = true
	}
	if len(unseen) > 0 && !n.checking {
		n.unseen = unseen[0]
	}
}

func (n *newColumn) judge() Statement {
	switch {
	case n.required && !n.filled:
		return contract("adds the column %s, which must not be NULL and has no default: a program that does not know it can write no row", n.name)
	case n.checking:
		return contract("adds the column %s with a condition on what is written", n.name)
	case n.unseen != "":
		return unknown("has %s filled by %s(), which cannot be seen through", n.name, n.unseen)
	case n.against != "" && n.constant:
		return contract("adds the column %s, which is %s and has one default for all: a second row is refused", n.name, n.against)
	}
	return expand("adds the column %s", n.name).but(n.caveat)
}

func isNull(v any) bool {
	kind, b := unwrap(v)
	if kind == "TypeCast" {
		return isNull(b["arg"])
	}
	return kind == "A_Const" && b.flag("isnull")
}

// makesEachNew is a default that is another one for each row.
func makesEachNew(v any) bool {
	found := false
	walk(v, func(kind string, b body) {
		if kind == "FuncCall" {
			name := dotted(b["funcname"])
			found = found || strings.Contains(name, "uuid") || strings.Contains(name, "random")
		}
	})
	return found
}

// wide are types that take in what many others held.
var wide = wordSet("text int8 bigint numeric float8 timestamptz")

// retype: from what the column was before is not in the statement.
func retype(column string, def body) Statement {
	name := strings.TrimPrefix(dotted(def.sub("typeName")["names"]), "pg_catalog.")
	sized := len(def.sub("typeName").list("typmods")) > 0
	if wide[name] && !sized && def["raw_default"] == nil {
		return unknown("makes %s a %s: whether that is only wider than what it was is not in the migration", column, name)
	}
	return contract("makes %s a %s", column, name)
}

func (c *classifier) addConstraint(table string, k body) Statement {
	kind := strings.ToLower(strings.TrimPrefix(k.text("contype"), "CONSTR_"))
	switch {
	case kind == "foreign" && c.made[k.table("pktable")]:
		return contract("lets nothing into %s that does not point into %s", table, k.table("pktable"))
	case k.flag("skip_validation"):
		s := expand("adds a constraint (%s) to %s for new rows", kind, table).but("what an older program writes may be refused by it")
		if kind == "foreign" && !lenient(k) {
			s.Caveat += "; " + refuses(k.table("pktable"))
		}
		return s
	case kind == "unique" && k.text("indexname") != "":
		return expand("makes a constraint of an index of %s", table)
	}
	return contract("adds a constraint (%s) to %s: what an older program writes may be refused by it", kind, table)
}
