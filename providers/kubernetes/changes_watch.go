package kubernetes

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// beat is how often a Watch that hears nothing asks whether the API server is there.
const beat = 15 * time.Second

// heard is what one of the watches of a feed tells.
type heard struct {
	record   record
	deleted  bool
	complete bool
	err      error
	what     string
}

// failure is what one watch, or the API server as a whole, ran into.
type failure struct {
	err error
	at  time.Time
}

// feed is one Watch: a book that is kept up to date.
type feed struct {
	p      *Provider
	book   *book
	all    []source
	scopes []string

	mu      sync.Mutex
	pending map[string]bool    // what was not told whole yet
	trouble map[string]failure // what cannot be read now
	ready   chan struct{}      // closed when nothing is pending
	ended   chan struct{}

	told  map[string]bool // what was told whole once
	early map[string]bool // workloads that were told of before everything was there
	last  *revision
	seen  witness
	due   map[place]time.Time

	soaking map[string]bool // workloads, by uid, that are still to be seen to serve
}

// settled waits until everything was told once. An error is that of what cannot be read now: then the book is not the truth.
func (f *feed) settled(ctx context.Context) (*book, error) {
	select {
	case <-f.ready:
	case <-f.ended:
		return nil, context.Canceled
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.trouble {
		return nil, t.err
	}
	return f.book, nil
}

// Watch implements providers.Watcher. It tells of every change and alert there is, and then of each as it comes.
func (p *Provider) Watch(ctx context.Context) iter.Seq2[providers.Event, error] {
	return func(yield func(providers.Event, error) bool) {
		pause := backoff.NewExponentialBackOff()
		pause.MaxInterval = time.Minute
		for ctx.Err() == nil {
			start := p.now()
			f := p.begin()
			err := p.chronicle.load(ctx)
			var scopes []string
			var all []source
			if err == nil {
				scopes, err = p.readableScopes(ctx)
			}
			if err == nil {
				all, err = p.sources(ctx)
			}
			if err == nil {
				f.all, f.scopes = all, scopes
				p.follow(ctx, f, yield)
				return
			}
			p.end(f)
			if ctx.Err() != nil {
				return
			}
			p.Done(start, err)
			if !yield(providers.Event{}, err) || providers.ClassOf(err) == providers.ClassPermanent {
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(max(pause.NextBackOff(), providers.RetryAfter(err))):
			}
		}
	}
}

// begin lets who asks meanwhile wait for what a Watch reads.
func (p *Provider) begin() *feed {
	f := &feed{
		p: p, book: newBook(), pending: map[string]bool{}, trouble: map[string]failure{}, early: map[string]bool{}, told: map[string]bool{},
		ready: make(chan struct{}), ended: make(chan struct{}), due: map[place]time.Time{},
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live = f
	return f
}

// end lets nobody wait for it any more.
func (p *Provider) end(f *feed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live == f {
		p.live = nil
	}
	close(f.ended)
}

func (p *Provider) follow(ctx context.Context, f *feed, yield func(providers.Event, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	in := make(chan heard, 64)
	var wg sync.WaitGroup
	for _, s := range f.all {
		for _, namespace := range f.scopes {
			f.pending[s.what(namespace)] = true
		}
	}
	for _, s := range f.all {
		for _, namespace := range f.scopes {
			wg.Go(func() { p.hear(ctx, s, namespace, in) })
		}
	}
	defer func() {
		cancel()
		p.end(f)
		wg.Wait()
	}()
	f.run(ctx, in, yield)
}

// hear follows one kind in one namespace and tells of each object in its short form.
func (p *Provider) hear(ctx context.Context, s source, namespace string, in chan<- heard) {
	what := s.what(namespace)
	tell := func(h heard) bool {
		h.what = what
		select {
		case in <- h:
			return true
		case <-ctx.Done():
			return false
		}
	}
	present := map[string]stamped{}
	epoch, told := 0, false
	for e, err := range p.cluster.Follow(ctx, s.resource, namespace, s.selection) {
		switch {
		case err != nil:
			epoch++ // what a list that follows does not name is gone
			if ctx.Err() != nil || !tell(heard{err: err}) {
				return
			}
		case e.Complete:
			if told && !sweep(present, epoch, tell) || !tell(heard{complete: true}) {
				return
			}
			told = true
		default:
			r := p.reduced(ctx, s, e)
			if r == nil {
				continue
			}
			uid, _ := r.id()
			if e.Deleted {
				delete(present, uid)
			} else {
				present[uid] = stamped{r, epoch}
			}
			if !tell(heard{record: r, deleted: e.Deleted}) {
				return
			}
		}
	}
}

// stamped is a record with the count of errors before it was told.
type stamped struct {
	record
	epoch int
}

// sweep tells that what was not told since the last error is gone.
func sweep(present map[string]stamped, epoch int, tell func(heard) bool) bool {
	for uid, r := range present {
		if r.epoch < epoch {
			delete(present, uid)
			if !tell(heard{record: r.record, deleted: true}) {
				return false
			}
		}
	}
	return true
}

func (p *Provider) reduced(ctx context.Context, s source, e kube.Event) record {
	if !p.cluster.Covers(e.Object.GetNamespace()) {
		return nil
	}
	r := s.reduce(e.Object)
	if r != nil && !e.Deleted {
		p.keepContent(ctx, r)
	}
	return r
}

// run takes in what the watches tell, and tells what follows from it.
func (f *feed) run(ctx context.Context, in <-chan heard, yield func(providers.Event, error) bool) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var asked time.Time
	answers := make(chan error, 1)
	asking := false
	scope := f.scopes[0]
	for {
		ok := true
		select {
		case <-ctx.Done():
			return
		case h := <-in:
			ok = f.take(ctx, h, yield)
		case err := <-answers:
			asking = false
			f.answered(asked, err)
		case <-tick.C:
			ok = f.ripe(ctx, yield)
			if now := f.p.now(); !asking && (now.Sub(asked) >= beat || f.broken()) {
				asking, asked = true, now
				go func() { answers <- f.p.there(ctx, scope) }()
			}
		}
		if !ok {
			return
		}
	}
}

func (f *feed) broken() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.trouble) > 0
}
