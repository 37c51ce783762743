package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/wasilibs/go-pgquery/parser"

	"github.com/backout-dev/backout/providers"
)

// Class is what a migration does to a program that was written for the schema before it.
type Class string

// The classes, from the best to the worst. None: nothing runs. Expand: what was there is as it was. Migrate: the data changed.
// Unknown: what it does cannot be told. Contract: what the older program uses is gone, or what it writes is refused.
const (
	None     Class = "none"
	Expand   Class = "expand"
	Migrate  Class = "migrate"
	Unknown  Class = "unknown"
	Contract Class = "contract"
)

var classes = []Class{None, Expand, Migrate, Unknown, Contract}

// Worse is the worse of two classes; one that is not known is Unknown.
func Worse(a, b Class) Class {
	at := func(c Class) int {
		if i := slices.Index(classes, c); i >= 0 {
			return i
		}
		return slices.Index(classes, Unknown)
	}
	return classes[max(at(a), at(b))]
}

// Statement is one statement, at its line of the file.
type Statement struct {
	Line  int
	Class Class
	Text  string // what it does, in plain words
	// Caveat is what an older program may still stumble over although the class allows it, "" nothing.
	Caveat string
	// Takes are the tables and columns ("orders", "orders.total") that are gone afterwards under that name, Adds those that it made.
	Takes, Adds []string
}

// Effect is what running a migration forward does. Class is the worst of its statements.
type Effect struct {
	File       File
	Class      Class
	Statements []Statement
}

// Worst are the statements that give the effect its class.
func (e *Effect) Worst() []Statement {
	return slices.DeleteFunc(slices.Clone(e.Statements), func(s Statement) bool { return s.Class != e.Class })
}

const (
	mostBytes      = 1 << 20
	mostStatements = 5000
)

// Reader classifies. Its first use starts PostgreSQL's own parser, which takes a second or two; nothing does before that. It may be
// used from several goroutines.
type Reader struct{ turn chan struct{} }

// NewReader makes a Reader. It starts nothing.
func NewReader() *Reader { return &Reader{turn: make(chan struct{}, 1)} }

// Effect classifies a migration by its content. What cannot be understood, or not before ctx is done, is Unknown and says where and why.
func (r *Reader) Effect(ctx context.Context, f File, content string) Effect {
	if f.Down {
		return Effect{File: f, Class: None}
	}
	return r.effect(ctx, f, content, false)
}

// Down classifies the way down of a migration by the content of the file that holds it: the same file, or one that is for that alone.
// None: that file holds no way down.
func (r *Reader) Down(ctx context.Context, f File, content string) Effect {
	goose := f.Tool == ToolGoose || f.Tool == ToolOther && gooseUp(content)
	if !f.Down && !goose {
		return Effect{File: f, Class: None}
	}
	return r.effect(ctx, f, content, true)
}

func (r *Reader) effect(ctx context.Context, f File, content string, down bool) Effect {
	if len(content) > mostBytes {
		return unread(f, 0, fmt.Sprintf("it is larger than %d MiB", mostBytes>>20))
	}
	sql, cannot := runs(&f, content, down)
	if cannot != nil {
		return unread(f, cannot.line, cannot.why)
	}
	tree, err := r.parse(ctx, sql)
	if err != nil {
		line, why := located(sql, err)
		return unread(f, line, why)
	}
	if len(tree.Stmts) > mostStatements {
		return unread(f, 0, fmt.Sprintf("it has more than %d statements", mostStatements))
	}
	e := Effect{File: f, Class: None}
	c := &classifier{made: map[string]bool{}}
	for i := range tree.Stmts {
		for _, s := range c.statement(tree.Stmts[i].Stmt) {
			s.Line = lineAt(sql, tree.Stmts[i].start(sql))
			s.Text, s.Caveat = providers.Clean(s.Text), providers.Clean(s.Caveat)
			e.Statements, e.Class = append(e.Statements, s), Worse(e.Class, s.Class)
		}
	}
	return e
}

func unread(f File, line int, why string) Effect {
	return Effect{File: f, Class: Unknown, Statements: []Statement{{Line: line, Class: Unknown, Text: providers.Clean(why)}}}
}

// tree is what the parser says, as far as it is used here.
type tree struct {
	Stmts []rawStatement `json:"stmts"`
}

type rawStatement struct {
	Stmt     map[string]any `json:"stmt"`
	Location int            `json:"stmt_location"`
}

// start is where the statement's own text begins, after the space and the comments before it.
func (s *rawStatement) start(sql string) int {
	at := min(max(s.Location, 0), len(sql))
	for at < len(sql) {
		rest := sql[at:]
		switch {
		case strings.ContainsRune(" \t\r\n\f;", rune(rest[0])):
			at++
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				return at
			}
			at += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return at
			}
			at += end + 2
		default:
			return at
		}
	}
	return min(max(s.Location, 0), len(sql))
}

var errNotReady = errors.New("PostgreSQL's parser gave no answer in time: ask again")

// parse asks PostgreSQL's parser. It runs to its end also where nobody waits for it any more, so that it is ready the next time.
func (r *Reader) parse(ctx context.Context, sql string) (*tree, error) {
	type answer struct {
		tree *tree
		err  error
	}
	if ctx.Err() != nil {
		return nil, errNotReady
	}
	select {
	case r.turn <- struct{}{}: // each that parses at the same time would need a parser of its own
	case <-ctx.Done():
		return nil, errNotReady
	}
	done := make(chan answer, 1)
	go func() {
		defer func() { <-r.turn }()
		t, err := parse(sql)
		done <- answer{t, err}
	}()
	select {
	case a := <-done:
		return a.tree, a.err
	case <-ctx.Done():
		return nil, errNotReady
	}
}

func parse(sql string) (t *tree, err error) {
	defer func() {
		if p := recover(); p != nil { // it runs out of its own stack, say
			t, err = nil, fmt.Errorf("PostgreSQL's parser gave up on it: %v", p)
		}
	}()
	text, err := parser.ParseToJSON(sql)
	if err != nil {
		return nil, err
	}
	t = &tree{}
	if err := json.Unmarshal([]byte(text), t); err != nil {
		return nil, fmt.Errorf("what PostgreSQL's parser says of it cannot be read: %w", err)
	}
	return t, nil
}

// located is the line of an error, 0 where it has none, and what it says.
func located(sql string, err error) (int, string) {
	var s *parser.Error
	if !errors.As(err, &s) {
		return 0, err.Error()
	}
	line := 0
	for i := range sql { // the parser counts characters
		if s.Cursorpos--; s.Cursorpos == 0 {
			line = lineAt(sql, i)
		}
	}
	return line, "it is no SQL that PostgreSQL's parser understands: " + s.Error()
}
