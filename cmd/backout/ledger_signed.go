package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback/ledger"
)

func (a *app) signCmd() *cobra.Command {
	return &cobra.Command{
		Use: "sign", Short: "Sign those of your entries that are not signed yet", Args: noArgs,
		Long: `Sign with the key of ledger.signing_key the entries that are yours by their actor and that nobody signed: an agent that was not there,
or a key that had to be touched, leaves them unsigned. It waits up to 30 s for each. Exit codes: 0 all are signed; 1 one is not.`,
		Example: "  backout ledger sign",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.record(cmd.Context(), func(ctx context.Context, s *opened) error {
				if err := a.person(s.settings, "sign with its human's key"); err != nil {
					return err
				}
				if err := s.Engine.Writable(); err != nil {
					return err
				}
				n, err := s.SignMine(ctx)
				if err != nil {
					return fmt.Errorf("%d entries were signed: %w", n, err)
				}
				if a.jsonOut() {
					return a.printJSON("backout.ledger-sign/v1", map[string]any{"signed": n})
				}
				_, err = fmt.Fprintf(a.out, "%d entries of %s signed\n", n, a.principal(s.settings).ID)
				return err
			})
		},
	}
}

// signers are those of the file that the flag names, or else the configuration; nil where nobody names one.
func (s *opened) signers(allowed string) (*ledger.Signers, error) {
	if allowed == "" {
		allowed = s.settings.Ledger.AllowedSigners
	}
	switch {
	case allowed != "":
		return readSigners(allowed)
	case s.settings.Ledger.Require > 0:
		return nil, usage("ledger.require asks for signatures, and nobody says whose keys may sign: set ledger.allowed_signers, or give --allowed-signers")
	default:
		return nil, nil //nolint:nilnil // nobody is known then, and nobody has to be
	}
}

func readSigners(path string) (*ledger.Signers, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usage("read the allowed signers: %v", err)
	}
	defer f.Close()
	signers, err := ledger.ParseSigners(f)
	if err != nil {
		return nil, usage("read the allowed signers: %s: %v", path, err)
	}
	return signers, nil
}

// signedText says who signed which entries, in a line each.
func signedText(s *ledger.Signatures) []string {
	var out []string
	for _, by := range s.By {
		which := fmt.Sprintf("%d of the entries (%s)", by.Entries.Count(), by.Entries.Text())
		switch {
		case len(by.Principals) > 0:
			out = append(out, fmt.Sprintf("signed by %s, %s: %s", strings.Join(by.Principals, ", "), by.Key, which))
		default:
			out = append(out, fmt.Sprintf("signed by %s, which is nobody's that is known here, for these entries: %s", by.Key, which))
		}
		if n := by.Others.Count(); n > 0 {
			out = append(out, fmt.Sprintf("  %d of these (%s) tell of another actor than this key may sign for", n, by.Others.Text()))
		}
	}
	if n := s.False.Count(); n > 0 {
		out = append(out, fmt.Sprintf("with a signature that does not hold: %d of the entries (%s)", n, s.False.Text()))
	}
	if n := s.Unsigned.Count(); n > 0 {
		out = append(out, fmt.Sprintf("unsigned: %d of the entries (%s)", n, s.Unsigned.Text()))
	}
	return out
}
