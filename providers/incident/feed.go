package incident

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/backout-dev/backout/providers"
)

// The types of feed lines.
const (
	TypeChange = "change"
	TypeAlert  = "alert"
)

var (
	changeLineFields = withType(changeFields)
	alertLineFields  = withType(alertFields)
)

func withType(fields map[string]bool) map[string]bool {
	fields = maps.Clone(fields)
	fields["type"] = true
	return fields
}

// DecodeEvent reads one line of a feed and makes it safe to show.
func DecodeEvent(line []byte) (providers.Event, error) {
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return providers.Event{}, fmt.Errorf("decode feed line: %w", err)
	}
	switch head.Type {
	case TypeChange:
		c, err := decodeChange(line, changeLineFields)
		if err != nil {
			return providers.Event{}, fmt.Errorf("decode feed line: change: %w", err)
		}
		return providers.Event{Change: &c}, nil
	case TypeAlert:
		a, err := decodeAlert(line, alertLineFields)
		if err != nil {
			return providers.Event{}, fmt.Errorf("decode feed line: alert: %w", err)
		}
		return providers.Event{Alert: &a}, nil
	}
	return providers.Event{}, fmt.Errorf("decode feed line: type is %q, want %q or %q", providers.Clean(head.Type), TypeChange, TypeAlert)
}

// EncodeEvent writes one line of a feed, without the line break. The same event gives the same bytes.
func EncodeEvent(ev providers.Event) ([]byte, error) {
	switch {
	case ev.Change != nil:
		b, err := encodeObject(ev.Change, ev.Change.Unknown, changeLineFields)
		return typed(TypeChange, b), err
	case ev.Alert != nil:
		b, err := encodeObject(ev.Alert, ev.Alert.Unknown, alertLineFields)
		return typed(TypeAlert, b), err
	}
	return nil, errors.New("encode feed line: neither a change nor an alert")
}

func typed(typ string, object []byte) []byte {
	if len(object) == 0 {
		return nil
	}
	line := append(make([]byte, 0, len(object)+20), `{"type":"`+typ+`",`...)
	return append(line, object[1:]...) // never an empty object: an id is always written
}
