package kubernetes

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// The digests that are in archives were made of what encoding/json writes.
func TestJSONIsWrittenAsAlways(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaf := []*rapid.Generator[any]{
			rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Bool().AsAny(), rapid.Float64().AsAny(), rapid.Just[any](nil),
			rapid.SampledFrom([]string{"<&>", "a\u2028b", "\x7f", "\xff", "é", "\"\\\n"}).AsAny(),
		}
		if depth > 0 {
			leaf = append(leaf, rapid.SliceOfN(value(depth-1), 0, 4).AsAny(), rapid.MapOfN(rapid.String(), value(depth-1), 0, 20).AsAny())
		}
		return rapid.OneOf(leaf...)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := value(3).Draw(t, "value")
		want, wantErr := json.Marshal(v)
		got, err := appendJSON(nil, v)
		if err != nil || wantErr != nil || string(got) != string(want) {
			t.Fatalf("%s (%v), want %s (%v)", got, err, want, wantErr)
		}
	})
}
