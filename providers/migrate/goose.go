package migrate

import (
	"fmt"
	"strings"
)

// gooseMigration reads a file of goose: statements end with a line that ends with a semicolon, or with an annotation.
func gooseMigration(version int64, base, kind, text string) *migration {
	m := &migration{version: version, file: base, up: way{file: base, text: text, whole: true}}
	if kind == "go" {
		m.up.why = base + " is written in Go: only the program that it is compiled into can run it"
		m.down = m.up
		return m
	}
	r := gooseReader{whole: true}
	for line := range strings.Lines(text) {
		r.line++
		if r.why = r.read(strings.TrimRight(line, "\r\n")); r.why != "" {
			break
		}
	}
	if r.why == "" {
		r.why = r.end()
	}
	m.up.whole, m.down = r.whole, way{file: base, whole: r.whole}
	if r.why != "" {
		m.up.why = base + " cannot be read: " + r.why
		m.down.why = m.up.why
		return m
	}
	m.up.stmts, m.up.line, m.up.text = r.up.stmts, r.up.line, strings.Join(r.up.stmts, "\n")
	m.down.stmts, m.down.line, m.down.text = r.down.stmts, r.down.line, strings.Join(r.down.stmts, "\n")
	works := false
	for _, w := range []*way{&m.up, &m.down} {
		works = false
		w.effects(func(_ int, s statement, e effect) {
			works = works || !s.nothing()
			if e.control {
				w.why = base + " begins or ends transactions itself: only the tool can run it"
			}
		})
	}
	if !works {
		m.down.why = "it is one-way: " + base + " has no way down that does something"
	}
	return m
}

// gooseReader reads a file line by line.
type gooseReader struct {
	up, down way
	now      *way // nil before the first annotation
	open     bool // within StatementBegin
	buf      []string
	from     int
	line     int
	whole    bool
	why      string
}

// read takes one line, and says what is wrong with it.
func (r *gooseReader) read(line string) (wrong string) {
	if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "--") && strings.Contains(line, "+goose") {
		return r.annotation(strings.TrimSpace(strings.Replace(strings.ReplaceAll(line, "--", ""), "+goose", "", 1)))
	}
	trimmed := strings.TrimSpace(line)
	if len(r.buf) == 0 && (trimmed == "" || strings.HasPrefix(trimmed, "--")) {
		return ""
	}
	if r.now == nil {
		return fmt.Sprintf("line %d stands before its first annotation", r.line)
	}
	if len(r.buf) == 0 {
		r.from = r.line
	}
	r.buf = append(r.buf, line)
	if !r.open && semicolon(line) {
		r.flush()
	}
	return ""
}

func (r *gooseReader) annotation(text string) (wrong string) {
	switch strings.ToUpper(text) {
	case "UP", "DOWN":
		if r.open || len(r.buf) > 0 || r.now == nil && strings.EqualFold(text, "down") {
			return fmt.Sprintf("its annotation in line %d stands where none may", r.line)
		}
		r.now = &r.up
		if strings.EqualFold(text, "down") {
			r.now = &r.down
		}
	case "STATEMENTBEGIN":
		if r.open || r.now == nil {
			return fmt.Sprintf("its annotation in line %d stands where none may", r.line)
		}
		r.open = true
	case "STATEMENTEND":
		if !r.open {
			return fmt.Sprintf("its annotation in line %d ends no statement", r.line)
		}
		r.open = false
		r.flush()
	case "NO TRANSACTION":
		r.whole = false
	case "ENVSUB OFF":
	case "ENVSUB ON":
		return "it is filled in from the environment of whoever runs it, which is not known here"
	default:
		return fmt.Sprintf("its annotation in line %d is none of goose", r.line)
	}
	return ""
}

func (r *gooseReader) flush() {
	if text := strings.TrimSpace(strings.Join(r.buf, "\n")); text != "" {
		r.now.stmts, r.now.line = append(r.now.stmts, text), append(r.now.line, r.from)
	}
	r.buf = nil
}

func (r *gooseReader) end() (wrong string) {
	switch {
	case r.now == nil:
		return "it has no annotation of goose"
	case r.open:
		return "a statement is begun and not ended"
	case len(r.buf) > 0 && strings.TrimSpace(strings.Join(r.buf, "")) != "":
		return "its last statement has no semicolon"
	}
	return ""
}

// semicolon reports whether the words of a line before a comment end with a semicolon.
func semicolon(line string) bool {
	last := ""
	for _, word := range strings.Fields(line) {
		if strings.HasPrefix(word, "--") {
			break
		}
		last = word
	}
	return strings.HasSuffix(last, ";")
}
