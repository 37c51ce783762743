package providers_test

import (
	"testing"

	"github.com/backout-dev/backout/providers"
)

func TestFewNamesTheFirstAndCountsTheRest(t *testing.T) {
	for want, names := range map[string][]string{"": nil, "a": {"a"}, "a, b": {"a", "b"}, "a, b and 2 more": {"a", "b", "c", "d"}} {
		if got := providers.Few(names, 2); got != want {
			t.Errorf("%q: %q, want %q", names, got, want)
		}
	}
}
