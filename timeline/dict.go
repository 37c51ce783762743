package timeline

import (
	"math"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// dict codes strings as numbers. Code 0 is the empty string. Names are only ever appended, so a reader that took the
// slice earlier may go on reading it without a lock.
type dict struct {
	codes map[string]uint32
	names []string
}

func newDict() *dict { return &dict{codes: map[string]uint32{"": 0}, names: []string{""}} }

// code gives the number of s and makes one where there is none. It keeps a copy: s may point into a large buffer.
func (d *dict) code(s string) uint32 {
	if s == "" {
		return 0
	}
	if c, ok := d.codes[s]; ok {
		return c
	}
	s = strings.Clone(s)
	c := uint32(len(d.names))
	d.codes[s] = c
	d.names = append(d.names, s)
	return c
}

// kindDict codes kinds in one byte. A source that invents more than 255 kinds gets the unknown kind for the rest; the
// decoded event still has it.
type kindDict struct {
	codes map[providers.Kind]uint8
	names []providers.Kind
}

func newKindDict() *kindDict {
	d := &kindDict{codes: map[providers.Kind]uint8{"": 0}, names: []providers.Kind{""}}
	for _, k := range providers.Kinds() {
		d.code(k)
	}
	return d
}

func (d *kindDict) code(k providers.Kind) uint8 {
	if c, ok := d.codes[k]; ok {
		return c
	}
	if len(d.names) > math.MaxUint8 {
		return 0
	}
	k = providers.Kind(strings.Clone(string(k)))
	c := uint8(len(d.names))
	d.codes[k] = c
	d.names = append(d.names, k)
	return c
}

// Flags of a row: whether it is an alert, and the alert's state as reported.
const (
	flagAlert  = 1
	stateShift = 1
)

var stateNames = [...]providers.AlertState{
	"", providers.AlertFiring, providers.AlertSuppressed, providers.AlertResolved, providers.AlertUnknown,
}

func stateFlags(s providers.AlertState) uint8 {
	for i, n := range stateNames {
		if n == s {
			return flagAlert | uint8(i)<<stateShift
		}
	}
	return flagAlert
}

func flagState(f uint8) providers.AlertState { return stateNames[f>>stateShift] }
