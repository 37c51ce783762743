package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

func TestProbeSaysWhetherPlansAreValid(t *testing.T) {
	d := newLiftDesk(t)
	says := func(what string, code int, do func(context.Context, *opened) error, want ...string) {
		t.Helper()
		got, text := d.do(t, do)
		for _, w := range want {
			if got != code || !strings.Contains(text, w) {
				t.Errorf("%s: code %d, want %d and %q:\n%s", what, got, code, w, text)
			}
		}
	}
	round := func(patterns ...string) func(context.Context, *opened) error {
		return func(ctx context.Context, s *opened) error {
			return d.probe(ctx, s, patterns, probeFlags{once: true, most: 60})
		}
	}
	proofs := func(ctx context.Context, s *opened) error { return d.listProofs(ctx, s, []string{"mem:dev/pricing"}) }
	says("nothing is named", codeUsage, round(), "proofs.probe.units")
	says("a pattern that is mistyped", codeError, round("men:*"), `no unit matches "men:*"`)
	says("valid", codeOK, round("mem:*"), "mem:dev/pricing  r41  valid less than 1m ago", "ok      the steps of the plan")
	says("in proofs", codeOK, proofs, "untested; plan valid less than 1m ago")
	says("in units", codeOK, func(ctx context.Context, s *opened) error { return d.units(ctx, s, "") }, "way back: untested; plan valid less than 1m ago")
	d.flags.output = "jsonl"
	says("as JSON", codeOK, round("mem:dev/pricing"), `"schema":"backout.probe/v1"`, `"unit":"mem:dev/pricing"`, `"state":"yes"`)
	d.flags.output = "text"
	lost := func(ctx context.Context, s *opened) error {
		s.Reversers()["mem"] = withoutRight{d.g}
		return d.probe(ctx, s, []string{"mem:*"}, probeFlags{most: 60})
	}
	says("lost", codeFailed, lost, "not valid since ", "the right to switch", "MISSING")
	says("it stays lost", codeOK, proofs, "L0", "untested; plan not valid since", "(I2)")
	says("found again", codeOK, round("mem:*"), "valid less than 1m ago")
	stopped := func(ctx context.Context, s *opened) error {
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		return d.probe(ctx, s, []string{"mem:*"}, probeFlags{every: 50 * time.Millisecond, most: 1000})
	}
	if _, text := d.do(t, stopped); strings.Count(text, "UNIT") < 2 {
		t.Errorf("it does not go on:\n%s", text)
	}
}

// withoutRight is the target as somebody sees it who may not switch it.
type withoutRight struct{ *rollbacktest.Guarded }

func (w withoutRight) Plan(ctx context.Context, o rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	p, err := w.Guarded.Plan(ctx, o, to)
	p.Missing = append(p.Missing, "the right to switch")
	p.LookedAt(rollback.LostRight, "what you may do", 0)
	return p, err
}
