package conformance

import (
	"context"
	"encoding/json"
	"reflect"
	"time"

	"github.com/backout-dev/backout/providers"
)

// value checks every text and every time that can be reached from v. Raw JSON is left alone: it is written back, not shown.
func (r *Report) value(where string, v any) { r.walk(where, reflect.ValueOf(v)) }

func (r *Report) walk(where string, v reflect.Value) {
	if !v.IsValid() || v.Type() == reflect.TypeFor[json.RawMessage]() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); providers.Clean(s) != s {
			r.add(RuleText, where, "text %.80q did not go through providers.Clean", s)
		}
	case reflect.Pointer:
		r.walk(where, v.Elem())
	case reflect.Struct:
		r.fields(where, v)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			r.walk(where, v.Index(i))
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			r.walk(where+" key", it.Key())
			r.walk(where, it.Value())
		}
	default:
	}
}

func (r *Report) fields(where string, v reflect.Value) {
	if at, ok := v.Interface().(time.Time); ok {
		if at.Location() != time.UTC {
			r.add(RuleUTC, where, "time %s is not UTC", at.Format(time.RFC3339))
		}
		return
	}
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			r.walk(where+"."+f.Name, v.Field(i))
		}
	}
}

// Others checks topology and signals, where the provider has them.
func (r *Report) Others(ctx context.Context, p providers.Provider, w providers.Window) {
	if t, ok := p.(providers.Topology); ok {
		services, edges, err := t.Topology(ctx)
		if err != nil {
			r.add(RuleRead, "Topology", "%v", err)
		}
		r.value("Topology", services)
		r.value("Topology", edges)
	}
	s, ok := p.(providers.SignalSource)
	if !ok {
		return
	}
	signals, err := s.Signals(ctx, w, nil)
	if err != nil {
		r.add(RuleRead, "Signals", "%v", err)
	}
	for _, s := range signals {
		r.value("Signals", s)
		for _, pt := range s.Points {
			at := time.Unix(0, int64(pt[0]*1e9))
			if !w.Contains(at) && !near(at, w) {
				r.add(RuleWindow, "Signals", "%s has a point at %s outside the window", s.Name, stamp(at.UTC()))
			}
		}
	}
}

// near forgives the rounding of seconds in a float64.
func near(at time.Time, w providers.Window) bool {
	return at.Sub(w.Since).Abs() < time.Second || at.Sub(w.Until).Abs() < time.Second
}

// Rows checks a provider that indexes itself.
func (r *Report) Rows(ctx context.Context, p providers.Provider, w providers.Window) {
	x, ok := p.(providers.Indexer)
	if !ok {
		return
	}
	checked := 0
	for batch, err := range x.Rows(ctx, w) {
		if err != nil {
			r.add(RuleRead, "Rows", "%v", err)
			return
		}
		for i, row := range batch {
			if i > 0 && row.At < batch[i-1].At {
				r.add(RuleRows, "Rows", "row %q comes after a later one in its batch", row.ID)
			}
			if row.ID == "" {
				r.add(RuleIDs, "Rows", "a row has no id")
			}
			if checked++; checked > 1000 && i > 0 { // every record of a large file would be decoded
				continue
			}
			r.loaded(x, row, w)
		}
	}
}

func (r *Report) loaded(x providers.Indexer, row providers.Row, w providers.Window) {
	e, err := x.Load(row.Ref)
	if err != nil {
		r.add(RuleRows, "Load", "row %q: %v", row.ID, err)
		return
	}
	if ID(e) != row.ID || (e.Alert != nil) != row.Alert {
		r.add(RuleRows, "Load", "row %q loads %q", row.ID, ID(e))
	}
	r.event("Load", e, w)
}
