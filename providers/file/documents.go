package file

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
)

// shelf holds the events of incident files. Its lock is the innermost: nothing is waited for while it is held, since those who
// read a file hold that file's lock, and those who look which files there are wait for that one.
type shelf struct {
	mu     sync.Mutex
	events []providers.Event // by ref
}

// document is what is kept of an incident file: its events stand on the shelf from first on.
type document struct {
	first, n int
	services []providers.Service
	edges    []providers.Edge
	signals  []providers.Signal
}

// keep takes a decoded document in.
func (s *shelf) keep(d *incident.Document) *document {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &document{first: len(s.events), services: d.Services, edges: d.Edges, signals: d.Signals}
	for i := range d.Changes {
		s.events = append(s.events, providers.Event{Change: &d.Changes[i]})
	}
	for i := range d.Alerts {
		s.events = append(s.events, providers.Event{Alert: &d.Alerts[i]})
	}
	k.n = len(s.events) - k.first
	return k
}

func (s *shelf) of(d *document) []providers.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[d.first : d.first+d.n]
}

func (s *shelf) at(i uint64) (providers.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i >= uint64(len(s.events)) {
		return providers.Event{}, false
	}
	return s.events[i], true
}

// rowsOf are the rows of a document's events.
func (p *Provider) rowsOf(d *document, s span) []providers.Row {
	var rows []providers.Row
	for i, ev := range p.shelf.of(d) {
		r := rowOf(ev)
		r.Ref = docRef | uint64(d.first+i)
		if s.holds(r.At, r.End, r.Alert) {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(a, b providers.Row) int { return cmp.Compare(a.At, b.At) })
	return rows
}

// documentAt decodes the document on a line, once.
func (p *Provider) documentAt(g *generation, off int64, line []byte) (*document, error) {
	g.mu.Lock()
	d := g.docs[off]
	g.mu.Unlock()
	if d != nil {
		return d, nil
	}
	doc, err := incident.Decode(line)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if d = g.docs[off]; d == nil {
		d = p.shelf.keep(&doc)
		g.docs[off] = d
	}
	return d, nil
}

// wholeFile reads the documents of a .json file, once.
func (p *Provider) wholeFile(ctx context.Context, g *generation) ([]*document, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.looked == 0 {
		i := int64(0)
		for doc, err := range incident.Read(reading{ctx, io.NewSectionReader(g.f, 0, math.MaxInt64)}) {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				return nil, providers.Permanent(fmt.Errorf("%s: %w", g.path, err))
			}
			if g.docs[i] == nil {
				g.docs[i] = p.shelf.keep(&doc)
			}
			i++
		}
		g.looked = 1
	}
	return g.sorted(), nil
}

// sorted lists the known documents in order. The caller holds the lock.
func (g *generation) sorted() []*document {
	offsets := make([]int64, 0, len(g.docs))
	for off := range g.docs {
		offsets = append(offsets, off)
	}
	slices.Sort(offsets)
	docs := make([]*document, len(offsets))
	for i, off := range offsets {
		docs[i] = g.docs[off]
	}
	return docs
}

// reading stops to read when the context is done.
type reading struct {
	ctx context.Context
	r   io.Reader
}

func (r reading) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// documents lists the documents of all files, in order. Only lines that name the format are decoded.
func (p *Provider) documents(ctx context.Context) ([]*document, error) {
	files, err := p.open()
	if err != nil {
		return nil, err
	}
	var out []*document
	for _, g := range files {
		docs, err := p.documentsOf(ctx, g)
		if err != nil {
			return nil, err
		}
		out = append(out, docs...)
	}
	return out, ctx.Err()
}

func (p *Provider) documentsOf(ctx context.Context, g *generation) ([]*document, error) {
	if g.whole {
		return p.wholeFile(ctx, g)
	}
	g.mu.Lock()
	from := g.looked
	g.mu.Unlock()
	room := [2][]byte{newRoom(), newRoom()}
	turn := 0
	get := func() []byte { turn = 1 - turn; return room[turn] }
	for b, err := range g.blocks(ctx, from, get) {
		if err != nil {
			return nil, err
		}
		if bytes.Contains(b.data, []byte(incident.Format)) {
			for off, line := range b.lines() {
				if bytes.Contains(line, []byte(incident.Format)) {
					if _, err := p.documentAt(g, off, line); err != nil {
						continue // counted when the rows are read
					}
				}
			}
		}
		if !b.rest {
			from = b.off + int64(len(b.data))
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.looked = max(g.looked, from)
	return g.sorted(), ctx.Err()
}

// Topology implements providers.Topology: the services and edges of the incident files.
func (p *Provider) Topology(ctx context.Context) ([]providers.Service, []providers.Edge, error) {
	docs, err := p.documents(ctx)
	if err != nil {
		return nil, nil, err
	}
	var services []providers.Service
	var edges []providers.Edge
	for _, d := range docs {
		services = append(services, d.services...)
		edges = append(edges, d.edges...)
	}
	return services, edges, nil
}

// Signals implements providers.SignalSource: the series of the incident files, cut to the window.
func (p *Provider) Signals(ctx context.Context, w providers.Window, services []string) ([]providers.Signal, error) {
	docs, err := p.documents(ctx)
	if err != nil {
		return nil, err
	}
	s := spanOf(w)
	var out []providers.Signal
	for _, d := range docs {
		for _, sig := range d.signals {
			if len(services) > 0 && !slices.Contains(services, sig.Service) {
				continue
			}
			points := sig.Points
			sig.Points = nil
			for _, pt := range points {
				if at := pt[0] * 1e9; at >= float64(s.since) && at < float64(s.until) {
					sig.Points = append(sig.Points, pt)
				}
			}
			if len(sig.Points) > 0 || len(points) == 0 {
				out = append(out, sig)
			}
		}
	}
	return out, nil
}

func firstLine(b []byte) []byte {
	if n := bytes.IndexByte(b, '\n'); n >= 0 {
		return b[:n]
	}
	return b
}
