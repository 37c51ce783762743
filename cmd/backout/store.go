package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/rollback/store"
)

func (a *app) storeCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "store", Short: "Say where the record is kept and how that stands; move it elsewhere", Args: noArgs,
		Long: `The record is a file in the state directory, or a PostgreSQL database that a team shares
('--store postgres://USER@HOST/DATABASE', or store.url in the configuration).`,
		Example: "  backout store status\n  backout store copy ./backout.db postgres://backout@db/oncall",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.storeStatus(cmd.Context()) },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "status", Short: "Where the record is, its version, whether it can be written, and how old the copy beside is", Args: noArgs,
			Long: `Where the record is, its version, whether it can be written, and how old the copy beside a shared one is. Exit codes: 0 it can be
read and written; 1 it cannot.`,
			Example: "  backout store status --output json",
			RunE:    func(cmd *cobra.Command, _ []string) error { return a.storeStatus(cmd.Context()) },
		},
		&cobra.Command{
			Use: "copy FROM TO", Short: "Copy a record into an empty store, and verify the copy", Args: exactArgs("FROM", "TO"),
			Long: `Copy a record, whole and as it stands, into an empty store: a file, or postgres://USER@HOST/DATABASE. Chain, tree, checkpoints that
were kept elsewhere, runs, measures and proofs hold in the copy as before; it is verified. Refused are a damaged record, one with a run
that is not over, and a store that holds a record already. The first one is left as it is: stop using it.`,
			Example: "  backout store copy ~/.local/state/backout/backout.db postgres://backout@db/oncall\n  backout store copy postgres://backout@db/oncall ./audit.db",
			RunE:    func(cmd *cobra.Command, args []string) error { return a.copyBy(cmd.Context(), args[0], args[1]) },
		})
	return cmd
}

// copyBy copies a record for a person, or what they set up.
func (a *app) copyBy(ctx context.Context, from, to string) error {
	st, err := a.load()
	if err != nil {
		return err
	}
	if err := a.person(st, "move the record"); err != nil {
		return err
	}
	return a.storeCopy(ctx, from, to)
}

// storeStatus also tells of a store that cannot be opened.
func (a *app) storeStatus(ctx context.Context) error {
	return a.unread(ctx, func(ctx context.Context, s *opened) error {
		if err := s.Readable(); err != nil {
			return err
		}
		st, err := s.DB.Status(ctx)
		if err != nil {
			return err
		}
		wrong := storeWrong(&st, s.NoRecord)
		if a.jsonOut() {
			err = a.printJSON("backout.store/v1", struct {
				store.Status
				Writable bool   `json:"writable"`
				Why      string `json:"why_not,omitempty"`
			}{st, wrong == "", wrong})
		} else {
			err = printStatus(a.out, &st, wrong, a.now())
		}
		if err == nil && wrong != "" {
			return ended(codeError)
		}
		return err
	})
}

// storeWrong is why nothing can be recorded, "" where it can.
func storeWrong(st *store.Status, no error) string {
	switch {
	case !st.AwaySince.IsZero():
		return st.AwayWhy
	case st.Standby:
		return store.ErrStandby.Error()
	case no != nil:
		return no.Error()
	default:
		return ""
	}
}

func printStatus(out io.Writer, st *store.Status, wrong string, now time.Time) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "store\t%s\n", st.Place)
	fmt.Fprintf(tw, "engine\t%s, schema %d\n", st.Engine, st.Schema)
	fmt.Fprintf(tw, "ledger\t%s, %d entries, %d runs\n", st.Origin, st.Entries, st.Runs)
	for _, line := range storeRemarks(st, now) {
		fmt.Fprintf(tw, "\t%s\n", line)
	}
	if wrong != "" {
		fmt.Fprintf(tw, "written\tno: %s\n", wrong)
	} else {
		fmt.Fprintf(tw, "written\tyes\n")
	}
	return tw.Flush()
}

// storeRemarks are what there is to say of a server.
func storeRemarks(st *store.Status, now time.Time) []string {
	var out []string
	if !st.AwaySince.IsZero() {
		out = append(out, fmt.Sprintf("away since %s; what is shown is the copy of %s", st.AwaySince.UTC().Format(time.RFC3339), st.CopyBeside.UTC().Format(time.RFC3339)))
	} else if !st.CopyBeside.IsZero() {
		out = append(out, fmt.Sprintf("a copy beside, %s old, is read while it is away", now.Sub(st.CopyBeside).Round(time.Second)))
	}
	switch st.Connection {
	case "":
	case store.NotEncrypted:
		out = append(out, "the connection is not encrypted: whoever is on the way can read and change it; sslmode=verify-full in its address ends that")
	default:
		out = append(out, "connection: "+st.Connection)
	}
	if st.Standby {
		out = append(out, fmt.Sprintf("a standby, %s behind at most", st.Lag.Round(time.Second)))
	}
	if st.Ahead.Abs() > time.Second {
		out = append(out, fmt.Sprintf("its clock is %s off this one's; leases go by its own", st.Ahead.Round(100*time.Millisecond)))
	}
	if st.Unsafe != "" {
		out = append(out, st.Unsafe+": a crash of its machine may lose what it acknowledged")
	}
	return out
}

// storeFinding is what the doctor says of where the record is.
func storeFinding(ctx context.Context, s *opened, now time.Time) finding {
	st, err := s.DB.Status(ctx)
	if err != nil {
		return finding{"FAIL", "store", err.Error()}
	}
	remarks := storeRemarks(&st, now)
	f := finding{"ok", "store", strings.Join(append([]string{fmt.Sprintf("%s: %s, schema %d", st.Place, st.Engine, st.Schema)}, remarks...), "\n")}
	if wrong := storeWrong(&st, s.NoRecord); wrong != "" {
		f.State, f.Text = "FAIL", f.Text+"\n"+wrong
	} else if st.Unsafe != "" || st.Ahead.Abs() > time.Minute {
		f.State = "warn"
	}
	return f
}

func (a *app) storeCopy(ctx context.Context, from, to string) (err error) {
	st, err := a.load()
	if err != nil {
		return err
	}
	if st.ReadOnly {
		return &coded{code: codeRefused, err: errors.New("read-only mode: nothing is copied")}
	}
	src, err := a.openStore(ctx, st, from, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := a.openStore(ctx, st, to, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	out, err := store.Copy(ctx, src, dst)
	if errors.Is(err, store.ErrNotEmpty) || errors.Is(err, store.ErrUnfinished) {
		return &coded{code: codeRefused, err: err}
	}
	if err != nil {
		return err
	}
	if a.jsonOut() {
		return a.printJSON("backout.store.copy/v1", map[string]any{"from": src.Path(), "to": dst.Path(), "rows": out.Rows, "verify": out.Report})
	}
	_, err = fmt.Fprintf(a.out, "copied %s to %s: %d entries, %d payloads, %d runs, %d measures, %d proofs\n%s\n",
		src.Path(), dst.Path(), out.Rows["ledger"], out.Rows["payload"], out.Rows["run"], out.Rows["measure"], out.Rows["proof"], reportText(out.Report))
	return err
}

// openStore opens a store that is named on the command line. The configured password is for the configured store.
func (a *app) openStore(ctx context.Context, st *settings, place string, read bool) (*store.DB, error) {
	opts := store.Options{Now: a.now, ReadOnly: read}
	if place == st.Store.URL {
		var err error
		if opts.Password, err = st.Store.Password(ctx); err != nil {
			return nil, err
		}
	}
	return store.Open(ctx, place, opts)
}
