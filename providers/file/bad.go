package file

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

var (
	errTooLarge = errors.New("the file is larger than 1 TiB; start a new one")
	errLongLine = fmt.Errorf("the line is longer than %d bytes", maxLine)
	errHalf     = errors.New("the last line is not complete")
)

// badLines counts lines that could not be read. They are skipped, and the health line says so.
type badLines struct {
	n     int
	first int64 // offset
	why   error
}

func (b *badLines) add(off int64, err error) { b.merge(badLines{1, off, err}) }

func (b *badLines) merge(o badLines) {
	if o.n == 0 {
		return
	}
	if b.n == 0 || o.first < b.first {
		b.first, b.why = o.first, o.why
	}
	b.n += o.n
}

// setBad replaces what is known of the bad lines of a file, addBad adds to it.
func (p *Provider) setBad(path string, b badLines) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad[path] = b
}

func (p *Provider) addBad(path string, b badLines) {
	if b.n == 0 {
		return
	}
	p.mu.Lock()
	sum := p.bad[path]
	sum.merge(b)
	p.bad[path] = sum
	p.mu.Unlock()
	p.noteBad()
}

// noteBad puts the bad lines on the health line.
func (p *Provider) noteBad() {
	p.mu.Lock()
	var parts []string
	for path, b := range p.bad {
		if b.n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d skipped, first at byte %d: %v", filepath.Base(path), b.n, b.first, b.why))
		}
	}
	p.mu.Unlock()
	if len(parts) > 0 {
		slices.Sort(parts)
		p.Note("lines that cannot be read: " + strings.Join(parts, "; "))
	}
}
