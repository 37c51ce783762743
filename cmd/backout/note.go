package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) noteCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "note TEXT",
		Short:   "Put a note into the record, at the open incident if there is one",
		Example: `  backout note "payments team confirms: cards decline since 14:02"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(strings.Join(args, " ")) == "" {
				return usage("%s takes the TEXT of the note", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			ctx := cmd.Context()
			s, err := a.open(ctx, 0)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.close()) }()
			// A note is about an incident, so the alert sources are asked; the note is written whatever they say.
			s.Start(ctx)
			missing := a.await(ctx, s)
			if _, ok := s.Incident(a.flags.incident); !ok && a.flags.incident != "" {
				if len(missing) == 0 {
					return s.NoIncident(a.flags.incident)
				}
				a.warn("incident %s is not known while a source does not answer; the note is kept at that name", a.flags.incident)
			}
			if err := s.Note(ctx, a.flags.incident, strings.Join(args, " ")); err != nil {
				return err
			}
			where := a.flags.incident
			if where == "" {
				where = "no incident is open"
			}
			if inc, ok := s.Incident(a.flags.incident); ok {
				where = inc.ID
			}
			if a.jsonOut() {
				return a.printJSON("backout.note/v1", map[string]any{"incident": where, "text": strings.Join(args, " ")})
			}
			fmt.Fprintf(a.out, "noted (%s)\n", where)
			return nil
		},
	}
}
