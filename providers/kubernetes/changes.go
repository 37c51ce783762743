package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"iter"

	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout/providers"
)

// readers is how many kinds are listed at once; the API server's answers are large and have to be decoded.
const readers = 3

// Changes implements providers.ChangeSource: what the cluster knows of rollouts, scale and configuration, joined with what
// backout saw of them before. While a Watch goes on it is that which is told, without asking anew.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		if err := p.chronicle.load(ctx); err != nil {
			yield(providers.Change{}, err)
			return
		}
		b, failed := p.current(ctx)
		if b != nil {
			p.chronicleAll(b)
		}
		if ctx.Err() != nil {
			yield(providers.Change{}, ctx.Err())
			return
		}
		for _, at := range p.chronicle.places() {
			if !p.cluster.Covers(at.namespace) {
				continue
			}
			for _, c := range p.chronicle.all(at) {
				if w.Contains(c.At()) && !yield(c, nil) {
					return
				}
			}
			if ctx.Err() != nil {
				yield(providers.Change{}, ctx.Err())
				return
			}
		}
		if b != nil && failed == nil {
			failed = p.chronicle.flush(ctx)
		}
		if failed != nil {
			yield(providers.Change{}, failed)
		}
	}
}

// chronicleAll puts into the memory everything that a book tells.
func (p *Provider) chronicleAll(b *book) {
	for _, uid := range b.uids() {
		if w, revisions := b.workload(uid); w != nil {
			for _, c := range p.rollouts(w, revisions) {
				p.chronicle.keep(w.place, c)
			}
			p.noteSetting(b, w.scale())
		}
	}
	for _, s := range b.configuration() {
		p.noteSetting(b, s)
	}
}

// noteSetting keeps the last change of a setting and the state that it is in; the change is given if it is news.
func (p *Provider) noteSetting(b *book, s *setting) (c providers.Change, news bool) {
	if s == nil {
		return c, false
	}
	c, there := p.edit(s, p.chronicle.last(s.place))
	p.chronicle.note(s.place, s.version)
	if !there {
		return c, false
	}
	if user := b.user(s.place); user != "" && c.Service == s.name {
		c.Service = user
	}
	return p.chronicle.keep(s.place, c)
}

// current is everything that is there now: what a Watch has seen, or what a list of it gives. The error says what could not
// be read, beside what may not be.
func (p *Provider) current(ctx context.Context) (*book, error) {
	if f := p.watching(); f != nil {
		if b, err := f.settled(ctx); err == nil {
			return b, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	start := p.now()
	watched := p.watching()
	b, err := p.list(ctx, watched)
	if errors.Is(err, errWatched) {
		return p.current(ctx)
	}
	if err == nil || !errors.Is(ctx.Err(), context.Canceled) {
		p.Done(start, err)
	}
	return b, err
}

// errWatched ends a list whose reader can have what a Watch reads: a large cluster is not read twice at once.
var errWatched = errors.New("a watch began to read the same")

// watching is the Watch that goes on; nil: none does.
func (p *Provider) watching() *feed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live
}

// list reads everything once. It ends with errWatched when another Watch begins than the one that is known already.
func (p *Provider) list(ctx context.Context, known *feed) (*book, error) {
	scopes, err := p.readableScopes(ctx)
	if err != nil {
		return nil, err
	}
	all, err := p.sources(ctx)
	if err != nil {
		return nil, err
	}
	b := newBook()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, s := range all {
		for _, namespace := range scopes {
			g.Go(func() error { return p.listOne(ctx, b, s, namespace, known) })
		}
	}
	if err := g.Wait(); err != nil {
		return b, err
	}
	return b, p.nothing(all, scopes)
}

func (p *Provider) listOne(ctx context.Context, b *book, s source, namespace string, known *feed) error {
	what := s.what(namespace)
	for o, err := range p.cluster.List(ctx, s.resource, namespace, s.selection) {
		if err != nil && providers.ClassOf(err) == providers.ClassPermanent {
			p.refuse(what, err.Error())
			return nil
		}
		if err != nil {
			return err
		}
		if f := p.watching(); f != nil && f != known {
			return errWatched
		}
		if !p.cluster.Covers(o.GetNamespace()) {
			continue
		}
		if r := s.reduce(o); r != nil {
			p.keepContent(ctx, r)
			b.put(r)
		}
	}
	p.allow(what)
	return nil
}

// what names a kind in a namespace, for a person.
func (s *source) what(namespace string) string {
	if namespace == "" {
		return s.resource.Resource
	}
	return s.resource.Resource + " in " + namespace
}

// nothing is an error where not even the workloads may be read anywhere: no change is not the same as none that is seen.
func (p *Provider) nothing(all []source, scopes []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var why string
	for _, namespace := range scopes {
		reason, refused := p.refused[all[0].what(namespace)]
		if !refused {
			return nil
		}
		why = reason
	}
	return providers.Permanent(errors.New(why))
}

// keepContent puts the content of a ConfigMap that is new into the archive and lets go of it.
func (p *Provider) keepContent(ctx context.Context, r record) {
	s, ok := r.(*setting)
	if !ok || s.content == nil {
		return
	}
	data := s.content
	s.content = nil
	if last := p.chronicle.last(s.place); last != nil && last.Digest == s.Digest {
		return
	}
	c := content{Digest: s.Digest, SeenAt: p.now().UTC(), Since: cmp.Or(s.writer.at, s.created), Commit: s.told.commit, Data: data}
	if err := p.chronicle.keepContent(ctx, s.place, c); err != nil && ctx.Err() == nil {
		p.env.Log.Warn("keep the content of a ConfigMap", "object", s.String(), "error", err)
	}
}
