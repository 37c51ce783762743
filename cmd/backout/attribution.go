package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/providers/attribution"
)

// attributionCmd judges commits from standard input, for measuring the rules on labelled commits.
func (a *app) attributionCmd() *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use: "attribution", Short: "Judge AI assistance of commits given as JSON lines", Hidden: true, Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if !stdin {
				return usage("attribution needs --stdin")
			}
			enc := json.NewEncoder(a.out)
			for row, err := range attribution.ReadCommits(a.in) {
				if err != nil {
					return fmt.Errorf("read commits: %w", err)
				}
				out := attribution.Answer{ID: row.ID, Assistance: attribution.Judge(row.Commit)}
				if err := enc.Encode(out); err != nil {
					return fmt.Errorf("write verdict: %w", err)
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&stdin, "stdin", false, "read the commits from standard input")
	return cmd
}
