package incident

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// The fields that this version knows, in lower case.
var (
	documentFields = fieldsOf[Document]()
	changeFields   = fieldsOf[providers.Change]()
	alertFields    = fieldsOf[providers.Alert]()
	serviceFields  = fieldsOf[providers.Service]()
	truthFields    = fieldsOf[Truth]()
)

func fieldsOf[T any]() map[string]bool {
	fields := map[string]bool{}
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = true
		}
	}
	return fields
}

// wireDocument is a document of which the parts that keep unknown fields are not decoded yet.
type wireDocument struct {
	Document
	Services []json.RawMessage `json:"services"`
	Alerts   []json.RawMessage `json:"alerts"`
	Changes  []json.RawMessage `json:"changes"`
	Truth    json.RawMessage   `json:"truth"`
}

// Decode reads one document and makes it safe to show. See [CleanID] for what becomes of ids.
func Decode(b []byte) (Document, error) {
	var w wireDocument
	unknown, err := object(b, &w, documentFields)
	if err != nil {
		return Document{}, fmt.Errorf("decode incident file: %w", err)
	}
	d := w.Document
	if d.Format != Format {
		return Document{}, fmt.Errorf("decode incident file: format is %q, this version reads %q", providers.Clean(d.Format), Format)
	}
	d.Unknown = unknown
	d.Services = many[providers.Service](w.Services)
	for i, raw := range w.Services {
		if d.Services[i].Unknown, err = object(raw, &d.Services[i], serviceFields); err != nil {
			return Document{}, fmt.Errorf("decode incident file: services[%d]: %w", i, err)
		}
	}
	d.Alerts = many[providers.Alert](w.Alerts)
	for i, raw := range w.Alerts {
		if d.Alerts[i], err = decodeAlert(raw, alertFields); err != nil {
			return Document{}, fmt.Errorf("decode incident file: alerts[%d]: %w", i, err)
		}
	}
	d.Changes = many[providers.Change](w.Changes)
	for i, raw := range w.Changes {
		if d.Changes[i], err = decodeChange(raw, changeFields); err != nil {
			return Document{}, fmt.Errorf("decode incident file: changes[%d]: %w", i, err)
		}
	}
	if len(w.Truth) > 0 && !bytes.Equal(w.Truth, []byte("null")) {
		d.Truth = &Truth{}
		if d.Truth.Unknown, err = object(w.Truth, d.Truth, truthFields); err != nil {
			return Document{}, fmt.Errorf("decode incident file: truth: %w", err)
		}
	}
	if err := cleanDocument(&d); err != nil {
		return Document{}, fmt.Errorf("decode incident file: %w", err)
	}
	return d, nil
}

// many makes room for the decoded items; nil for none.
func many[T any](raw []json.RawMessage) []T {
	if len(raw) == 0 {
		return nil
	}
	return make([]T, len(raw))
}

// object decodes a JSON object and gives the fields that are not known.
func object(b []byte, into any, known map[string]bool) (map[string]json.RawMessage, error) {
	if err := json.Unmarshal(b, into); err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil || all == nil {
		return nil, errors.New("not an object")
	}
	for name := range all {
		if known[strings.ToLower(name)] { // as encoding/json matches names in any letter case
			delete(all, name)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

func decodeChange(raw []byte, known map[string]bool) (providers.Change, error) {
	var c providers.Change
	unknown, err := object(raw, &c, known)
	if err != nil {
		return c, err
	}
	c.Unknown = unknown
	return c, cleanChange(&c)
}

func decodeAlert(raw []byte, known map[string]bool) (providers.Alert, error) {
	var a providers.Alert
	unknown, err := object(raw, &a, known)
	if err != nil {
		return a, err
	}
	a.Unknown = unknown
	return a, cleanAlert(&a)
}
