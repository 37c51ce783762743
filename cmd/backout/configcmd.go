package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers/all"
	"github.com/backout-dev/backout/timeline/export"
)

func (a *app) configCmd() *cobra.Command {
	var origin bool
	cmd := &cobra.Command{
		Use: "config", Short: "Show, check and describe the configuration", Args: noArgs,
		Example: `  backout config show --origin
  backout config check --config ./backout.yaml
  backout config schema > backout.schema.json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	show := &cobra.Command{
		Use: "show", Short: "Print every setting in force; secrets appear as where they are read from", Args: noArgs,
		Example: "  backout config show --origin\n  backout config show --context staging --output json",
		RunE:    func(*cobra.Command, []string) error { return a.showConfig(origin) },
	}
	show.Flags().BoolVar(&origin, "origin", false, "say where each value came from")
	check := &cobra.Command{
		Use: "check", Short: "Report every mistake with file, line and the nearest valid key", Args: noArgs,
		Example: "  backout config check\n  backout config check --config ./backout.yaml --output json",
		RunE:    func(*cobra.Command, []string) error { return a.checkConfig() },
	}
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of a configuration file", Args: noArgs, Example: "  backout config schema > backout.schema.json",
		RunE: func(*cobra.Command, []string) error {
			registry, err := all.Registry()
			if err != nil {
				return err
			}
			enc := json.NewEncoder(a.out)
			enc.SetIndent("", "  ")
			return enc.Encode(config.Schema(schemas(registry)))
		},
	}
	cmd.AddCommand(show, check, schema)
	return cmd
}

// shown are the settings as they may be seen: paths that are in force although nobody wrote them, and nothing that looks
// like a credential, although a credential has no business in a configuration.
func shown(st *settings) []config.Value {
	values := slices.Clone(st.Values())
	for i := range values {
		v := &values[i]
		switch {
		case v.Key == "state_dir" && v.Value == "":
			v.Value = st.stateDir
		case v.Key == "cache_dir" && v.Value == "":
			v.Value = st.cacheDir
		}
		raw, err := json.Marshal(map[string]any{"value": v.Value})
		if err != nil {
			v.Value = nil
			continue
		}
		var clean map[string]any
		if json.Unmarshal(export.RedactJSON(raw), &clean) == nil {
			v.Value = clean["value"]
		}
	}
	return values
}

func (a *app) showConfig(origin bool) error {
	st, err := a.load()
	if err != nil {
		return err
	}
	return printList(a, "backout.setting/v1", shown(st), func(out io.Writer, values []config.Value) error {
		tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, v := range values {
			text, err := json.Marshal(v.Value)
			if err != nil {
				return fmt.Errorf("show %s: %w", v.Key, err)
			}
			if origin {
				fmt.Fprintf(tw, "%s\t%s\t%s\n", v.Key, text, v.Origin)
				continue
			}
			fmt.Fprintf(tw, "%s\t%s\n", v.Key, text)
		}
		return tw.Flush()
	})
}

func (a *app) checkConfig() error {
	st, err := a.load()
	var bad *config.Error
	if errors.As(err, &bad) && a.jsonOut() {
		if err := a.printJSON("backout.config-check/v1", map[string]any{"ok": false, "problems": bad.Problems}); err != nil {
			return err
		}
		return ended(codeConfig)
	}
	if err != nil {
		return err
	}
	if a.jsonOut() {
		return a.printJSON("backout.config-check/v1", map[string]any{"ok": true, "files": st.Files, "providers": len(st.Providers)})
	}
	if len(st.Files) == 0 {
		fmt.Fprintln(a.out, "no configuration file: defaults apply")
		return nil
	}
	for _, f := range st.Files {
		fmt.Fprintf(a.out, "%s: no mistake found\n", f)
	}
	return nil
}
