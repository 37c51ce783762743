package export

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/backout-dev/backout/rollback/ledger"
)

// redacted gives a copy of d from which everything was taken out that o does not let through, and what was taken out.
func redacted(d Data, o Options) (Data, []Count) {
	r := &redactor{off: o.mode() == Off, counts: map[string]int{}}
	if o.mode() == Names {
		r.people = newPseudonyms(peopleOf(&d), o.Key)
	}
	r.learnIDs(idsOf(&d))
	d.Incident.Title = r.text(d.Incident.Title)
	link := d.Link
	urls := map[string]string{}
	d.Changes = slices.Clone(d.Changes)
	for i := range d.Changes {
		c := d.Changes[i]
		if c.URL == "" && link != nil {
			urls[c.Provider+"\x00"+r.id(c.ID)] = r.text(link(c.Provider, c.ID))
		}
		d.Changes[i] = r.change(c)
	}
	d.Alerts = slices.Clone(d.Alerts)
	for i := range d.Alerts {
		a := d.Alerts[i]
		if a.URL == "" && link != nil {
			urls[a.Provider+"\x00"+r.id(a.ID)] = r.text(link(a.Provider, a.ID))
		}
		d.Alerts[i] = r.alert(a)
	}
	d.Link = func(provider, id string) string { return urls[provider+"\x00"+id] }
	d.Services = slices.Clone(d.Services)
	for i := range d.Services {
		s := &d.Services[i]
		s.Name, s.Owner, s.Environment = r.text(s.Name), r.person(s.Owner, "system"), r.text(s.Environment)
		s.DependsOn, s.Unknown = r.texts(s.DependsOn), r.unknown(s.Unknown)
	}
	d.Edges = slices.Clone(d.Edges)
	for i := range d.Edges {
		e := &d.Edges[i]
		e.From, e.To, e.Evidence = r.text(e.From), r.text(e.To), r.text(e.Evidence)
	}
	d.Signals = slices.Clone(d.Signals)
	for i := range d.Signals {
		s := &d.Signals[i]
		s.Service, s.Labels = r.text(s.Service), r.labels(s.Labels)
	}
	d.Record = slices.Clone(d.Record)
	for i := range d.Record {
		d.Record[i] = r.entry(d.Record[i])
	}
	return d, r.report()
}

func (r *redactor) entry(e ledger.Entry) ledger.Entry {
	e.Actor = r.person(e.Actor, e.ActorKind)
	e.Text, e.Unit, e.Change = r.text(e.Text), r.text(e.Unit), r.id(e.Change)
	e.Body = r.json(e.Body)
	return e
}

func (r *redactor) unknown(m map[string]json.RawMessage) map[string]json.RawMessage {
	if m == nil || r.off {
		return m
	}
	out := make(map[string]json.RawMessage, len(m))
	for k, v := range m {
		if secretName.MatchString(k) {
			r.counts["secret by name"]++
			v = json.RawMessage(`"` + mark + `"`)
		}
		out[k] = r.json(v)
	}
	return out
}

// json redacts every text inside a JSON value and keeps its numbers as they are written. What does not parse is left out.
func (r *redactor) json(raw json.RawMessage) json.RawMessage {
	if r.off || len(raw) == 0 {
		return raw
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r.value(v)); err != nil {
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}

func (r *redactor) value(v any) any {
	switch v := v.(type) {
	case string:
		return r.text(r.id(v))
	case []any:
		for i := range v {
			v[i] = r.value(v[i])
		}
		return v
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, x := range v {
			if s, ok := x.(string); ok && secretName.MatchString(k) && s != "" && s != mark {
				r.counts["secret by name"]++
				x = mark
			}
			out[r.text(k)] = r.value(x)
		}
		return out
	default:
		return v
	}
}
