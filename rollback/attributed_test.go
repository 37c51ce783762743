package rollback_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
)

// Whoever acts on a change leaves what was known of AI in it then, once for each thing that was known.
func TestWhatIsKnownOfAIStaysWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.pricing()
		change := &providers.Change{
			ID: "c1", Kind: providers.KindDeploy, Unit: "fake:prod/pricing", From: "r41", To: "r42",
			Assistance: providers.Assistance{
				State: providers.AssistanceAgent, Tools: []string{"Claude Code"}, Ruleset: "2026.1", Checked: []string{"trailers"},
				Evidence: []providers.Evidence{{Source: "trailer:co-authored-by", Raw: "Co-Authored-By: x"}, {Source: "trailer:co-authored-by"}},
			},
		}
		p := b.plan(t, rollback.Request{Change: change})
		refused := yes(p)
		refused.Typed = "something else"
		if _, err := b.Confirm(t.Context(), p, refused); err == nil {
			t.Fatal("not refused")
		}
		run, err := b.Confirm(t.Context(), p, yes(p))
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Abort(t.Context(), run.ID, ana, "for the next"); err != nil {
			t.Fatal(err)
		}
		later := *change
		later.Assistance = providers.Assistance{} // nobody looked
		b.confirmedFor(t, &later)
		later.Assistance = providers.Assistance{State: providers.AssistanceNone, Ruleset: "2026.1", Checked: []string{"trailers"}}
		run = b.confirmedFor(t, &later)

		told := b.entries(t, ledger.KindAttribution)
		if len(told) != 2 {
			t.Fatalf("%+v", told)
		}
		first, second := attributionOf(t, &told[0]), attributionOf(t, &told[1])
		if got := fmt.Sprintf("%+v", first); got != "{Version:1 Since:0 State:agent Tools:[Claude Code] Evidence:2 Sources:[trailer:co-authored-by] Checked:[trailers] Ruleset:2026.1}" {
			t.Error(got)
		}
		if second.Version != 2 || second.Since != told[0].Seq || second.State != "none" || told[1].Run != run.ID || told[1].Actor != "ana" || told[1].Change != "c1" {
			t.Errorf("%+v %+v", told[1], second)
		}
		b.sound(t)
	})
}

func attributionOf(t *testing.T, e *ledger.Entry) (b ledger.AttributionBody) {
	t.Helper()
	if err := json.Unmarshal(e.Body, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// confirmedFor confirms a plan for a change, and stops its run.
func (b *bench) confirmedFor(t *testing.T, change *providers.Change) rollback.Run {
	t.Helper()
	run := b.confirmed(t, rollback.Request{Change: change})
	if err := b.Abort(t.Context(), run.ID, ana, "for the next"); err != nil {
		t.Fatal(err)
	}
	return run
}
