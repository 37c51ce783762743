package helm

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
)

// held says why a pending operation has to be taken for one that is still at work; "" means that it is shown to be over:
// it is older than any operation may last, nobody has written to its objects for as long, none of its hooks runs, and each
// object is as this revision or the one before it has it. A rollback then makes the next record, and the release is free;
// no record has to be edited or deleted.
func (p *Provider) held(ctx context.Context, records []*record, objects []*object, now time.Time) (string, error) {
	newest := records[0]
	limit := p.s.PendingAfter
	if age := now.Sub(newest.at); age < limit {
		return fmt.Sprintf("%s old; it may count as left behind after %s", providers.Span(max(age, 0)), providers.Span(limit)), nil
	}
	before, err := p.before(ctx, records)
	if err != nil {
		return "", err
	}
	all := append(slices.Clone(objects), without(before, objects)...)
	for _, o := range all {
		live, err := p.live(ctx, o)
		if err != nil {
			return "", err
		}
		if live != nil {
			if at := lastWrite(live); now.Sub(at) < limit {
				return fmt.Sprintf("Helm wrote to %s %s ago", o, providers.Span(now.Sub(at))), nil
			}
		}
		if !matches(live, index(objects)[o.key()]) && !matches(live, index(before)[o.key()]) {
			return fmt.Sprintf("%s is neither as this revision nor as the one before it has it: look what happened to it", o), nil
		}
	}
	return p.hooked(ctx, newest)
}

// before are the objects of the last revision that Helm finished.
func (p *Provider) before(ctx context.Context, records []*record) ([]*object, error) {
	for _, r := range records[1:] {
		if r.digest == "" || !r.finished() {
			continue
		}
		full, err := p.content(ctx, r)
		if err != nil {
			return nil, err
		}
		objects, _, err := p.objects(ctx, full, r.coordinates)
		return objects, err
	}
	return nil, nil
}

// hooked says which hook of a pending operation still runs.
func (p *Provider) hooked(ctx context.Context, r *record) (string, error) {
	full, err := p.content(ctx, r)
	if err != nil {
		return "", err
	}
	for _, h := range full.Hooks {
		objects, err := parse(h.Manifest, r.namespace)
		if err != nil {
			return "a hook cannot be read: " + err.Error(), nil //nolint:nilerr // what cannot be read may be at work
		}
		for _, o := range objects {
			live, err := p.live(ctx, o)
			if err != nil {
				return "", err
			}
			if live != nil && o.GetKind() == "Job" && number(&live.Object, "status", "active") > 0 {
				return fmt.Sprintf("its hook %s runs", o), nil
			}
		}
	}
	return "", nil
}

// lastWrite is when Helm last wrote to an object, by its managed fields; its creation where it says nothing.
func lastWrite(o *object) time.Time {
	at := o.GetCreationTimestamp().Time
	for _, m := range o.GetManagedFields() {
		if m.Manager == "helm" || m.Manager == "Helm" || m.Manager == "Go-http-client" {
			if m.Time != nil && m.Time.After(at) {
				at = m.Time.Time
			}
		}
	}
	return at
}

// matches reports whether an object is as a manifest has it: all that the manifest says holds, whatever else was added.
// Both not there is a match too. What the API server writes in another form counts as another value, which errs on the side
// of care.
func matches(live, want *object) bool {
	if live == nil || want == nil {
		return live == nil && want == nil
	}
	for key, v := range want.Object.Object {
		if key == "apiVersion" || key == "stringData" || key == "status" {
			continue
		}
		if key == "metadata" {
			if live.GetName() != want.GetName() {
				return false
			}
			continue
		}
		if !covers(live.Object.Object[key], v) {
			return false
		}
	}
	return true
}

func covers(live, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		there, ok := live.(map[string]any)
		if !ok {
			return len(want) == 0 && live == nil
		}
		for k, v := range want {
			if !covers(there[k], v) {
				return false
			}
		}
		return true
	case []any:
		there, ok := live.([]any)
		if !ok {
			return len(want) == 0 && live == nil
		}
		return slices.EqualFunc(there, want, covers)
	case float64:
		n, ok := live.(int64)
		return (ok && float64(n) == want) || live == any(want)
	case nil:
		return true
	}
	return reflect.DeepEqual(live, want)
}
