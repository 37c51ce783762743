package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/store"
)

// exportPage is how many entries are read at once for an export.
const exportPage = 500

func (a *app) ledgerExportCmd() *cobra.Command {
	var out string
	var payloads bool
	cmd := &cobra.Command{
		Use: "export", Short: "Write the whole record out, with its signatures, as JSON lines", Args: noArgs,
		Long: `Write the whole record out as JSON lines: which record it is, then each entry's line byte by byte, its digest, its signatures and,
with --payloads, the raw payload beside it. Nothing is redacted that the record does not redact. 'backout ledger verify --export FILE'
checks it anywhere, without the record. Exit codes: 0 it is written; 1 it is not.`,
		Example: "  backout ledger export --payloads --out record.jsonl\n  backout ledger verify --export record.jsonl --checkpoint friday.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.exportLedger(ctx, s, out, payloads) })
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the file to write it to; one that is there stays as it is (default: standard output)")
	cmd.Flags().BoolVar(&payloads, "payloads", false, "with the raw payloads")
	return cmd
}

func (a *app) exportLedger(ctx context.Context, s *opened, out string, payloads bool) (err error) {
	origin, err := s.DB.Origin(ctx)
	if err != nil {
		return err
	}
	head := ledger.ExportHead{Schema: ledger.ExportSchema, Origin: origin, At: a.now().UTC(), By: a.principal(s.settings).ID, Payloads: payloads}
	if out == "" {
		_, err := writeExport(ctx, s, a.out, head)
		return err
	}
	f, err := os.OpenFile(out, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("export the record: %w", err)
	}
	n, err := writeExport(ctx, s, f, head)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("export the record: %w", err)
	}
	if a.jsonOut() {
		return a.printJSON("backout.ledger-exported/v1", map[string]any{"file": out, "entries": n})
	}
	_, err = fmt.Fprintf(a.out, "%s holds %d entries\n", out, n)
	return err
}

func writeExport(ctx context.Context, s *opened, to io.Writer, head ledger.ExportHead) (n int, err error) {
	buffered := bufio.NewWriter(to)
	enc := json.NewEncoder(buffered)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(head); err != nil {
		return 0, err
	}
	var after int64
	for {
		page, err := s.DB.Signed(ctx, after, exportPage)
		if err != nil {
			return n, err
		}
		for i := range page {
			e, err := exported(ctx, s, &page[i], head.Payloads)
			if err == nil {
				err = enc.Encode(e)
			}
			if err != nil {
				return n, err
			}
			after, n = page[i].Seq, n+1
		}
		if len(page) < exportPage {
			return n, buffered.Flush()
		}
	}
}

// exported is an entry as an export has it. A payload that is not there is left out, which whoever verifies the export finds.
func exported(ctx context.Context, s *opened, w *ledger.Witnessed, payloads bool) (ledger.Exported, error) {
	out := ledger.Exported{Line: string(w.Line), Digest: w.Digest.String()}
	for i := range w.Signatures {
		out.Signatures = append(out.Signatures, ledger.Armored(w.Signatures[i].Blob))
	}
	var e struct {
		Payload string `json:"payload"`
	}
	if !payloads || json.Unmarshal(w.Line, &e) != nil || e.Payload == "" {
		return out, nil
	}
	var err error
	if out.Payload, err = s.DB.Payload(ctx, e.Payload); errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return out, err
}

// verifyExport verifies a file that an export was written to.
func (a *app) verifyExport(f verifyFlags) error {
	st, err := a.load()
	if err != nil {
		return err
	}
	s := &opened{settings: st}
	checkpoints, err := f.checkpoints()
	if err != nil {
		return err
	}
	signers, err := s.signers(f.allowed)
	if err != nil {
		return err
	}
	file, err := os.Open(f.export)
	if err != nil {
		return usage("read the export: %v", err)
	}
	defer file.Close()
	var v verification
	var signed ledger.Signatures
	if v.Report, signed, err = ledger.VerifyExport(file, signers, st.Ledger.Require, checkpoints...); err != nil {
		return fmt.Errorf("%s: %w", f.export, err)
	}
	v.Signed = &signed
	v.checkpointsBy(f, checkpoints, signers)
	return a.printVerification(&v)
}
