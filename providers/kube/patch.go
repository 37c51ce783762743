package kube

import (
	"encoding/json"
	"strings"
)

// Operation is one operation of a JSON patch (RFC 6902). A "test" that does not hold makes the whole patch fail with
// ErrConditionFailed, and then nothing was written.
type Operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Value is a value as an operation has it. What came as JSON, or is made of strings, numbers and maps, always can be one.
func Value(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return raw
}

// Pointer is the path of a field as an operation has it (RFC 6901).
func Pointer(path ...string) string {
	var b strings.Builder
	for _, s := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(s))
	}
	return b.String()
}
