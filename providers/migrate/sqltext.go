package migrate

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a piece of SQL. A word is in upper case in up; a quoted name is not a word.
type token struct {
	text, up   string
	name       bool // a word or a quoted name
	start, end int
	line       int
}

// statement is one statement of a text, without its semicolon.
type statement struct {
	text   string
	tokens []token
	line   int // of its first token, from 1
}

// split cuts SQL into statements and those into tokens, without comments. It knows the quoting of PostgreSQL and SQLite.
func split(sql string) []statement {
	var out []statement
	var now []token
	flush := func() {
		if len(now) > 0 {
			out = append(out, statement{text: sql[now[0].start:now[len(now)-1].end], tokens: now, line: now[0].line})
		}
		now = nil
	}
	line, counted := 1, 0
	for at := 0; at < len(sql); {
		start := at
		c, width := utf8.DecodeRuneInString(sql[at:])
		switch {
		case unicode.IsSpace(c):
			at += width
			continue
		case strings.HasPrefix(sql[at:], "--"):
			at = endOf(sql, at, "\n")
			continue
		case strings.HasPrefix(sql[at:], "/*"):
			at = endOfComment(sql, at)
			continue
		case c == ';':
			at++
			flush()
			continue
		}
		at = endOfToken(sql, at, c, width)
		line += strings.Count(sql[counted:start], "\n")
		counted = start
		t := token{text: sql[start:at], start: start, end: at, line: line}
		t.name = c == '"' || c == '`' || c == '[' || starts(c)
		if starts(c) {
			t.up = strings.ToUpper(t.text)
		}
		now = append(now, t)
	}
	flush()
	return out
}

func starts(c rune) bool { return c == '_' || unicode.IsLetter(c) }

func endOfToken(sql string, at int, c rune, width int) int {
	rest := sql[at:]
	switch {
	case (c == 'E' || c == 'e') && len(rest) > 1 && rest[1] == '\'':
		return endOfQuote(sql, at+1, true)
	case c == '\'', c == '"', c == '`':
		return endOfQuote(sql, at, false)
	case c == '$':
		if tag := dollar(rest); tag != "" {
			return endOf(sql, at+len(tag), tag)
		}
		return at + 1
	case starts(c) || unicode.IsDigit(c):
		for at < len(sql) {
			c, width = utf8.DecodeRuneInString(sql[at:])
			if !starts(c) && !unicode.IsDigit(c) && c != '$' {
				break
			}
			at += width
		}
		return at
	}
	return at + width
}

// endOf is the place after the next stop, or the end.
func endOf(sql string, at int, stop string) int {
	if i := strings.Index(sql[at:], stop); i >= 0 {
		return at + i + len(stop)
	}
	return len(sql)
}

func endOfComment(sql string, at int) int {
	for depth := 0; at < len(sql); at++ {
		switch {
		case strings.HasPrefix(sql[at:], "/*"):
			depth++
			at++
		case strings.HasPrefix(sql[at:], "*/"):
			depth--
			at++
			if depth == 0 {
				return at + 1
			}
		}
	}
	return len(sql)
}

func endOfQuote(sql string, at int, escapes bool) int {
	quote := sql[at]
	for at++; at < len(sql); at++ {
		switch {
		case escapes && sql[at] == '\\':
			at++
		case sql[at] == quote && at+1 < len(sql) && sql[at+1] == quote:
			at++
		case sql[at] == quote:
			return at + 1
		}
	}
	return len(sql)
}

// dollar is the tag that a dollar quote begins with, "" where there is none.
func dollar(rest string) string {
	end := strings.IndexByte(rest[1:], '$')
	if end < 0 {
		return ""
	}
	for i, c := range rest[1 : end+1] {
		if !starts(c) && (i == 0 || !unicode.IsDigit(c)) {
			return ""
		}
	}
	return rest[:end+2]
}

// plain is SQL with one space between its tokens and without comments.
func plain(sql string) string {
	var words []string
	for _, s := range split(sql) {
		for _, t := range s.tokens {
			words = append(words, t.text)
		}
	}
	return strings.Join(words, " ")
}

// words reports whether a statement begins with these words.
func (s statement) words(want ...string) bool {
	if len(s.tokens) < len(want) {
		return false
	}
	for i, w := range want {
		if s.tokens[i].up != w {
			return false
		}
	}
	return true
}

// has reports whether a word occurs in a statement.
func (s statement) has(word string) bool {
	for _, t := range s.tokens {
		if t.up == word {
			return true
		}
	}
	return false
}
