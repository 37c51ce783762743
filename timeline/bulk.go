package timeline

import (
	"cmp"
	"slices"

	"github.com/backout-dev/backout/providers"
)

// source is one Indexer whose rows stand on the timeline.
type source struct {
	n        uint16
	name     string
	ix       providers.Indexer
	seq      uint64
	joins    []joinRow // sorted by join
	decoders *decodeCache
}

// rowVersion tells the newest of several rows with the same key.
type rowVersion struct {
	at  int64
	ref uint64
	src uint16
}

// joinRow says that an indexed row carries a commit or digest, by hashes.
type joinRow struct {
	join, key uint64
	at        int64
	provider  uint32
}

// run is a sorted part of what an Indexer yields.
type run struct {
	blocks []*chunk
	last   row
	pos    int
}

// bulk takes in the rows of one Indexer. What it yields in order becomes few runs; finish merges them.
type bulk struct {
	s     *Store
	src   *source
	seq   uint64 // of this call
	runs  []*run
	joins [][]joinRow // in pieces: one slice that grows would leave several times its size behind
	again []loc       // rows of which a decoded report from before this call is there
	order []int       // in which the rows of a batch are sorted
	codes []row       // of a batch
	keys  []uint64
	sum   uint64
}

func newBulk(s *Store, provider string, ix providers.Indexer) *bulk {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	s.pending++
	for _, src := range s.sources {
		if src.ix == ix {
			return &bulk{s: s, src: src, seq: s.seq}
		}
	}
	src := &source{n: uint16(len(s.sources)), name: provider, ix: ix, seq: s.seq, decoders: newDecodeCache()}
	s.sources = append(s.sources[:len(s.sources):len(s.sources)], src)
	return &bulk{s: s, src: src, seq: s.seq}
}

// add takes a batch over. Nothing of it is kept.
func (b *bulk) add(rows []providers.Row) {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	if cap(b.order) < len(rows) {
		b.order = make([]int, len(rows))
	}
	b.order = b.order[:len(rows)]
	for i := range b.order {
		b.order[i] = i
	}
	inOrder := func(i, j int) int {
		return cmp.Or(cmp.Compare(rows[i].At, rows[j].At), cmp.Compare(rows[i].ID, rows[j].ID))
	}
	if !slices.IsSortedFunc(b.order, inOrder) {
		slices.SortStableFunc(b.order, inOrder)
	}
	b.encode(rows)
	var at *run
	for _, i := range b.order {
		r := &b.codes[i]
		if len(r.id) == 0 {
			continue
		}
		b.note(&rows[i], r, b.keys[i])
		if at == nil || compareRows(b.s.dict.names, &at.last, r) > 0 {
			at = b.runFor(r)
		}
		at.append(*r)
	}
}

// encode makes the rows and the key hashes of a batch.
func (b *bulk) encode(rows []providers.Row) {
	b.codes, b.keys = b.codes[:0], b.keys[:0]
	for i := range rows {
		r := b.s.encodeRow(&rows[i], b.src.name)
		r.src = b.src.n
		b.codes = append(b.codes, r)
		b.keys = append(b.keys, b.s.hash.of(r.provider, r.id, r.flags))
	}
	b.sum += b.s.table.warm(b.keys)
}

// note records the row's key, and what joins it to reports of others.
func (b *bulk) note(p *providers.Row, r *row, h uint64) {
	s := b.s
	if _, had := s.table.put(h, r.at); had {
		s.newest[h] = rowVersion{r.at, r.ref, r.src}
	}
	if p.Alert {
		return
	}
	if p.Commit != "" {
		b.join(joinRow{s.hash.join(joinCommit, p.Commit), h, r.at, r.provider})
	}
	if p.Artifact != "" {
		b.join(joinRow{s.hash.join(joinDigest, p.Artifact), h, r.at, r.provider})
	}
}

const joinPiece = 1024

func (b *bulk) join(j joinRow) {
	n := len(b.joins)
	if n == 0 || len(b.joins[n-1]) == joinPiece {
		b.joins = append(b.joins, make([]joinRow, 0, joinPiece))
		n++
	}
	b.joins[n-1] = append(b.joins[n-1], j)
}

// runFor finds the run that ends latest before r, so that there are as few runs as can be.
func (b *bulk) runFor(r *row) *run {
	var best *run
	for _, c := range b.runs {
		if compareRows(b.s.dict.names, &c.last, r) <= 0 &&
			(best == nil || compareRows(b.s.dict.names, &best.last, &c.last) < 0) {
			best = c
		}
	}
	if best == nil {
		best = &run{}
		b.runs = append(b.runs, best)
	}
	return best
}

func (u *run) append(r row) {
	n := len(u.blocks)
	if n == 0 || u.blocks[n-1].len() == chunkRows {
		u.blocks = append(u.blocks, newChunk(chunkRows))
		n++
	}
	c := u.blocks[n-1]
	c.append(&r)
	r.id = c.id(c.len() - 1)
	u.last = r
}
