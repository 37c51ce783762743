package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback/ledger"
)

func (a *app) proveCmd() *cobra.Command {
	var checkpoint, from string
	cmd := &cobra.Command{
		Use: "prove [ENTRY]", Short: "Prove that an entry is in the record, or that the record only grew",
		Long: `Print a proof, as JSON, that whoever does not hold the record can check with 'backout ledger check-proof': that entry number
ENTRY is in the record that a checkpoint names, or, with --from, that this record begins with that of an earlier checkpoint.`,
		Example: `  backout ledger prove 14 --checkpoint friday.txt >entry-14.json
  backout ledger prove --from friday.txt --checkpoint monday.txt >grown.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || (len(args) == 1) == (from != "") {
				return usage("%s takes the number of one ENTRY, or --from", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error {
				return a.prove(ctx, s, args, from, checkpoint)
			})
		},
	}
	cmd.Flags().StringVar(&checkpoint, "checkpoint", "", "the file with the checkpoint to prove it by (default: the record as it is now)")
	cmd.Flags().StringVar(&from, "from", "", "the file with the earlier checkpoint")
	return cmd
}

func (a *app) prove(ctx context.Context, s *opened, args []string, from, checkpoint string) (err error) {
	var seq int64
	var earlier, c ledger.Checkpoint
	if from != "" {
		if earlier, err = readCheckpoint(from); err != nil {
			return err
		}
	} else if seq, err = entryNumber(args[0]); err != nil {
		return err
	}
	if checkpoint != "" {
		c, err = readCheckpoint(checkpoint)
	} else {
		c, err = s.Checkpoint(ctx)
	}
	if err != nil {
		return err
	}
	var proof ledger.Proof
	if from != "" {
		proof, err = s.DB.ProveGrowth(ctx, earlier, c)
	} else {
		proof, err = s.DB.ProveEntry(ctx, c, seq)
	}
	if err != nil {
		return err
	}
	if !a.jsonOut() {
		a.flags.output = "json" // a proof is a document in any case
	}
	return a.printJSON(ledger.ProofSchema, proof)
}

func entryNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, usage("%q is no number of an entry: 'backout ledger list' has them", text)
	}
	return n, nil
}

func (a *app) checkProofCmd() *cobra.Command {
	var held []string
	cmd := &cobra.Command{
		Use: "check-proof FILE", Short: "Check a proof without the record",
		Long: `Check a proof that 'backout ledger prove' printed; - reads it from the input. Neither the record nor a configuration is read.
A proof is worth as much as its checkpoint: --checkpoint names the one that you hold, and the proof has to be by that one. A proof
that the record only grew has two of them: the earlier one is the one to hold, and --checkpoint can be given for both.
Exit codes: 0 it holds; 1 it does not, or is by another checkpoint.`,
		Example: `  backout ledger check-proof entry-14.json --checkpoint friday.txt
  backout ledger check-proof grown.json --checkpoint friday.txt --checkpoint monday.txt`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("%s takes one FILE", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.checkProof(args[0], held) },
	}
	cmd.Flags().StringArrayVar(&held, "checkpoint", nil, "the file with the checkpoint that you hold (repeatable)")
	return cmd
}

// checked is what the check of a proof showed.
type checked struct {
	OK         bool               `json:"ok"`
	Shows      string             `json:"shows"`
	Held       bool               `json:"held"`                // the caller holds its checkpoint
	FromHeld   *bool              `json:"from_held,omitempty"` // the caller holds the earlier one
	Checkpoint ledger.Checkpoint  `json:"checkpoint"`
	From       *ledger.Checkpoint `json:"from,omitempty"`
	Entry      json.RawMessage    `json:"entry,omitempty"`
}

// hold compares the checkpoints of a proof with one that the caller holds: it has to be one of them.
func (c *checked) hold(path string) error {
	mine, err := readCheckpoint(path)
	if err != nil {
		return err
	}
	same := func(of *ledger.Checkpoint) bool {
		return of != nil && mine.Origin == of.Origin && mine.Head.Seq == of.Head.Seq && mine.Head.Root == of.Head.Root
	}
	newer, older := same(&c.Checkpoint), same(c.From)
	c.Held = c.Held || newer
	if older {
		*c.FromHeld = true
	}
	switch {
	case newer || older:
		return nil
	case c.From != nil:
		return fmt.Errorf("the proof is by other checkpoints than %s: ask for one with --from or --checkpoint %s", path, path)
	default:
		return fmt.Errorf("the proof is by another checkpoint than %s: ask for one with --checkpoint %s", path, path)
	}
}

// doubts says which checkpoint was not compared with one that the caller holds.
func (c *checked) doubts() string {
	switch {
	case c.From != nil && !*c.FromHeld:
		return "the earlier checkpoint is the one in the proof itself: whoever rewrote the record could make it up; compare it with one that you hold (--checkpoint)"
	case c.From != nil && !c.Held:
		return fmt.Sprintf("the later checkpoint is the one in the proof itself, with the root %s: what it is compared with next has to be that one", c.Checkpoint.Head.Root)
	case !c.Held:
		return "by the checkpoint in the proof itself: whoever made up the one could make up the other; compare it with one that you hold (--checkpoint)"
	default:
		return ""
	}
}

func (a *app) checkProof(path string, held []string) error {
	proof, err := readProof(a.in, path)
	if err != nil {
		return err
	}
	shown, err := proof.Check()
	if err != nil {
		return fmt.Errorf("the proof does not hold: %w", err)
	}
	c := checked{OK: true, Checkpoint: shown.Checkpoint, From: shown.From, Entry: shown.Line}
	if shown.From != nil {
		c.FromHeld = new(bool)
	}
	for _, mine := range held {
		if err := c.hold(mine); err != nil {
			return err
		}
	}
	switch {
	case shown.From != nil:
		c.Shows = fmt.Sprintf("the record of %d entries begins with the one of %d entries noted %s", shown.Checkpoint.Head.Seq, shown.From.Head.Seq,
			shown.From.At.Format(time.RFC3339))
	default:
		c.Shows = fmt.Sprintf("entry %d is in the record of %d entries noted %s", shown.Entry, shown.Checkpoint.Head.Seq, shown.Checkpoint.At.Format(time.RFC3339))
	}
	if a.jsonOut() {
		return a.printJSON("backout.ledger-check/v1", c)
	}
	fmt.Fprintln(a.out, c.Shows)
	switch {
	case len(shown.Line) > 0:
		fmt.Fprintf(a.out, "  %s\n", harmless(string(shown.Line)))
	case shown.Entry > 0:
		fmt.Fprintf(a.out, "  its line is not in the proof (redacted, or left out): only that a line with the digest %s is there\n", proof.Digest)
	}
	if d := c.doubts(); d != "" {
		fmt.Fprintf(a.out, "  %s\n", d)
	}
	return nil
}

// readCheckpoint reads a checkpoint from a file.
func readCheckpoint(path string) (ledger.Checkpoint, error) {
	f, err := os.Open(path)
	if err != nil {
		return ledger.Checkpoint{}, usage("read the checkpoint: %v", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, ledger.MaxCheckpoint+1))
	if err != nil {
		return ledger.Checkpoint{}, usage("read the checkpoint: %v", err)
	}
	c, err := ledger.ParseCheckpoint(string(text))
	if err != nil {
		return ledger.Checkpoint{}, usage("%s: %v", path, err)
	}
	return c, nil
}

func readProof(in io.Reader, path string) (ledger.Proof, error) {
	if path == "-" {
		return ledger.ReadProof(in)
	}
	f, err := os.Open(path)
	if err != nil {
		return ledger.Proof{}, usage("%v", err)
	}
	defer f.Close()
	return ledger.ReadProof(f)
}
