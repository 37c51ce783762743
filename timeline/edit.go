package timeline

import (
	"slices"
	"sort"
)

// writer collects rows in order and makes sealed chunks of them.
type writer struct {
	out  []*chunk
	cur  *chunk
	free []*chunk // chunks that nobody else has seen, to be used again
}

func (w *writer) add(r *row) {
	if w.cur == nil {
		if n := len(w.free); n > 0 {
			w.cur, w.free = w.free[n-1], w.free[:n-1]
		} else {
			w.cur = newChunk(chunkRows)
		}
	}
	w.cur.append(r)
	if w.cur.len() >= chunkRows {
		w.flush()
	}
}

func (w *writer) flush() {
	if w.cur != nil && w.cur.len() > 0 {
		w.out = append(w.out, w.cur.seal())
	}
	w.cur = nil
}

// edit takes rows out of a list of chunks and puts others in, and shares every chunk that neither touches. Rows to take
// out must be there. The given list is not changed.
func edit(names []string, chunks []*chunk, remove, insert []row) []*chunk {
	if len(remove) == 0 && len(insert) == 0 {
		return chunks
	}
	byOrder := func(a, b row) int { return compareRows(names, &a, &b) }
	slices.SortFunc(remove, byOrder)
	remove = slices.CompactFunc(remove, func(a, b row) bool { return byOrder(a, b) == 0 })
	slices.SortFunc(insert, byOrder)
	w := writer{out: make([]*chunk, 0, len(chunks)+len(insert)/chunkRows+2)}
	next := 0
	for len(remove) > 0 || len(insert) > 0 {
		if len(chunks) == 0 {
			w.addAll(insert)
			break
		}
		op := firstOf(names, remove, insert)
		j := next + sort.Search(len(chunks)-next, func(i int) bool {
			c := chunks[next+i]
			return c.compareAt(names, c.len()-1, op) >= 0
		})
		if j == len(chunks) && j > next {
			j--
		}
		w.out = append(w.out, chunks[next:j]...)
		if j == len(chunks) { // the last chunk was rebuilt already and took everything
			break
		}
		nr, ni := len(remove), len(insert)
		if j < len(chunks)-1 {
			nr, ni = upTo(names, remove, chunks[j]), upTo(names, insert, chunks[j])
		}
		w.rebuild(names, chunks[j], remove[:nr], insert[:ni])
		remove, insert, next = remove[nr:], insert[ni:], j+1
	}
	w.out = append(w.out, chunks[next:]...)
	return w.out
}

func firstOf(names []string, a, b []row) *row {
	if len(a) == 0 || (len(b) > 0 && compareRows(names, &b[0], &a[0]) < 0) {
		return &b[0]
	}
	return &a[0]
}

// upTo counts the rows that are not after the last one of c.
func upTo(names []string, rows []row, c *chunk) int {
	return sort.Search(len(rows), func(i int) bool { return c.compareAt(names, c.len()-1, &rows[i]) < 0 })
}

func (w *writer) addAll(rows []row) {
	for i := range rows {
		w.add(&rows[i])
	}
	w.flush()
}

// rebuild writes c without the rows to remove and with the rows to insert, as one chunk or as several.
func (w *writer) rebuild(names []string, c *chunk, remove, insert []row) {
	n := c.len() - len(remove) + len(insert)
	if n == 0 {
		return
	}
	whole := n <= maxChunkRows
	if whole {
		w.cur = newChunk(n)
	}
	put := func(r *row) {
		if whole {
			w.cur.append(r)
		} else {
			w.add(r)
		}
	}
	for i := range c.len() {
		r := c.row(i)
		for len(insert) > 0 && compareRows(names, &insert[0], &r) < 0 {
			put(&insert[0])
			insert = insert[1:]
		}
		if len(remove) > 0 && compareRows(names, &remove[0], &r) == 0 {
			remove = remove[1:]
			continue
		}
		put(&r)
	}
	for i := range insert {
		put(&insert[i])
	}
	w.flush()
}
