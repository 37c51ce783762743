package timeline

import "slices"

// cursor walks one sorted list of chunks.
type cursor struct {
	run    *run
	cur    row
	shared bool // chunks that a snapshot may hold, not to be used again
}

func (c *cursor) load() bool {
	if len(c.run.blocks) == 0 {
		return false
	}
	c.cur = c.run.blocks[0].row(c.run.pos)
	return true
}

// step goes to the next row and gives the chunk that it has left behind, if any.
func (c *cursor) step() (left *chunk, more bool) {
	b := c.run.blocks[0]
	if c.run.pos++; c.run.pos == b.len() {
		c.run.blocks[0], c.run.pos, left = nil, 0, b
		c.run.blocks = c.run.blocks[1:]
		if c.shared {
			left = nil
		}
	}
	return left, c.load()
}

// mergeRuns writes the rows of all runs in order, without those that keep refuses. Chunks of runs that are not shared are
// used again for the result, so that merging a million rows needs hardly more memory than the rows.
func mergeRuns(names []string, cursors []*cursor, w *writer, keep func(*row) bool) {
	heap := slices.DeleteFunc(cursors, func(c *cursor) bool { return !c.load() })
	for i := len(heap)/2 - 1; i >= 0; i-- {
		siftDown(names, heap, i)
	}
	for len(heap) > 0 {
		c := heap[0]
		if keep == nil || keep(&c.cur) {
			w.add(&c.cur)
		}
		left, more := c.step()
		if left != nil {
			left.reset()
			w.free = append(w.free, left)
		}
		if !more {
			n := len(heap) - 1
			heap[0] = heap[n]
			heap = heap[:n]
		}
		siftDown(names, heap, 0)
	}
	w.flush()
}

func siftDown(names []string, heap []*cursor, i int) {
	for {
		l := 2*i + 1
		if l >= len(heap) {
			return
		}
		if r := l + 1; r < len(heap) && before(names, heap[r], heap[l]) {
			l = r
		}
		if !before(names, heap[l], heap[i]) {
			return
		}
		heap[i], heap[l] = heap[l], heap[i]
		i = l
	}
}

func before(names []string, a, b *cursor) bool {
	if a.cur.at != b.cur.at {
		return a.cur.at < b.cur.at
	}
	return compareRows(names, &a.cur, &b.cur) < 0
}

// finish merges the runs into the timeline, publishes, and gives the rows that others may have reported too.
func (b *bulk) finish() []loc {
	s := b.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
	if len(b.runs) == 0 {
		return nil
	}
	keep := b.keeper()
	cursors := make([]*cursor, 0, len(b.runs)+1)
	from := b.runs[0].blocks[0].first()
	rows := 0
	for _, r := range b.runs {
		cursors = append(cursors, &cursor{run: r})
		from = min(from, r.blocks[0].first())
		for _, c := range r.blocks {
			rows += c.len()
		}
	}
	untouched := 0
	if len(s.newest) == 0 { // else any earlier row may have been replaced
		for untouched < len(s.chunks) && s.chunks[untouched].last() < from {
			untouched++
		}
	}
	rest := slices.Clone(s.chunks[untouched:])
	cursors = append(cursors, &cursor{run: &run{blocks: rest}, shared: true})
	w := writer{out: make([]*chunk, 0, len(s.chunks)+rows/chunkRows+2)}
	w.out = append(w.out, s.chunks[:untouched]...)
	mergeRuns(s.dict.names, cursors, &w, keep)
	s.chunks, s.cell, b.runs = w.out, &incidentCell{}, nil
	if s.pending == 0 {
		clear(s.newest)
	}
	s.publish()
	return append(b.matches(), b.again...)
}

// keeper tells which rows stay: an indexed one goes when the same key was indexed again, or was put decoded. Where it was
// put before this call, the indexed row is the later report: it is decoded and put.
func (b *bulk) keeper() func(*row) bool {
	s := b.s
	if len(s.newest) == 0 && len(s.byHash) == 0 {
		return nil
	}
	return func(r *row) bool {
		if r.item != nil {
			return true
		}
		h := s.hash.of(r.provider, r.id, r.flags)
		if v, again := s.newest[h]; again && v != (rowVersion{r.at, r.ref, r.src}) {
			return false
		}
		if e := s.byHash[h]; e != nil {
			if e.said < b.seq && r.src == b.src.n {
				b.again = append(b.again, s.locOf(r))
			}
			return false
		}
		return true
	}
}
