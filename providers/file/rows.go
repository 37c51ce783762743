package file

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/backout-dev/backout/providers"
)

// job is a block on its way through the parsers. Blocks are parsed side by side and handed on in the order in which they
// stand in the files, so that the later of two lines with the same id is the later row.
type job struct {
	block  block
	err    error
	parser *parser
	done   chan struct{}
}

// Rows implements providers.Indexer: files by path, lines in order.
func (p *Provider) Rows(ctx context.Context, w providers.Window) iter.Seq2[[]providers.Row, error] {
	return func(yield func([]providers.Row, error) bool) {
		end := p.begin()
		files, err := p.open()
		if err != nil {
			end(ctx, err)
			yield(nil, err)
			return
		}
		stopped := false
		err = p.scanAll(ctx, files, spanOf(w), func(rows []providers.Row) bool {
			stopped = !yield(rows, nil)
			return !stopped
		})
		if err == nil {
			err = ctx.Err()
		}
		if ctx.Err() == nil && !stopped {
			end(ctx, err)
		}
		if err != nil && !stopped {
			yield(nil, err)
		}
	}
}

// scanAll parses all files and hands on their rows in order. No goroutine is left when it returns.
func (p *Provider) scanAll(ctx context.Context, files []*generation, s span, yield func([]providers.Row) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	workers := max(1, min(runtime.GOMAXPROCS(0), 8))
	depth := 2 * workers
	l := &line{
		free: make(chan *parser, depth+2), work: make(chan *job, depth), queue: make(chan *job, depth),
		rooms: &sync.Pool{New: func() any { b := newRoom(); return &b }},
	}
	for range cap(l.free) {
		l.free <- &parser{p: p, names: map[string]string{}}
	}
	for range workers {
		wg.Go(func() {
			for j := range l.work {
				j.parser.block(&j.block)
				close(j.done)
			}
		})
	}
	wg.Go(func() { l.produce(ctx, files) })
	bad, told := make([]badLines, p.count()), newTold()
	for j := range l.queue {
		if err := l.take(ctx, j); err != nil {
			return err
		}
		if err := p.deliver(ctx, j, s, told, bad, yield); err != nil {
			return err
		}
		l.give(j)
	}
	for _, g := range files {
		p.setBad(g.path, bad[g.n])
	}
	return ctx.Err()
}

// count is the number of generations so far.
func (p *Provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all)
}

// line is where the blocks of one scan go: to the parsers, and in order to the queue.
type line struct {
	free        chan *parser
	rooms       *sync.Pool
	work, queue chan *job
}

// produce reads the blocks of all files and sends them off.
func (l *line) produce(ctx context.Context, files []*generation) {
	defer close(l.work)
	defer close(l.queue)
	get := func() []byte { return *l.rooms.Get().(*[]byte) }
	for _, g := range files {
		if g.whole {
			if !put(ctx, l.queue, &job{block: block{g: g}}) {
				return
			}
			continue
		}
		for b, err := range g.blocks(ctx, 0, get) {
			if err == nil && !b.rest {
				g.readTo(b.off+int64(len(b.data)), b.data)
			}
			if !l.send(ctx, &job{block: b, err: err, done: make(chan struct{})}) {
				return
			}
		}
		if ctx.Err() == nil {
			g.readAll()
		}
	}
}

// send gives a block to the queue first and then to a parser. It reports false when the scan is over.
func (l *line) send(ctx context.Context, j *job) bool {
	select {
	case j.parser = <-l.free:
	case <-ctx.Done():
		return false
	}
	return put(ctx, l.queue, j) && j.err == nil && put(ctx, l.work, j)
}

func put(ctx context.Context, to chan<- *job, j *job) bool {
	select {
	case to <- j:
		return true
	case <-ctx.Done():
		return false
	}
}

// take waits until a block is parsed, and afterwards give makes its parser and its room free.
func (l *line) take(ctx context.Context, j *job) error {
	if j.err != nil || j.parser == nil {
		return j.err
	}
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *line) give(j *job) {
	if j.parser != nil {
		room := j.block.data[:cap(j.block.data)]
		l.rooms.Put(&room)
		l.free <- j.parser
	}
}

// deliver hands on the rows of one block, and of the documents in it.
func (p *Provider) deliver(ctx context.Context, j *job, s span, told *told, bad []badLines, yield func([]providers.Row) bool) error {
	q, g := j.parser, j.block.g
	if g.whole {
		docs, err := p.wholeFile(ctx, g)
		if err != nil {
			return err
		}
		return p.deliverDocs(docs, s, yield)
	}
	if j.block.rest && q.failed.n > 0 { // half a line: what is missing may still come
		if p.set.Follow {
			q.failed = badLines{}
		} else {
			q.failed.why = errHalf
		}
	} else if j.block.rest && len(q.rows) > 0 {
		g.readTo(j.block.off+int64(len(j.block.data)), j.block.data)
	}
	bad[g.n].merge(q.failed)
	rows := told.choose(q.rows, s)
	byTime := func(a, b providers.Row) int { return cmp.Compare(a.At, b.At) }
	if !slices.IsSortedFunc(rows, byTime) {
		slices.SortStableFunc(rows, byTime)
	}
	if len(rows) > 0 && !yield(rows) {
		return errStopped
	}
	for _, off := range q.docs {
		line := j.block.data[off-j.block.off:]
		d, err := p.documentAt(g, off, firstLine(line))
		if err != nil {
			bad[g.n].add(off, err)
			continue
		}
		if err := p.deliverDocs([]*document{d}, s, yield); err != nil {
			return err
		}
	}
	return nil
}

func (p *Provider) deliverDocs(docs []*document, s span, yield func([]providers.Row) bool) error {
	for _, d := range docs {
		rows := p.rowsOf(d, s)
		if len(rows) > 0 && !yield(rows) {
			return errStopped
		}
	}
	return nil
}

// errStopped ends a scan that nobody wants to go on.
var errStopped = fmt.Errorf("stopped: %w", context.Canceled)
