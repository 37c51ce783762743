package kube

import "time"

// Manager is who the API server wrote down as the writer of some of an object's fields.
type Manager struct {
	Name        string
	Subresource string // that it wrote through; "" for the object itself
	Applies     bool   // by server-side apply
	At          time.Time
	fields      map[string]any
}

// Managers are those of an object, in the API server's order. They are read where they stand: apimachinery's way there copies
// every field of every manager.
func Managers(o *Object) []Manager {
	metadata, _ := o.Object["metadata"].(map[string]any)
	entries, _ := metadata["managedFields"].([]any)
	out := make([]Manager, 0, len(entries))
	for _, e := range entries {
		m, ok := e.(map[string]any)
		if !ok {
			continue
		}
		var w Manager
		w.Name, _ = m["manager"].(string)
		w.Subresource, _ = m["subresource"].(string)
		w.Applies = m["operation"] == "Apply"
		w.fields, _ = m["fieldsV1"].(map[string]any)
		if at, _ := m["time"].(string); at != "" {
			if t, err := time.Parse(time.RFC3339, at); err == nil {
				w.At = t.UTC()
			}
		}
		out = append(out, w)
	}
	return out
}

// Owns reports whether the field of that path is one of the manager's.
func (m *Manager) Owns(path ...string) bool {
	at := m.fields
	for _, name := range path {
		below, ok := at["f:"+name].(map[string]any)
		if !ok {
			return false
		}
		at = below
	}
	return len(path) > 0
}
