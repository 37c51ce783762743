package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback/ledger"
)

// verifyFlags are the flags of verifying.
type verifyFlags struct {
	held    []string
	allowed string
	export  string
	anchors bool
}

// checkpoints are those that were kept elsewhere.
func (f *verifyFlags) checkpoints() ([]ledger.Checkpoint, error) {
	out := make([]ledger.Checkpoint, len(f.held))
	for i, name := range f.held {
		if h, err := ledger.ParseHead(name); err == nil {
			out[i] = ledger.Checkpoint{Head: h}
			continue
		}
		var err error
		if out[i], err = readCheckpoint(name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// verification is all that was found, for a program.
type verification struct {
	ledger.Report
	Signatures []signature        `json:"signatures,omitempty"` // of the checkpoints
	Signed     *ledger.Signatures `json:"signed"`               // the entries
	Anchors    []anchorState      `json:"anchors,omitempty"`
}

// anchorState is what an anchor keeps of this record.
type anchorState struct {
	Anchor      string    `json:"anchor"`
	Checkpoints int       `json:"checkpoints"`
	Newest      int64     `json:"newest,omitempty"` // over how many entries
	At          time.Time `json:"at,omitzero"`
	Agrees      bool      `json:"agrees"`
	Unsigned    int       `json:"unsigned,omitempty"` // of the checkpoints
	Error       string    `json:"error,omitempty"`

	kept []ledger.Checkpoint
}

func (a *app) verifyLedger(ctx context.Context, s *opened, f verifyFlags) error {
	checkpoints, err := f.checkpoints()
	if err != nil {
		return err
	}
	signers, err := s.signers(f.allowed)
	if err != nil {
		return err
	}
	var v verification
	all := slices.Clone(checkpoints)
	if f.anchors {
		if v.Anchors, err = s.anchorStates(ctx); err != nil {
			return err
		}
		for i := range v.Anchors {
			all = append(all, v.Anchors[i].kept...)
		}
	}
	if v.Report, err = s.DB.VerifyTelling(ctx, a.readSoFar, all...); err != nil {
		return fmt.Errorf("verify the record: %w", err)
	}
	v.compare(signers)
	signed, err := s.DB.VerifySignatures(ctx, signers, s.settings.Ledger.Require, &v.Report)
	if err != nil {
		return err
	}
	v.Signed = &signed
	v.checkpointsBy(f, checkpoints, signers)
	return a.printVerification(&v)
}

// readSoFar says how far it is, in a record that takes a while.
func (a *app) readSoFar(n int64) {
	if n%250_000 == 0 {
		a.warn("%d entries are read", n)
	}
}

// checkpointsBy says who signed the checkpoints that were given.
func (v *verification) checkpointsBy(f verifyFlags, checkpoints []ledger.Checkpoint, signers *ledger.Signers) {
	for i, c := range checkpoints {
		sig := signature{Checkpoint: f.held[i], State: signatureState(c)}
		if f.allowed != "" {
			var err error
			sig.By, err = signer(signers, c)
			if sig.State = "holds"; err != nil {
				sig.State = "does not hold"
				v.Add(c.Head.Seq, ledger.Unsigned, "the checkpoint %s: %v", f.held[i], err)
			}
		}
		v.Signatures = append(v.Signatures, sig)
	}
}

func (a *app) printVerification(v *verification) error {
	if a.jsonOut() {
		if err := a.printJSON("backout.ledger-report/v1", v); err != nil {
			return err
		}
	} else {
		lines := append([]string{reportText(v.Report)}, signedText(v.Signed)...)
		for _, sig := range v.Signatures {
			lines = append(lines, sig.text())
		}
		for i := range v.Anchors {
			lines = append(lines, v.Anchors[i].text())
		}
		for i, l := range lines {
			if i > 0 {
				l = "  " + l
			}
			fmt.Fprintln(a.out, harmless(l))
		}
	}
	if !v.OK {
		return ended(codeError)
	}
	return nil
}

// anchorStates reads what the anchors of the configuration keep of this record.
func (s *opened) anchorStates(ctx context.Context) ([]anchorState, error) {
	anchors := s.settings.Ledger.Anchors
	if len(anchors) == 0 {
		return nil, usage("no anchor is configured: set ledger.anchors (docs/ledger.md)")
	}
	origin, err := s.DB.Origin(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]anchorState, len(anchors))
	for i := range anchors {
		out[i] = s.anchorState(ctx, &anchors[i], origin)
	}
	return out, nil
}

func (s *opened) anchorState(ctx context.Context, a *config.Anchor, origin string) anchorState {
	st := anchorState{Anchor: a.String()}
	all, err := s.Anchored(ctx, a)
	if err != nil {
		st.Error = err.Error()
	}
	for _, c := range all {
		if c.Origin != origin {
			continue
		}
		if st.kept = append(st.kept, c); c.Head.Seq >= st.Newest {
			st.Newest, st.At = c.Head.Seq, c.At
		}
	}
	st.Checkpoints = len(st.kept)
	switch {
	case err != nil || len(st.kept) > 0:
	case len(all) > 0:
		st.Error = fmt.Sprintf("it keeps %d checkpoints of other records and none of this one, %s: another record was put in the place of the one that was anchored, or this one never was", len(all), origin)
	default:
		st.Error = "it keeps no checkpoint"
	}
	return st
}

// compare puts on the report what is wrong with the anchors, and says of each whether the record agrees with it.
func (v *verification) compare(signers *ledger.Signers) {
	for i := range v.Anchors {
		st := &v.Anchors[i]
		st.Agrees = st.Error == ""
		for _, c := range st.kept {
			st.Agrees = st.Agrees && !slices.ContainsFunc(v.Problems, func(p ledger.Problem) bool {
				return p.Seq == c.Head.Seq && (p.Damage == ledger.Rewritten || p.Damage == ledger.Truncated)
			})
			switch {
			case c.Signature == "":
				st.Unsigned++
				continue
			case signers == nil:
				continue
			}
			if _, err := signer(signers, c); err != nil {
				v.Add(c.Head.Seq, ledger.Unsigned, "the checkpoint over %d entries in %s: %v", c.Head.Seq, st.Anchor, err)
			}
		}
		if st.Error != "" {
			v.Add(v.Head.Seq, ledger.Unheld, "%s: %s", st.Anchor, st.Error)
		}
	}
}

func (st *anchorState) text() string {
	switch {
	case st.Error != "":
		return fmt.Sprintf("anchor %s: not compared: %s", st.Anchor, st.Error)
	case !st.Agrees:
		return fmt.Sprintf("anchor %s: this is not the record that its %d checkpoints are of", st.Anchor, st.Checkpoints)
	default:
		text := fmt.Sprintf("anchor %s: agrees, by %d checkpoints, the newest over %d entries of %s", st.Anchor, st.Checkpoints, st.Newest, st.At.Format(time.RFC3339))
		if st.Unsigned > 0 {
			text += fmt.Sprintf("; %d of them are not signed, and whoever may write there could have put others in their place", st.Unsigned)
		}
		return text
	}
}
