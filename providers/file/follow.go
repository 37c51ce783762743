package file

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"iter"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
)

// followEvery is how often the files are looked at. Looking costs one stat a file.
const followEvery = 250 * time.Millisecond

// Watch implements providers.Watcher: what is written from where Rows has read to, or from the end of the file where Rows
// has not come to it yet, since Rows goes on beyond that. Truncation, rotation by renaming or by copying, and a last line that is written in parts are seen.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		if !p.set.Follow {
			<-ctx.Done()
			return
		}
		f := &follower{p: p, ctx: ctx, yield: yield, at: map[string]*place{}}
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for first := true; ; first = false {
			if !f.round(first) {
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// place is how far a file was followed.
type place struct {
	g    *generation
	next int64
	size int64 // when it was read last
}

// follower is one call of Watch.
type follower struct {
	p     *Provider
	ctx   context.Context
	yield func(providers.Event, error) bool
	at    map[string]*place
	said  string // the last error that was told
}

// round looks at every file once. It reports false when nobody listens any more.
func (f *follower) round(first bool) bool {
	paths, err := f.p.paths()
	if err != nil {
		return f.tell(err)
	}
	var failed error
	for _, path := range paths {
		more, err := f.look(path, first)
		if !more {
			return false
		}
		if err != nil && failed == nil && !errors.Is(err, fs.ErrNotExist) { // between two files of a rotation there is none
			failed = err
		}
	}
	return f.tell(failed)
}

// tell reports an error once, until there is another one or none.
func (f *follower) tell(err error) bool {
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why == f.said {
		return true
	}
	f.said = why
	return err == nil || f.yield(providers.Event{}, providers.Retryable(err))
}

func (f *follower) look(path string, first bool) (bool, error) {
	g, err := f.p.generationOf(path)
	if err != nil {
		return true, err
	}
	at := f.at[path]
	switch {
	case at == nil && first:
		at = &place{g: g, next: startOf(g)}
		f.at[path] = at
		if g.whole {
			return true, nil // what it holds is known from Rows
		}
	case at == nil:
		at = &place{g: g}
		f.at[path] = at
	case at.g != g: // rotated or truncated: first what was still written to the old one
		more, err := f.read(at)
		if !more || err != nil {
			return more, err
		}
		at.g, at.next, at.size = g, 0, 0
	case g.whole:
		return true, nil
	}
	if g.whole {
		return f.document(g)
	}
	return f.read(at)
}

// startOf is where new lines begin: after what was read, if that was to the end, or else after the last whole line. What
// is between is left to the reading that is under way: a million lines are not decoded in full because they are new.
func startOf(g *generation) int64 {
	if read, ended := g.position(); ended {
		return read
	}
	st, err := g.f.Stat()
	if err != nil {
		return 0
	}
	size := st.Size()
	buf := make([]byte, min(size, maxLine))
	if _, err := g.f.ReadAt(buf, size-int64(len(buf))); err != nil {
		return 0
	}
	return size - int64(len(buf)) + int64(bytes.LastIndexByte(buf, '\n')+1)
}

func (f *follower) document(g *generation) (bool, error) {
	docs, err := f.p.wholeFile(f.ctx, g)
	if err != nil {
		return true, err
	}
	for _, d := range docs {
		if !f.events(d) {
			return false, nil
		}
	}
	return true, nil
}

func (f *follower) events(d *document) bool {
	for _, ev := range f.p.shelf.of(d) {
		if !f.yield(ev, nil) {
			return false
		}
	}
	return true
}

// read hands on the whole lines that were added to a file.
func (f *follower) read(at *place) (bool, error) {
	st, err := at.g.f.Stat()
	if err != nil || st.Size() <= at.next || st.Size() == at.size {
		return true, err
	}
	at.size = st.Size()
	start := f.p.env.Now()
	var bad badLines
	for b, err := range at.g.blocks(f.ctx, at.next, newRoom) {
		if err != nil {
			return true, err
		}
		if b.rest {
			break // the end of the line is still to come
		}
		for off, line := range b.lines() {
			more, err := f.line(at.g, off, line)
			if err != nil {
				bad.add(off, err)
			}
			if !more {
				return false, nil
			}
		}
		at.next = b.off + int64(len(b.data))
		at.g.readTo(at.next, b.data)
	}
	f.p.Done(start, nil)
	f.p.addBad(at.g.path, bad)
	if bad.n == 0 {
		f.p.noteBad()
	}
	return f.ctx.Err() == nil, nil
}

func (f *follower) line(g *generation, off int64, line []byte) (bool, error) {
	if len(line) <= maxLine {
		ev, err := f.p.decodeLine(line)
		if err == nil {
			return f.yield(ev, nil), nil
		}
		if !bytes.Contains(line, []byte(incident.Format)) {
			return true, err
		}
	} else if !bytes.Contains(line, []byte(incident.Format)) {
		return true, errLongLine
	}
	d, err := f.p.documentAt(g, off, line)
	if err != nil {
		return true, err
	}
	return f.events(d), nil
}
