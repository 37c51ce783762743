package main

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpTemplate is cobra's with the examples first: at three in the morning people copy one, and read the rest later.
const helpTemplate = `{{with (or .Long .Short)}}{{. | trimTrailingWhitespaces}}

{{end}}{{if .HasExample}}Examples:
{{.Example}}

{{end}}{{if or .Runnable .HasSubCommands}}{{.UsageString}}{{end}}`

const usageTemplate = `Usage:{{if .Runnable}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

'{{.CommandPath}} [command] --help' says more about a command.{{end}}
`

// usageErrors makes every mistake in a call a usage error that names what was probably meant.
func usageErrors(root *cobra.Command) {
	root.SetHelpTemplate(helpTemplate)
	root.SetUsageTemplate(usageTemplate)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%v%s", err, nearestFlag(cmd, err))
	})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			completionUsage(c)
		case "help":
			c.Run, c.RunE = nil, func(cmd *cobra.Command, args []string) error {
				about, rest, err := root.Find(args)
				if err != nil || about == nil || len(rest) > 0 {
					return noArgs(about, rest)
				}
				return about.Help()
			}
		}
	}
}

// completionUsage gives cobra's completion command the examples and the errors of all others.
func completionUsage(c *cobra.Command) {
	c.Example = `  source <(backout completion bash)
  backout completion zsh > "${fpath[1]}/_backout"
  backout completion fish > ~/.config/fish/completions/backout.fish`
	c.Args = noArgs
	c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	for _, shell := range c.Commands() {
		shell.Args = noArgs
		shell.Example = "  backout completion " + shell.Name()
	}
}

// nearestFlag suggests the flag of this command that is closest to the unknown one.
func nearestFlag(cmd *cobra.Command, err error) string {
	_, written, unknown := strings.Cut(err.Error(), "unknown flag: --")
	if !unknown {
		return ""
	}
	var names []string
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	cmd.Flags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	if near := nearest(written, names); near != "" {
		return fmt.Sprintf(": did you mean --%s?", near)
	}
	return ""
}

// nearest is the known name that was probably meant, or "": few letters off, or begun and not finished.
func nearest(written string, known []string) string {
	best, at := "", 4
	for _, k := range known {
		d := levenshtein.ComputeDistance(strings.ToLower(written), strings.ToLower(k))
		if len(written) >= 2 && strings.HasPrefix(k, written) {
			d = 1
		}
		if d < at && d <= (len(k)+1)/2 {
			best, at = k, d
		}
	}
	return best
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasAvailableSubCommands() {
		return usage("%s takes no argument, and %q is one", cmd.CommandPath(), args[0])
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := ""
	if near := nearest(args[0], names); near != "" {
		hint = fmt.Sprintf(": did you mean %q?", near)
	}
	return usage("unknown command %q for %q%s", args[0], cmd.CommandPath(), hint)
}

func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usage("%s takes %s, and %d were given", cmd.CommandPath(), strings.Join(names, " "), len(args))
	}
}

// atMostOne lets a command take one argument or none.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= 1 {
			return nil
		}
		return usage("%s takes one %s or none, and %d arguments were given", cmd.CommandPath(), name, len(args))
	}
}

// wantsJSON reports whether a command line asks for JSON. It is for calls that were wrong before their flags were read.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		value := ""
		switch {
		case arg == "--":
			return false
		case (arg == "--output" || arg == "-o") && i+1 < len(args):
			value = args[i+1]
		case strings.HasPrefix(arg, "--output="):
			value = strings.TrimPrefix(arg, "--output=")
		case strings.HasPrefix(arg, "-o"):
			value = strings.TrimPrefix(strings.TrimPrefix(arg, "-o"), "=")
		}
		if value == "json" || value == "jsonl" {
			return true
		}
	}
	return false
}
