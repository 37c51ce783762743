package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

func (a *app) showCmd() *cobra.Command {
	var payload bool
	cmd := &cobra.Command{
		Use: "show ENTRY", Short: "Show one entry whole, with its signatures, or its raw payload",
		Long: `Show one entry whole: its line as it is stored, the digest of what was written, and who signed it. With --payload, the raw payload
beside it and nothing else, if it is still the one that the entry names. Exit codes: 0 shown; 1 there is none, or it was altered.`,
		Example: "  backout ledger show 14\n  backout ledger show 14 --payload | sha256sum",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("%s takes the number of one ENTRY", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			seq, err := entryNumber(args[0])
			if err != nil {
				return err
			}
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.showEntry(ctx, s, seq, payload) })
		},
	}
	cmd.Flags().BoolVar(&payload, "payload", false, "print the raw payload beside it, and nothing else")
	return cmd
}

// shownEntry is one entry for a program.
type shownEntry struct {
	Entry      json.RawMessage  `json:"entry"` // its line
	Digest     string           `json:"digest"`
	Signatures []entrySignature `json:"signatures,omitempty"`
}

// entrySignature is what is known of one signature of an entry.
type entrySignature struct {
	Key        string   `json:"key"`
	Principals []string `json:"principals,omitempty"`
	Holds      bool     `json:"holds"`
	Signature  string   `json:"signature"`
}

func (a *app) showEntry(ctx context.Context, s *opened, seq int64, payload bool) error {
	e, out, err := s.entry(ctx, seq)
	if err != nil {
		return err
	}
	if payload {
		return a.showPayload(ctx, s, &e)
	}
	if a.jsonOut() {
		return a.printJSON("backout.ledger-entry/v1", out)
	}
	fmt.Fprintln(a.out, harmless(shownText(&e, &out)))
	return nil
}

// entry reads one entry with what is known of its signatures.
func (s *opened) entry(ctx context.Context, seq int64) (e ledger.Entry, out shownEntry, err error) {
	found, err := s.DB.Signed(ctx, seq-1, 1)
	if err != nil {
		return e, out, err
	}
	if len(found) == 0 || found[0].Seq != seq {
		return e, out, fmt.Errorf("the record has no entry %d", seq)
	}
	if err := json.Unmarshal(found[0].Line, &e); err != nil {
		return e, out, fmt.Errorf("entry %d is damaged, see 'backout ledger verify': %w", seq, err)
	}
	signers, err := s.signers("")
	if err != nil {
		return e, out, err
	}
	origin, err := s.DB.Origin(ctx)
	if err != nil {
		return e, out, err
	}
	out = shownEntry{Entry: found[0].Line, Digest: found[0].Digest.String()}
	for _, sig := range found[0].Signatures {
		one := entrySignature{Key: sig.Key, Signature: ledger.Armored(sig.Blob)}
		read, err := ledger.ReadSSHSig(sig.Blob)
		if err == nil {
			err = read.Verify(ledger.EntryNamespace, ledger.Signable(origin, seq, out.Digest))
		}
		if one.Holds = err == nil; one.Holds && signers != nil {
			one.Principals = signers.Who(read.Key, ledger.EntryNamespace, e.At)
		}
		out.Signatures = append(out.Signatures, one)
	}
	return e, out, nil
}

func shownText(e *ledger.Entry, out *shownEntry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "entry %d  %s  %s  %s\n%s\n", e.Seq, e.At.UTC().Format(time.RFC3339), e.Actor, e.Kind, e.Text)
	if e.Redacted != nil {
		fmt.Fprintf(&b, "redacted: %s; what was written has the digest below, and is not here any more\n", strings.Join(e.Redacted.Fields, ", "))
	}
	fmt.Fprintf(&b, "digest %s\n", out.Digest)
	if e.Payload != "" {
		fmt.Fprintf(&b, "payload %s: backout ledger show %d --payload\n", e.Payload, e.Seq)
	}
	for _, line := range out.signed() {
		b.WriteString(line + "\n")
	}
	b.Write(out.Entry)
	return b.String()
}

// signed says who signed an entry, a line for each.
func (e *shownEntry) signed() []string {
	var out []string
	for _, s := range e.Signatures {
		switch {
		case !s.Holds:
			out = append(out, fmt.Sprintf("signature of %s: it does not hold", s.Key))
		case len(s.Principals) > 0:
			out = append(out, fmt.Sprintf("signed by %s, %s", strings.Join(s.Principals, ", "), s.Key))
		default:
			out = append(out, fmt.Sprintf("signed by %s; whose key that is nobody said", s.Key))
		}
	}
	if len(out) == 0 {
		out = []string{"unsigned"}
	}
	return out
}

// showPayload prints the payload of an entry as it is; to a terminal, without what could act on it.
func (a *app) showPayload(ctx context.Context, s *opened, e *ledger.Entry) error {
	if e.Payload == "" {
		return fmt.Errorf("entry %d has no payload", e.Seq)
	}
	body, err := s.DB.Payload(ctx, e.Payload)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("the payload of entry %d is not there: it was redacted, or taken away; 'backout ledger verify' says which", e.Seq)
	case err != nil:
		return err
	case ledger.Hash(body) != e.Payload:
		return fmt.Errorf("the payload of entry %d was altered: it is not the one that the entry names", e.Seq)
	}
	if isTerminal(a.out) {
		body = []byte(harmless(string(body)) + "\n")
	}
	_, err = a.out.Write(body)
	return err
}
