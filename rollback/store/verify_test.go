package store

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/backout-dev/backout/rollback/ledger"
)

// A run and its outcome are written in one transaction, so a journal that says otherwise was written by somebody else.
func TestVerifyComparesTheJournalWithTheRecord(t *testing.T) {
	for name, c := range map[string]struct {
		recorded string // as the outcome's entry has it; "" is no entry
		state    string
		final    bool
		ok       bool
	}{
		"the same":           {"applied, unverified", "applied, unverified", true, true},
		"goes on":            {"", "running", false, true},
		"made to look good":  {"applied, unverified", "succeeded", true, false},
		"ended on no record": {"", "succeeded", true, false},
		"opened again":       {"succeeded", "running", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
			err := db.Update(t.Context(), func(tx *Tx) error {
				run := Run{
					Op: "op", PlanHash: "h", Plan: json.RawMessage("{}"), Confirmation: json.RawMessage("{}"),
					State: c.state, Final: c.final, StartedAt: time.Unix(1, 0),
				}
				if err := tx.CreateRun(&run); err != nil || c.recorded == "" {
					return err
				}
				body, err := json.Marshal(ledger.RunBody{State: c.recorded})
				if err != nil {
					return err
				}
				_, err = tx.Append(ledger.Entry{Kind: ledger.KindOutcome, Run: run.ID, Text: "over", Body: body}, nil)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			r, err := db.Verify(t.Context())
			if err != nil || r.OK != c.ok || (!c.ok && r.Problems[0].Damage != ledger.Disputed) {
				t.Errorf("%+v %v", r, err)
			}
		})
	}
}

func TestAProofThatWasAlteredIsFound(t *testing.T) {
	db := opened(t, filepath.Join(t.TempDir(), "b.db"), Options{})
	err := db.Update(t.Context(), func(tx *Tx) error {
		run := Run{Op: "op", PlanHash: "h", Plan: json.RawMessage("{}"), Confirmation: json.RawMessage("{}"), State: "running", StartedAt: time.Unix(1, 0)}
		if err := tx.CreateRun(&run); err != nil {
			return err
		}
		return tx.Prove(Proof{ID: "p", Run: run.ID, Unit: "u:a/b", Doc: json.RawMessage(`{"id":"p","outcome":"fail"}`)}, ledger.Entry{Text: "failed"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := db.Verify(t.Context()); err != nil || !r.OK {
		t.Fatalf("%+v %v", r, err)
	}
	for _, tamper := range []string{`UPDATE proof SET doc = '{"id":"p","outcome":"pass"}'`, `DELETE FROM proof`} {
		if _, err := db.write.ExecContext(t.Context(), tamper); err != nil {
			t.Fatal(err)
		}
		if r, err := db.Verify(t.Context()); err != nil || r.OK || len(r.Problems) != 1 || r.Problems[0].Damage != ledger.Disputed {
			t.Errorf("%s: %+v %v", tamper, r, err)
		}
	}
}
