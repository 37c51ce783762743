package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/providertest/conformance"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/rollbacktest"
)

func (a *app) providersCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "providers", Short: "List, check and try the providers", Args: noArgs,
		Example: `  backout providers list
  backout providers check --strict
  backout providers conformance deploy-script`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.unread(cmd.Context(), a.listProviders) },
	}
	var apply bool
	try := &cobra.Command{
		Use: "conformance NAME", Short: "Try a provider against every promise of the contract", Args: exactArgs("NAME"),
		Example: "  backout providers conformance deploy-script\n  backout providers conformance releases --unit releases:local/canary --to r41 --apply",
		Long: `Try a provider against every promise of the contract: windows, times, ids, text, cancellation. A provider that takes
units back is tried with --unit and --to on a real unit: it is applied twice, with a stale compare-and-set, and late.
Only ever do that to a unit made for it.`,
	}
	var unit, to string
	try.Flags().StringVar(&unit, "unit", "", "a unit made for this: it is switched to --to and back")
	try.Flags().StringVar(&to, "to", "", "the revision to switch it to")
	try.Flags().BoolVar(&apply, "apply", false, "really apply; without it only what changes nothing is tried")
	try.RunE = func(cmd *cobra.Command, args []string) error {
		return a.unread(cmd.Context(), func(ctx context.Context, s *opened) error {
			return a.conformance(ctx, s, args[0], unit, to, apply)
		})
	}
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the configured providers, what each can do, and the units", Args: noArgs, Example: "  backout providers list --output json",
			RunE: func(cmd *cobra.Command, _ []string) error { return a.unread(cmd.Context(), a.listProviders) },
		},
		&cobra.Command{
			Use: "check", Short: "Ask every provider once and print its health line", Args: noArgs, Example: "  backout providers check --timeout 5s",
			RunE: func(cmd *cobra.Command, _ []string) error { return a.with(cmd.Context(), 0, a.checkProviders) },
		},
		try)
	return cmd
}

// listed is one provider as "providers list" prints it.
type listed struct {
	Name  string          `json:"name"`
	Type  string          `json:"type"`
	Can   []string        `json:"can"`
	Units []rollback.Unit `json:"units,omitempty"`
	Error string          `json:"error,omitempty"`
}

func (a *app) listProviders(ctx context.Context, s *opened) error {
	var items []listed
	for _, p := range s.Providers() {
		item := listed{Name: p.Name(), Type: s.Type(p.Name()), Can: abilities(p)}
		if r, ok := p.(rollback.Reverser); ok {
			ctx, cancel := context.WithTimeout(ctx, a.flags.timeout)
			for u, err := range r.Units(ctx) {
				if err != nil {
					item.Error = err.Error()
					continue
				}
				item.Units = append(item.Units, u)
			}
			cancel()
		}
		items = append(items, item)
	}
	for _, h := range s.Health() {
		if h.State == providers.HealthFailing {
			items = append(items, listed{Name: h.Provider, Type: s.Type(h.Provider), Error: h.Detail})
		}
	}
	return printList(a, "backout.provider/v1", items, func(out io.Writer, items []listed) error {
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, p := range items {
			fmt.Fprintf(tw, "%s\t%s\t%v\t%s\n", p.Name, p.Type, p.Can, p.Error)
			for _, u := range p.Units {
				fmt.Fprintf(tw, "  unit %s\t%s\t%s\tcompare-and-set: %s\n", u.ID, u.Kind, dash(u.Service), u.CAS)
			}
		}
		return tw.Flush()
	})
}

// abilities names what a provider can do, found as the rest of the program finds it.
func abilities(p providers.Provider) []string {
	var out []string
	add := func(ok bool, name string) {
		if ok {
			out = append(out, name)
		}
	}
	_, changes := p.(providers.ChangeSource)
	_, index := p.(providers.Indexer)
	_, alerts := p.(providers.AlertSource)
	_, states := p.(providers.AlertStates)
	_, watch := p.(providers.Watcher)
	_, topology := p.(providers.Topology)
	_, signals := p.(providers.SignalSource)
	_, reverse := p.(rollback.Reverser)
	add(changes || index, "changes")
	add(alerts || states, "alerts")
	add(watch, "live")
	add(topology, "topology")
	add(signals, "signals")
	add(reverse, "rollback")
	return out
}

func (a *app) checkProviders(_ context.Context, s *opened) error {
	health, bad := s.Health(), map[string]error{}
	answered := s.Feed.Answered()
	for _, h := range health {
		if h.State == providers.HealthFailing {
			bad[h.Provider] = cmp.Or(answered[h.Provider], errors.New(h.Detail))
		}
	}
	err := printList(a, "backout.health/v1", health, func(out io.Writer, health []providers.Health) error {
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, h := range health {
			last := "never answered"
			if !h.LastOK.IsZero() {
				last = "answered " + a.now().Sub(h.LastOK).Round(time.Second).String() + " ago"
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", h.Provider, h.State, last, h.Detail)
		}
		return tw.Flush()
	})
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		return ended(missingCode(bad))
	}
	return nil
}

func (a *app) conformance(ctx context.Context, s *opened, name, unit, to string, apply bool) error {
	found, err := s.provider(name)
	if err != nil {
		return err
	}
	now := a.now().UTC()
	var problems []string
	for _, p := range conformance.Check(ctx, found, providers.Window{Since: now.Add(-24 * time.Hour), Until: now}) {
		problems = append(problems, p.String())
	}
	r, takesBack := found.(rollback.Reverser)
	if takesBack && unit == "" {
		a.warn("not tried: taking back: name a unit with --unit; one made for this with --to and --apply, too")
	}
	if takesBack && unit != "" {
		digest, err := digestOf(ctx, r, rollback.UnitID(unit), to)
		if err != nil {
			return err
		}
		for _, p := range rollbacktest.Check(ctx, rollbacktest.Suite{Reverser: r, Unit: rollback.UnitID(unit), To: digest, ReadOnly: !apply, Timeout: a.flags.timeout}) {
			if p.Skipped {
				a.warn("not tried: %s", p)
				continue
			}
			problems = append(problems, p.String())
		}
	}
	err = printList(a, "backout.conformance/v1", problems, func(out io.Writer, problems []string) error {
		for _, p := range problems {
			fmt.Fprintln(out, p)
		}
		fmt.Fprintf(out, "%s: %d promises broken\n", name, len(problems))
		return nil
	})
	if err == nil && len(problems) > 0 {
		return ended(codeError)
	}
	return err
}

// provider finds a provider by name, or says why it could not be made.
func (s *opened) provider(name string) (providers.Provider, error) {
	for _, p := range s.Providers() {
		if p.Name() == name {
			return p, nil
		}
	}
	for _, h := range s.Health() {
		if h.Provider == name {
			return nil, fmt.Errorf("provider %s: %s", name, h.Detail)
		}
	}
	return nil, fmt.Errorf("no provider %q: see 'backout providers list'", name)
}

// digestOf finds the revision of a unit that is named by label or digest; "" stays "".
func digestOf(ctx context.Context, r rollback.Reverser, unit rollback.UnitID, to string) (string, error) {
	if to == "" {
		return "", nil
	}
	obs, err := r.Observe(ctx, unit)
	if err != nil {
		return "", fmt.Errorf("observe %s: %w", unit, err)
	}
	for _, rev := range obs.History {
		if rev.Label == to || rev.Digest == to {
			return rev.Digest, nil
		}
	}
	return "", fmt.Errorf("%s has no revision %q: %w", unit, to, rollback.ErrNotFound)
}
