package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/backout-dev/backout/providers"
)

// loadSize is how much is read to find one line; most are shorter.
const loadSize = 1 << 10

// Load implements providers.Indexer. A line of a file that was rotated or truncated several times since is not found.
func (p *Provider) Load(ref uint64) (providers.Event, error) {
	if ref&docRef != 0 {
		if ev, ok := p.shelf.at(ref &^ docRef); ok {
			return ev, nil
		}
		return providers.Event{}, fmt.Errorf("event %d: %w", ref&^docRef, providers.ErrNotFound)
	}
	p.mu.Lock()
	n, off := ref>>offsetBits, int64(ref&maxOffset)
	var g *generation
	if n < uint64(len(p.all)) {
		g = p.all[n]
	}
	p.mu.Unlock()
	if g == nil {
		return providers.Event{}, fmt.Errorf("line at byte %d: the file is closed: %w", off, providers.ErrNotFound)
	}
	line, err := g.line(off)
	if err != nil {
		return providers.Event{}, fmt.Errorf("%s: line at byte %d: %w", g.path, off, err)
	}
	ev, err := p.decodeLine(line)
	if err != nil {
		return providers.Event{}, fmt.Errorf("%s: line at byte %d: %w", g.path, off, err)
	}
	return ev, nil
}

// line reads the line that begins at an offset.
func (g *generation) line(off int64) ([]byte, error) {
	for size := loadSize; ; size *= 4 {
		buf := make([]byte, size)
		n, err := g.f.ReadAt(buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if end := bytes.IndexByte(buf[:n], '\n'); end >= 0 {
			return buf[:end], nil
		}
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return nil, fmt.Errorf("the file is shorter by now: %w", providers.ErrNotFound)
			}
			return buf[:n], nil
		}
		if size > maxLine {
			return nil, errLongLine
		}
	}
}
