package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback/ledger"
)

// configured names all anchors of the configuration at once.
const configured = "configured"

// checkpointFlags are the flags of making a checkpoint.
type checkpointFlags struct {
	out, key string
	anchors  []string
	command  []string // of the anchor "command"
}

func (a *app) checkpointCmd() *cobra.Command {
	var f checkpointFlags
	cmd := &cobra.Command{
		Use: "checkpoint", Short: "Make a checkpoint of the record, to keep elsewhere",
		Long: `Make a checkpoint: six lines of text with which anyone can tell later whether entries were altered, cut off or rewritten since.
It is worth something only where whoever can write the record cannot reach it: in a ticket, in a mail, with a colleague.
--anchor keeps it at such a place: file:PATH, git-note:REPO, git-tag:REPO, "command" for the program after --, which is given it on
its standard input, or "configured" for all of ledger.anchors. A record that is damaged gets none. Exit codes: 0 it is kept
wherever it should be; 1 somewhere it is not.`,
		Example: `  backout ledger checkpoint --out friday.txt --sign ~/.ssh/id_ed25519.pub
  backout ledger verify --checkpoint friday.txt
  backout ledger checkpoint --anchor git-tag:/srv/runbooks --anchor command -- gh issue comment 7 --body-file -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if wants := slices.Contains(f.anchors, "command"); wants != (len(args) > 0) {
				return usage("%s takes a program after -- with --anchor command, and nothing without it", cmd.CommandPath())
			}
			f.command = args
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error { return a.checkpoint(ctx, s, f) })
		},
	}
	cmd.Flags().StringVar(&f.out, "out", "", "the file to write it to; one that is there stays as it is")
	cmd.Flags().StringVar(&f.key, "sign", "", "the SSH key to sign it with, instead of ledger.signing_key: a key without a passphrase, or the public half of one that the agent holds")
	cmd.Flags().StringArrayVar(&f.anchors, "anchor", nil, "where to keep it: file:PATH, git-note:REPO, git-tag:REPO, command or configured (repeatable)")
	return cmd
}

// anchored is what became of a checkpoint at an anchor.
type anchored struct {
	Anchor string `json:"anchor"`
	Error  string `json:"error,omitempty"`
}

func (a *app) checkpoint(ctx context.Context, s *opened, f checkpointFlags) error {
	anchors, err := s.anchors(f.anchors, f.command)
	if err != nil {
		return err
	}
	c, err := s.Checkpoint(ctx)
	if err != nil {
		return err
	}
	if f.key != "" {
		if c.Signature, err = a.sign(ctx, f.key, c.Body()); err != nil {
			return fmt.Errorf("sign the checkpoint: %w", err)
		}
	} else if c.Signature, err = s.SignCheckpoint(ctx, c.Body()); err != nil {
		a.warn("the checkpoint is unsigned: %v; --sign KEY waits longer for a key", err)
	}
	if f.out != "" {
		if err := writeCheckpoint(f.out, c); err != nil {
			return err
		}
	}
	var kept []anchored
	failed := false
	for i := range anchors {
		one := anchored{Anchor: anchors[i].String()}
		if err := s.Anchor(ctx, &anchors[i], c); err != nil {
			one.Error, failed = err.Error(), true
		}
		kept = append(kept, one)
	}
	if err := a.printCheckpoint(c, f.out, kept); err != nil {
		return err
	}
	if failed {
		return ended(codeError)
	}
	return nil
}

// anchors are those that the command line names.
func (s *opened) anchors(names, command []string) ([]config.Anchor, error) {
	var out []config.Anchor
	for _, name := range names {
		switch name {
		case configured:
			if len(s.settings.Ledger.Anchors) == 0 {
				return nil, usage("no anchor is configured: set ledger.anchors (docs/ledger.md)")
			}
			out = append(out, s.settings.Ledger.Anchors...)
		case "command":
			out = append(out, config.Anchor{Command: command})
		default:
			one, err := config.ParseAnchor(name, s.settings.dir)
			if err != nil {
				return nil, usage("--anchor: %v", err)
			}
			out = append(out, one)
		}
	}
	return out, nil
}

func (a *app) printCheckpoint(c ledger.Checkpoint, out string, kept []anchored) error {
	if a.jsonOut() {
		return a.printJSON("backout.ledger-checkpoint/v1", struct {
			ledger.Checkpoint
			Anchors []anchored `json:"anchors,omitempty"`
		}{c, kept})
	}
	if out != "" {
		fmt.Fprintf(a.out, "%s holds the checkpoint over %d entries\n", out, c.Head.Seq)
	} else if len(kept) == 0 {
		fmt.Fprint(a.out, c.Text())
	}
	for _, k := range kept {
		if k.Error != "" {
			fmt.Fprintf(a.out, "%s\n", harmless(k.Error))
			continue
		}
		fmt.Fprintf(a.out, "%s holds the checkpoint over %d entries\n", harmless(k.Anchor), c.Head.Seq)
	}
	return nil
}

func writeCheckpoint(path string, c ledger.Checkpoint) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("keep the checkpoint: %w", err)
	}
	_, err = f.WriteString(c.Text())
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep the checkpoint: %w", err)
	}
	return nil
}
