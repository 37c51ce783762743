// Package export writes what is known of an incident for people and programs outside: a Markdown timeline to paste, CSV,
// and the incident file. Facts stand apart from narrative, and nothing is written that was not redacted first.
package export

import (
	"fmt"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// Data is everything that an export may hold. The formats do not alter it.
type Data struct {
	Incident timeline.Incident
	At       time.Time // the moment that the ranking stands for; zero: GeneratedAt
	Services []providers.Service
	Edges    []providers.Edge
	Alerts   []providers.Alert
	Changes  []providers.Change
	Signals  []providers.Signal
	// Ranking is what the caller showed for At. An export ranks what it writes, and says so where redaction made that differ.
	Ranking culprit.Ranking
	Record  []ledger.Entry
	// Beside has the digests of the entries in Record as they were written, and their signatures, by number; nil: they are not known.
	Beside      map[int64]ledger.Witnessed
	GeneratedAt time.Time
	// Link gives the address of a change or alert that carries none itself; nil or "": there is none.
	Link func(provider, id string) string
}

// Mode says what is taken out before anything is written.
type Mode string

// Strict takes out credentials and e-mail addresses; Names also puts pseudonyms in place of people; Off takes out nothing.
// The zero value is Strict.
const (
	Strict Mode = "strict"
	Names  Mode = "names"
	Off    Mode = "off"
)

// Options say how an export is written. The zero value redacts strictly and writes UTC alone.
type Options struct {
	Redact Mode
	// Key makes pseudonyms the same in several exports, so that they can be laid side by side. Without one, each call
	// takes a fresh random key, and nobody can try names against it.
	Key []byte
	// Zone adds a column of local times; nil: none.
	Zone *time.Location
}

// ParseOptions reads the word of a --redact flag: strict, names or off.
func ParseOptions(redact string) (Options, error) {
	switch m := Mode(redact); m {
	case "":
		return Options{Redact: Strict}, nil
	case Strict, Names, Off:
		return Options{Redact: m}, nil
	}
	return Options{}, fmt.Errorf("redaction is strict, names or off, not %q", redact)
}

func (o Options) mode() Mode {
	if o.Redact == "" {
		return Strict
	}
	return o.Redact
}
