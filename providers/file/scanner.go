package file

import "bytes"

// scanner walks JSON bytes. Its methods report false for what is not valid, and for some of what is valid but rare.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r' || s.b[s.i] == '\n') {
		s.i++
	}
}

// take steps over one character, and white space before it.
func (s *scanner) take(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) word(w string) bool {
	s.space()
	if len(s.b)-s.i >= len(w) && string(s.b[s.i:s.i+len(w)]) == w {
		s.i += len(w)
		return true
	}
	return false
}

// text reads a string of printable ASCII without escapes: such a one is its own value, and is clean. It does not move
// where it fails.
func (s *scanner) text() ([]byte, bool) {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return nil, false
	}
	i := s.i + 1
	for i < len(s.b) && plain[s.b[i]] {
		i++
	}
	if i == len(s.b) || s.b[i] != '"' {
		return nil, false
	}
	v := s.b[s.i+1 : i]
	s.i = i + 1
	return v, true
}

// plain marks the bytes that stand for themselves in a string and on a screen.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// anyText steps over any string.
func (s *scanner) anyText() bool {
	if !s.take('"') {
		return false
	}
	for s.i < len(s.b) {
		c := s.b[s.i]
		s.i++
		switch {
		case c == '"':
			return true
		case c < 0x20:
			return false
		case c == '\\' && !s.escape():
			return false
		}
	}
	return false
}

func (s *scanner) escape() bool {
	if s.i >= len(s.b) {
		return false
	}
	c := s.b[s.i]
	s.i++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if s.i >= len(s.b) || !hex(s.b[s.i]) {
				return false
			}
			s.i++
		}
		return true
	}
	return false
}

func hex(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

func (s *scanner) digits() int {
	from := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i - from
}

// int reads a whole number that fits.
func (s *scanner) int() bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	from := s.i
	n := s.digits()
	if n == 0 || n > 18 || (n > 1 && s.b[from] == '0') {
		return false
	}
	return s.i < len(s.b) && s.b[s.i] != '.' && s.b[s.i] != 'e' && s.b[s.i] != 'E'
}

func (s *scanner) number() bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == '-' {
		s.i++
	}
	from := s.i
	if n := s.digits(); n == 0 || (n > 1 && s.b[from] == '0') {
		return false
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if s.digits() == 0 {
			return false
		}
	}
	if s.i < len(s.b) && (s.b[s.i] == 'e' || s.b[s.i] == 'E') {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		return s.digits() > 0
	}
	return true
}

const maxDepth = 64

// value steps over any value.
func (s *scanner) value(depth int) bool {
	s.space()
	if s.i >= len(s.b) || depth > maxDepth {
		return false
	}
	switch s.b[s.i] {
	case '"':
		return s.anyText()
	case '{':
		return s.object(func([]byte) bool { return s.value(depth + 1) })
	case '[':
		return s.list(func() bool { return s.value(depth + 1) })
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// list steps over an array.
func (s *scanner) list(item func() bool) bool {
	if !s.take('[') {
		return false
	}
	if s.take(']') {
		return true
	}
	for {
		if !item() {
			return false
		}
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

// object steps over an object; the names of what it holds must be plain text.
func (s *scanner) object(member func(name []byte) bool) bool {
	if !s.take('{') {
		return false
	}
	if s.take('}') {
		return true
	}
	for {
		name, ok := s.text()
		if !ok || !s.take(':') || !member(name) {
			return false
		}
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *scanner) textList() bool { return s.list(s.anyText) }

func (s *scanner) textMap() bool { return s.object(func([]byte) bool { return s.anyText() }) }

// texts reads a list of texts and gives the first, which must be plain.
func (s *scanner) texts() (first []byte, ok bool) {
	n := 0
	ok = s.list(func() bool {
		n++
		if n == 1 {
			var plain bool
			first, plain = s.text()
			return plain
		}
		return s.anyText()
	})
	return first, ok
}

func (s *scanner) rollout() bool {
	return s.list(func() bool {
		return s.object(func(name []byte) bool {
			switch string(name) {
			case "at":
				_, ok := s.time()
				return ok
			case "share":
				return s.fraction()
			}
			return false
		})
	})
}

// fraction reads a number that surely fits: a short one without an exponent.
func (s *scanner) fraction() bool {
	s.space()
	from := s.i
	return s.number() && s.i-from < 20 && !bytes.ContainsAny(s.b[from:s.i], "eE")
}

func (s *scanner) assistance() bool {
	return s.object(func(name []byte) bool {
		switch string(name) {
		case "state", "ruleset":
			return s.anyText()
		case "tools", "checked":
			return s.textList()
		case "evidence":
			return s.list(func() bool {
				s.space()
				if s.i < len(s.b) && s.b[s.i] == '{' {
					return s.textMap()
				}
				return s.anyText()
			})
		}
		return false
	})
}
