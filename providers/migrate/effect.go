package migrate

import (
	"fmt"
	"slices"
	"strings"
)

// effect is what is known of one statement by its words.
type effect struct {
	destroys []string // as in rollback.Proposal
	control  bool     // it begins or ends a transaction
	alone    bool     // the database refuses it within a transaction
	shape    bool     // it alters the schema in a way that the fingerprint shows
	opaque   bool     // what it does cannot be told by its words
}

// harmless are the first words of statements that take no data away.
var harmless = []string{"CREATE", "COMMENT", "GRANT", "REVOKE", "SET", "RESET", "ANALYZE", "REINDEX", "INSERT", "VACUUM", "CLUSTER", "REFRESH", "LOCK", "PRAGMA", "SECURITY", "ALTER"}

// kept are what can be dropped without data going, as long as nothing goes with it.
var kept = []string{"INDEX", "VIEW", "FUNCTION", "PROCEDURE", "ROUTINE", "TRIGGER", "RULE", "POLICY", "AGGREGATE", "OPERATOR", "CAST", "COLLATION", "STATISTICS", "PUBLICATION", "MATERIALIZED", "TYPE", "DOMAIN", "EXTENSION"}

var (
	controls = []string{"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "PREPARE"}
	alone    = []string{"VACUUM", "CREATE DATABASE", "DROP DATABASE", "ALTER SYSTEM", "REINDEX DATABASE", "REINDEX SYSTEM"}
	shapes   = []string{"CREATE", "DROP", "ALTER"}
)

func (s statement) effect() effect {
	e := effect{control: s.begins(controls), alone: s.has("CONCURRENTLY") || s.begins(alone), shape: s.begins(shapes)}
	if !e.control && !s.nothing() {
		e.destroys, e.opaque = s.taken()
	}
	return e
}

// begins reports whether a statement begins with one of these.
func (s statement) begins(with []string) bool {
	return slices.ContainsFunc(with, func(w string) bool { return s.words(strings.Fields(w)...) })
}

// taken is what a statement takes away, and whether that cannot be told.
func (s statement) taken() (destroys []string, opaque bool) {
	switch {
	case s.words("DROP"):
		return s.dropped()
	case s.words("ALTER", "TABLE") || s.words("ALTER", "FOREIGN", "TABLE"):
		return s.altered(), false
	case s.words("ALTER", "TYPE") && s.has("DROP"):
		return nil, true
	case s.words("TRUNCATE"):
		for _, n := range s.names(1, "TABLE", "ONLY") {
			destroys = append(destroys, "rows of "+n+", all of them")
		}
		return destroys, len(destroys) == 0
	case s.words("DELETE", "FROM"):
		return []string{"rows of " + s.name(2, "ONLY") + ", those that it deletes"}, false
	case s.words("UPDATE"):
		return []string{"rows of " + s.name(1, "ONLY", "OR", "REPLACE", "IGNORE", "ROLLBACK", "ABORT", "FAIL") + ", what it overwrites in them"}, false
	}
	return nil, !s.begins(harmless)
}

// nothing reports a statement that people write where a tool wants one and nothing is to be done: SELECT 1.
func (s statement) nothing() bool {
	return s.words("SELECT") && len(s.tokens) == 2 && !s.tokens[1].name
}

// dropped is what a DROP takes away.
func (s statement) dropped() (destroys []string, opaque bool) {
	if len(s.tokens) < 3 {
		return nil, true
	}
	kind := s.tokens[1].up
	more := ""
	if s.has("CASCADE") {
		more = ", and all that depends on it (CASCADE)"
	}
	switch {
	case slices.Contains([]string{"TABLE", "SCHEMA", "SEQUENCE", "DATABASE"}, kind):
		for _, n := range s.names(2, "IF", "EXISTS") {
			destroys = append(destroys, strings.ToLower(kind)+" "+n+more)
		}
		return destroys, len(destroys) == 0
	case kind == "FOREIGN" || kind == "OWNED":
		return nil, true
	case slices.Contains(kept, kind) && more == "":
		return nil, false
	}
	for _, n := range s.names(2, "IF", "EXISTS", "VIEW", "CONCURRENTLY") {
		destroys = append(destroys, strings.ToLower(kind)+" "+n+more)
	}
	return destroys, !slices.Contains(kept, kind)
}

// altered is what an ALTER TABLE takes away: columns, and what does not fit into another type.
func (s statement) altered() []string {
	at, _ := s.skip(2, "TABLE", "IF", "EXISTS", "ONLY")
	of, at := s.dotted(at)
	var out []string
	for _, action := range s.actions(at) {
		switch {
		case action.words("DROP", "CONSTRAINT"), !action.words("DROP") && !action.words("ALTER"):
		case action.words("DROP"):
			more := ""
			if action.has("CASCADE") {
				more = ", and all that depends on it (CASCADE)"
			}
			out = append(out, "column "+of+"."+action.name(1, "COLUMN", "IF", "EXISTS")+more)
		case action.has("TYPE"):
			out = append(out, fmt.Sprintf("column %s.%s, what does not fit into its other type", of, action.name(1, "COLUMN")))
		}
	}
	return out
}

// actions are the parts of a statement from a token on, at the commas outside brackets.
func (s statement) actions(at int) []statement {
	var out []statement
	depth, begin := 0, at
	for i := at; i <= len(s.tokens); i++ {
		switch {
		case i == len(s.tokens) || depth == 0 && s.tokens[i].text == ",":
			out = append(out, statement{tokens: s.tokens[begin:i]})
			begin = i + 1
		case s.tokens[i].text == "(":
			depth++
		case s.tokens[i].text == ")":
			depth--
		}
	}
	return out
}

// skip goes over words that may stand there.
func (s statement) skip(at int, over ...string) (next int, any bool) {
	for at < len(s.tokens) && slices.Contains(over, s.tokens[at].up) {
		at, any = at+1, true
	}
	return at, any
}

// dotted reads a name with its schema.
func (s statement) dotted(at int) (name string, next int) {
	for at < len(s.tokens) && s.tokens[at].name {
		name += bare(s.tokens[at])
		at++
		if at >= len(s.tokens) || s.tokens[at].text != "." {
			break
		}
		name += "."
		at++
	}
	if name == "" {
		name = "?"
	}
	return name, at
}

// bare is a name as the database keeps it, as far as words can tell.
func bare(t token) string {
	if t.up != "" {
		return strings.ToLower(t.text)
	}
	return strings.Trim(t.text, "\"`[]")
}

// name is the first name after the words that may stand before it.
func (s statement) name(at int, over ...string) string {
	at, _ = s.skip(at, over...)
	n, _ := s.dotted(at)
	return n
}

// names are the names of a list.
func (s statement) names(at int, over ...string) []string {
	at, _ = s.skip(at, over...)
	var out []string
	for at < len(s.tokens) {
		var n string
		before := at
		if n, at = s.dotted(at); at == before {
			break
		}
		out = append(out, n)
		if at >= len(s.tokens) || s.tokens[at].text != "," {
			break
		}
		at++
	}
	return out
}
