package main

import (
	"context"
	"strings"
	"testing"
)

func TestProofsTellWhatWasExecutedAndWhatItCountsForNow(t *testing.T) {
	d := newLiftDesk(t)
	list := func(args ...string) func(context.Context, *opened) error {
		return func(ctx context.Context, s *opened) error { return d.listProofs(ctx, s, args) }
	}
	says := func(what string, code int, args []string, want ...string) {
		t.Helper()
		got, text := d.do(t, list(args...))
		for _, w := range want {
			if got != code || !strings.Contains(text, w) {
				t.Errorf("%s: code %d, want %d and %q:\n%s", what, got, code, w, text)
			}
		}
	}
	says("before", codeOK, nil, "nothing was ever taken back here", "tested: 0 of 1 unit, 0%")
	says("one that there is not", codeError, []string{"mem:dev/none"}, "mem:dev/none")
	d.rolledBack(t)
	// Nothing looks at this target from outside, so it was executed and nobody saw whether it serves well.
	says("all", codeOK, nil, "mem:dev/pricing", "L0", "0 of 1 (at least 0%)", "never measured", "untested: the last time, RUN-0001, nobody saw", "tested: 0 of 1 unit")
	says("one", codeOK, []string{"mem:dev/pricing"}, "r42 -> r41  unverified (L0) by ana", "in an environment without a name (unknown)", "not more because: ", "(I7)", "ledger entry")
	d.flags.output = "jsonl"
	says("as JSON", codeOK, nil, `"schema":"backout.proof/v1"`, `"outcome":"unverified"`, `"level":"L0"`, `"evidence":{"seq":`)
}
