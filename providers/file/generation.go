package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
)

// generation is a file as it was opened once. A rotated, a truncated or, for a whole document, a rewritten file is
// another generation: an offset means something in one of them only.
type generation struct {
	n     int
	path  string
	f     *os.File
	info  os.FileInfo
	whole bool // a .json file, which holds documents and no feed

	mu     sync.Mutex
	read   int64 // up to where lines were read
	ended  bool  // they were read to the end once, so that what follows is new
	mark   []byte
	looked int64 // up to where documents were looked for
	docs   map[int64]*document
}

// markSize is how much of what was read last tells whether a file that grew is still the same.
const markSize = 64

// same reports whether a file is still this one: not another under its name, not shorter than what was read, and, for
// a whole document, not written since.
func (g *generation) same(st os.FileInfo) bool {
	if !os.SameFile(g.info, st) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.whole {
		return st.Size() == g.info.Size() && st.ModTime().Equal(g.info.ModTime())
	}
	if st.Size() < g.read {
		return false
	}
	if len(g.mark) == 0 {
		return true
	}
	now := make([]byte, len(g.mark))
	_, err := g.f.ReadAt(now, g.read-int64(len(g.mark)))
	return err == nil && bytes.Equal(now, g.mark)
}

// readTo notes up to where lines were read; tail is what stands before it.
func (g *generation) readTo(off int64, tail []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if off < g.read {
		return
	}
	g.read = off
	g.mark = append(g.mark[:0], tail[max(0, len(tail)-markSize):]...)
}

// readAll notes that lines were read up to the end that the file had then.
func (g *generation) readAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
}

// position is up to where lines were read, and whether that was the end of the file.
func (g *generation) position() (off int64, ended bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.read, g.ended
}

// blockSize is how much is read at once.
const blockSize = 256 << 10

// block is whole lines of a file. rest marks what stands after the last line break.
type block struct {
	g    *generation
	off  int64
	data []byte
	rest bool
}

// blocks reads a file from an offset on in blocks of whole lines. get gives room for one block; the block belongs to the
// caller, who may use the room again. A line that is longer than a document may be is an error.
func (g *generation) blocks(ctx context.Context, from int64, get func() []byte) iter.Seq2[block, error] {
	return func(yield func(block, error) bool) {
		buf := get()
		kept := 0 // bytes of a line that is not whole yet
		for ctx.Err() == nil {
			if kept == len(buf) {
				if len(buf) > incident.MaxDocument {
					yield(block{}, providers.Permanent(fmt.Errorf("%s: a line at byte %d is longer than %d bytes", g.path, from, incident.MaxDocument)))
					return
				}
				buf = append(buf, make([]byte, len(buf))...)
			}
			n, err := g.f.ReadAt(buf[kept:], from+int64(kept))
			end := kept + n
			if err != nil && !errors.Is(err, io.EOF) {
				yield(block{}, fmt.Errorf("read feed: %w", err))
				return
			}
			cut := bytes.LastIndexByte(buf[kept:end], '\n') + 1
			if cut > 0 {
				cut += kept
				next := get()
				for len(next) < end-cut {
					next = make([]byte, 2*(end-cut))
				}
				kept = copy(next, buf[cut:end])
				if !yield(block{g: g, off: from, data: buf[:cut]}, nil) {
					return
				}
				from += int64(cut)
				buf = next
			} else {
				kept = end
			}
			if err != nil { // the end of the file
				if kept > 0 {
					yield(block{g: g, off: from, data: buf[:kept], rest: true}, nil)
				}
				return
			}
		}
	}
}

// lines gives the lines of a block and their offsets in the file, without line breaks and without blank ones.
func (b *block) lines() iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		data, off := b.data, b.off
		for len(data) > 0 {
			n := bytes.IndexByte(data, '\n')
			line := data
			if n >= 0 {
				line = data[:n]
			}
			if len(bytes.TrimSpace(line)) > 0 && !yield(off, line) {
				return
			}
			if n < 0 {
				return
			}
			data, off = data[n+1:], off+int64(n)+1
		}
	}
}

func newRoom() []byte { return make([]byte, blockSize) }
