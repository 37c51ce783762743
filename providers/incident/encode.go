package incident

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// Write writes a document as one line. The same document gives the same bytes.
func Write(w io.Writer, d *Document) error {
	b, err := Encode(d)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("write incident file: %w", err)
	}
	return nil
}

// Encode gives a document as one line of JSON, without the line break. The known fields come in one fixed
// order, then unknown ones by name.
func Encode(d *Document) ([]byte, error) {
	w := wireOut{Document: *d}
	w.Format = Format
	var err error
	if w.Services, err = encodeAll(d.Services, func(s *providers.Service) ([]byte, error) {
		return encodeObject(s, s.Unknown, serviceFields)
	}); err != nil {
		return nil, fmt.Errorf("encode incident file: services: %w", err)
	}
	if w.Alerts, err = encodeAll(d.Alerts, func(a *providers.Alert) ([]byte, error) {
		return encodeObject(a, a.Unknown, alertFields)
	}); err != nil {
		return nil, fmt.Errorf("encode incident file: alerts: %w", err)
	}
	if w.Changes, err = encodeAll(d.Changes, func(c *providers.Change) ([]byte, error) {
		return encodeObject(c, c.Unknown, changeFields)
	}); err != nil {
		return nil, fmt.Errorf("encode incident file: changes: %w", err)
	}
	if d.Truth != nil {
		if w.Truth, err = encodeObject(d.Truth, d.Truth.Unknown, truthFields); err != nil {
			return nil, fmt.Errorf("encode incident file: truth: %w", err)
		}
	}
	b, err := encodeObject(&w, d.Unknown, documentFields)
	if err != nil {
		return nil, fmt.Errorf("encode incident file: %w", err)
	}
	return b, nil
}

// wireOut is a document of which the parts that keep unknown fields are encoded already.
type wireOut struct {
	Document
	Services []json.RawMessage `json:"services,omitempty"`
	Alerts   []json.RawMessage `json:"alerts,omitempty"`
	Changes  []json.RawMessage `json:"changes,omitempty"`
	Truth    json.RawMessage   `json:"truth,omitempty"`
}

func encodeAll[T any](items []T, one func(*T) ([]byte, error)) ([]json.RawMessage, error) {
	out := make([]json.RawMessage, len(items))
	for i := range items {
		b, err := one(&items[i])
		if err != nil {
			return nil, err
		}
		out[i] = b
	}
	return out, nil
}

// encodeObject writes a struct and after it the unknown fields by name.
func encodeObject(v any, unknown map[string]json.RawMessage, known map[string]bool) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	buf.Truncate(buf.Len() - 1) // the line break
	if len(unknown) == 0 {
		return buf.Bytes(), nil
	}
	names := make([]string, 0, len(unknown))
	for n := range unknown {
		if !known[strings.ToLower(n)] {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	buf.Truncate(buf.Len() - 1) // the closing brace
	for _, n := range names {
		if buf.Len() > 1 {
			buf.WriteByte(',')
		}
		name, err := json.Marshal(n)
		if err != nil {
			return nil, err
		}
		buf.Write(name)
		buf.WriteByte(':')
		if err := json.Compact(&buf, unknown[n]); err != nil {
			return nil, fmt.Errorf("unknown field %s: %w", name, err)
		}
	}
	buf.WriteByte('}')
	return buf.Bytes(), nil
}
