package file

import (
	"github.com/backout-dev/backout/providers"
)

// fields are what the scanner takes out of a feed line. The bytes point into the line. A time is in unix nanoseconds; 0 is
// absent.
type fields struct {
	typ, id, provider, kind, service, environment, unit, commit, artifact, state []byte
	landed, from, to, starts, ends                                               int64
}

// shape says what a known field holds.
type shape uint8

const (
	shapeText shape = iota
	shapeTime
	shapeTexts   // a list of texts
	shapeTextMap // an object of texts
	shapeInt
	shapeBool
	shapeRollout
	shapeAssistance
	shapeSources
	shapeOther // a field that no version knows
)

// known tells the shape of a field of a change or an alert, and for those that a row needs a bit of its own, so that a
// second one is noticed.
func known(name []byte) (shape, uint64) {
	switch string(name) {
	case "type":
		return shapeText, 1 << 0
	case "id":
		return shapeText, 1 << 1
	case "provider":
		return shapeText, 1 << 2
	case "kind":
		return shapeText, 1 << 3
	case "service":
		return shapeText, 1 << 4
	case "environment":
		return shapeText, 1 << 5
	case "title":
		return shapeText, 1 << 6
	case "unit":
		return shapeText, 1 << 7
	case "commit":
		return shapeText, 1 << 8
	case "state":
		return shapeText, 1 << 9
	}
	return lesser(name)
}

// lesser are the fields that most lines do not have.
func lesser(name []byte) (shape, uint64) {
	switch string(name) {
	case "name", "severity", "summary", "url", "from", "to", "status", "change_set":
		return shapeText, 0
	case "artifacts":
		return shapeTexts, 1 << 15
	}
	if len(name) > 3 && string(name[len(name)-3:]) == "_at" || len(name) > 10 && string(name[:10]) == "effective_" {
		return moment(name)
	}
	return rare(name)
}

func moment(name []byte) (shape, uint64) {
	switch string(name) {
	case "landed_at":
		return shapeTime, 1 << 10
	case "effective_from":
		return shapeTime, 1 << 11
	case "effective_to":
		return shapeTime, 1 << 12
	case "starts_at":
		return shapeTime, 1 << 13
	case "ends_at":
		return shapeTime, 1 << 14
	default:
		return shapeOther, 0
	}
}

func rare(name []byte) (shape, uint64) {
	switch string(name) {
	case "paths", "approvers", "reverts", "silenced_by":
		return shapeTexts, 0
	case "author", "labels":
		return shapeTextMap, 0
	case "files", "lines":
		return shapeInt, 0
	case "landed_approximate":
		return shapeBool, 0
	case "rollout":
		return shapeRollout, 0
	case "assistance":
		return shapeAssistance, 0
	case "sources":
		return shapeSources, 0
	default:
		return shapeOther, 0
	}
}

// scan reads a feed line without decoding it. It reports false for every line that is in any way unusual: such a line is
// decoded in full, which decides. It must never take a line that the full decoder refuses, nor see another value in it.
func scan(line []byte, f *fields) bool {
	s := scanner{b: line}
	*f = fields{}
	if !s.take('{') {
		return false
	}
	seen := uint64(0)
	for first := true; ; first = false {
		if !first {
			if s.take('}') {
				break
			}
			if !s.take(',') {
				return false
			}
		}
		name, ok := s.text()
		if !ok || !s.take(':') {
			return false
		}
		sh, bit := known(name)
		if seen&bit != 0 || !s.field(f, name, sh) {
			return false
		}
		seen |= bit
	}
	s.space()
	return s.i == len(s.b) && f.complete()
}

// complete reports whether a line has what every event has.
func (f *fields) complete() bool {
	if len(f.id) == 0 || len(f.id) > providers.MaxText {
		return false
	}
	switch string(f.typ) {
	case "change":
		return true
	case "alert":
		switch string(f.state) {
		case "", "firing", "suppressed", "resolved", "unknown":
			return true
		}
	}
	return false
}

// field reads the value of a field.
func (s *scanner) field(f *fields, name []byte, sh shape) bool {
	switch sh {
	case shapeText:
		v, ok := s.text()
		if !ok {
			return s.skippedText(name)
		}
		f.setText(name, v)
		return len(v) <= providers.MaxText
	case shapeTime:
		t, ok := s.time()
		if ok {
			f.setTime(name, t)
		}
		return ok
	case shapeOther:
		// encoding/json matches names in any letter case: what might be a known field spelled otherwise is not for us.
		return plainName(name) && s.value(0)
	default:
		return s.nested(f, name, sh)
	}
}

func (s *scanner) nested(f *fields, name []byte, sh shape) (ok bool) {
	switch sh {
	case shapeTexts:
		if string(name) == "artifacts" {
			f.artifact, ok = s.texts()
			return ok && len(f.artifact) <= providers.MaxText
		}
		return s.textList()
	case shapeTextMap:
		return s.textMap()
	case shapeInt:
		return s.int()
	case shapeBool:
		return s.word("true") || s.word("false")
	case shapeRollout:
		return s.rollout()
	case shapeAssistance:
		return s.assistance()
	case shapeSources:
		return s.list(s.textMap)
	default:
		return false
	}
}

// skippedText passes over the text of a field that no row needs; escapes and letters beyond ASCII do not matter there.
func (s *scanner) skippedText(name []byte) bool {
	switch string(name) {
	case "title", "name", "severity", "summary", "url", "from", "to", "status", "change_set":
		return s.anyText()
	}
	return false
}

func plainName(name []byte) bool {
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			return false
		}
	}
	return true
}

func (f *fields) setText(name, v []byte) {
	switch string(name) {
	case "type":
		f.typ = v
	case "id":
		f.id = v
	case "provider":
		f.provider = v
	case "kind":
		f.kind = v
	case "service":
		f.service = v
	case "environment":
		f.environment = v
	case "unit":
		f.unit = v
	case "commit":
		f.commit = v
	case "state":
		f.state = v
	}
}

func (f *fields) setTime(name []byte, t int64) {
	switch string(name) {
	case "landed_at":
		f.landed = t
	case "effective_from":
		f.from = t
	case "effective_to":
		f.to = t
	case "starts_at":
		f.starts = t
	case "ends_at":
		f.ends = t
	}
}
