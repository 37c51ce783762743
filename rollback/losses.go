package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/posture"
	"github.com/backout-dev/backout/rollback/proof"
	"github.com/backout-dev/backout/rollback/store"
)

// lossBody is the body of an entry about a proof that does not count any more.
type lossBody struct {
	Proof  string      `json:"proof"`
	Rule   string      `json:"rule"`
	Reason string      `json:"reason"`
	Earned proof.Level `json:"earned"`
	Level  proof.Level `json:"level"`
}

// Losses reads which proofs were seen not to count any more, and by what, the oldest first.
func (e *Engine) Losses(ctx context.Context) ([]posture.Loss, error) {
	entries, err := e.cfg.Store.OfKinds(ctx, ledger.KindLoss)
	if err != nil {
		return nil, fmt.Errorf("read which proofs were lost: %w", err)
	}
	out := make([]posture.Loss, 0, len(entries))
	for i := range entries {
		var body lossBody
		if err := json.Unmarshal(entries[i].Body, &body); err != nil {
			return nil, fmt.Errorf("read which proofs were lost: entry %d: %w", entries[i].Seq, err)
		}
		out = append(out, posture.Loss{Proof: body.Proof, Unit: entries[i].Unit, Rule: body.Rule, Text: body.Reason, At: entries[i].At})
	}
	return out, nil
}

// NoteLosses puts on the record what proofs were lost by, once for each proof and rule: when it was first seen, which is not
// when it happened. It returns all that are on the record then. Where nothing may be written, that is [ErrReadOnly], beside them.
func (e *Engine) NoteLosses(ctx context.Context, by policy.Principal, standings []proof.Standing) ([]posture.Loss, error) {
	known, err := e.Losses(ctx)
	if err != nil {
		return nil, err
	}
	told := map[[2]string]bool{}
	for _, l := range known {
		told[[2]string{l.Proof, l.Rule}] = true
	}
	var entries []ledger.Entry
	for i := range standings {
		s := &standings[i]
		for _, r := range s.Lost() {
			id := [2]string{s.Proof.ID, r.Rule}
			if told[id] {
				continue
			}
			told[id] = true
			reason := providers.Clean(r.Text)
			body, err := json.Marshal(lossBody{Proof: s.Proof.ID, Rule: r.Rule, Reason: reason, Earned: s.Earned, Level: s.Level})
			if err != nil {
				return known, err
			}
			entries = append(entries, ledger.Entry{
				At: e.cfg.Now().UTC(), Kind: ledger.KindLoss, Actor: providers.Clean(by.ID), ActorKind: string(by.Kind), Run: s.Proof.Run, Unit: s.Proof.Unit, Body: body,
				Text: providers.Clean(fmt.Sprintf("what %s proved of %s does not count any more (%s): %s", s.Proof.Run, s.Proof.Unit, r.Rule, reason)),
			})
		}
	}
	if len(entries) == 0 {
		return known, nil
	}
	if err := e.Writable(); err != nil {
		return known, err
	}
	err = e.journal(ctx, "lost proofs", func(tx *store.Tx) error {
		for i := range entries {
			if _, err := tx.Append(entries[i], nil); err != nil {
				return err
			}
		}
		return nil
	})
	again, readErr := e.Losses(ctx)
	return again, errors.Join(err, readErr)
}
