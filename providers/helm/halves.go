package helm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// mostLines bounds how many objects a plan names in one list.
const mostLines = 20

// halves looks at every object where the newest record does not say what is there: an upgrade or a rollback that ended half
// way leaves some objects as the new revision has them, some as the old one, and some that only one of both has.
func (p *Provider) halves(ctx context.Context, c coordinates, records []*record, w *way) error {
	newest := records[0]
	if newest.status != statusFailed && !newest.pending() {
		return nil
	}
	before, err := p.before(ctx, records)
	if err != nil {
		return err
	}
	now, old, seen := index(w.before), index(before), index(append(slices.Clone(w.before), w.after...))
	var lines []string
	for _, o := range append(slices.Clone(w.before), without(before, w.before)...) {
		live := w.lives[o.key()]
		if seen[o.key()] == nil { // of a revision that is neither end of the way
			if live, err = p.live(ctx, o); err != nil {
				return err
			}
		}
		text, err := p.side(ctx, now[o.key()], old[o.key()], live, c)
		if err != nil {
			return err
		}
		if text != "" {
			lines = append(lines, providers.Clean(o.String())+" "+text)
		}
	}
	if len(lines) > 0 {
		w.half = fmt.Sprintf("%s ended half way (%s), object by object: %s", newest.label(), newest.status, listed(lines))
	}
	return nil
}

// side says as which of two revisions an object is; "" where both have it alike.
func (p *Provider) side(ctx context.Context, now, old, live *object, c coordinates) (text string, err error) {
	isNew, err := p.stands(ctx, now, live, c)
	if err != nil {
		return "", err
	}
	isOld, err := p.stands(ctx, old, live, c)
	switch {
	case err != nil || (isNew && isOld):
		return "", err
	case isNew:
		text = "is as it has it"
	case isOld:
		text = "is as the revision before has it"
	default:
		text = "is as neither of both has it"
	}
	if live == nil {
		text += ": not there"
	}
	return text, nil
}

// stands reports whether an object is as a manifest has it; nil on either side is "not there".
func (p *Provider) stands(ctx context.Context, o, live *object, c coordinates) (bool, error) {
	if o == nil || live == nil {
		return o == nil && live == nil, nil
	}
	one, err := p.compare(ctx, o, live, c)
	return err == nil && one.unknown == "" && len(one.differs) == 0, err
}

// strangers are objects of the target that are there although the newest revision does not have them. One that is the
// release's own was left by an upgrade that ended half way; another one is somebody else's, and Helm would take it over.
func strangers(c coordinates, w *way) (left, others []string) {
	for _, o := range without(w.after, w.before) {
		live := w.lives[o.key()]
		switch {
		case live == nil:
		case live.of(c):
			left = append(left, providers.Clean(o.String()))
		default:
			others = append(others, providers.Clean(o.String()))
		}
	}
	return left, others
}

// leftovers are objects that an older revision made, that neither end of the way has, and that are still there: no rollback
// and no upgrade ever looks at them.
func (p *Provider) leftovers(ctx context.Context, c coordinates, records []*record, w *way) ([]string, error) {
	known := index(append(slices.Clone(w.before), w.after...))
	var out []string
	for _, r := range records[1:] {
		if r == w.to || r.digest == "" {
			continue
		}
		full, err := p.content(ctx, r)
		if err != nil {
			return nil, err
		}
		objects, _, err := p.objects(ctx, full, c)
		if err != nil {
			continue // a record that cannot be read is told of on the health line
		}
		for _, o := range objects {
			if known[o.key()] != nil {
				continue
			}
			known[o.key()] = o
			live, err := p.live(ctx, o)
			if err != nil {
				return nil, err
			}
			if live != nil && live.of(c) && !live.kept() {
				out = append(out, fmt.Sprintf("%s of %s", providers.Clean(o.String()), r.label()))
			}
		}
	}
	return out, nil
}

// byHand is what a person can do where Helm itself cannot: each object on its own.
func (p *Provider) byHand(ctx context.Context, c coordinates, w *way, behind []string) (string, error) {
	var parts []string
	add := func(verb string, objects []*object) {
		var names []string
		for _, o := range objects {
			names = append(names, providers.Clean(o.String()))
		}
		if len(names) > 0 {
			parts = append(parts, verb+" "+listed(names))
		}
	}
	var create, change, gone []*object
	for _, o := range w.after {
		live := w.lives[o.key()]
		as, err := p.stands(ctx, o, live, c)
		switch {
		case err != nil:
			return "", err
		case live == nil:
			create = append(create, o)
		case !as:
			change = append(change, o)
		}
	}
	for _, o := range without(w.before, w.after) {
		if live := w.lives[o.key()]; live != nil && !live.kept() {
			gone = append(gone, o)
		}
	}
	add("create", create)
	add("change", change)
	add("delete", gone)
	if len(behind) > 0 {
		parts = append(parts, "delete "+listed(behind))
	}
	if len(parts) == 0 {
		return "", nil
	}
	return fmt.Sprintf("object by object, with kubectl and what helm get manifest %s -n %s --revision %d prints: %s",
		w.to.release, w.to.namespace, w.to.revision, strings.Join(parts, "; ")), nil
}

func listed(names []string) string { return providers.Few(names, mostLines) }
