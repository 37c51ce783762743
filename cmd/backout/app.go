package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/backout-dev/backout/cmd/internal/caller"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/policy"
)

// app holds what every command shares: the streams, the environment, the clock and the global flags.
type app struct {
	in     *os.File
	out    *sink
	errOut io.Writer
	env    []string
	now    func() time.Time
	flags  globalFlags

	help      string // the command whose help is named beside a mistake in the call
	inDemo    bool   // the targets of the runs are the demo's own
	executing bool   // this process works on a run
	replaying bool   // the clock stands at an incident file's moment

	boundary int               // the ancestor up to which who acts is looked for; 0: all of them
	sight    *caller.Sight     // what was seen of this process, once somebody asked
	acting   *policy.Principal // the demo without a console, which acts for itself in a world of its own; nil: who is recognised

	whenOpen func(read <-chan struct{}) // told by a console that opens, with what ends when the providers were first read
}

// globalFlags are the flags that every command takes.
type globalFlags struct {
	config, context, environment, output, color, store string
	since, until                                       string
	incident, at, open, file                           string
	readonly, write, noColor, ascii, accessible        bool
	strict, noInput, quiet                             bool
	verbose                                            int
	timeout                                            time.Duration
	set                                                *pflag.FlagSet
}

func newApp(in *os.File, out, errOut io.Writer, env []string) *app {
	return &app{in: in, out: &sink{Writer: out}, errOut: errOut, env: env, now: time.Now}
}

// run executes one command line and gives its exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil && a.out.err != nil {
		err = fmt.Errorf("write the result: %w", a.out.err)
	}
	if err == nil {
		return codeOK
	}
	if wantsJSON(args) {
		a.flags.output = "json" // the mistake may stand before the flag that says so
	}
	a.help = cmd.CommandPath()
	code := exitCode(ctx, err)
	a.printError(code, err)
	return code
}

// printError tells an error once, on stderr: as text, or as JSON where JSON was asked for.
func (a *app) printError(code int, err error) {
	if isSilent(err) {
		return
	}
	if a.flags.output == "json" || a.flags.output == "jsonl" {
		_ = json.NewEncoder(a.errOut).Encode(map[string]any{"schema": "backout.error/v1", "code": code, "error": err.Error()})
		return
	}
	fmt.Fprintf(a.errOut, "backout: %s\n", harmless(err.Error()))
	if code == codeUsage {
		fmt.Fprintf(a.errOut, "backout: see '%s --help'\n", a.help)
	}
}

func (a *app) lookupEnv(key string) (string, bool) {
	for i := len(a.env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(a.env[i], "="); ok && k == key {
			return v, true
		}
	}
	return "", false
}

func (a *app) getenv(key string) string {
	v, _ := a.lookupEnv(key)
	return v
}

// interactive reports whether a person sits at both ends.
func (a *app) interactive() bool {
	return !a.flags.noInput && isTerminal(a.in) && isTerminal(a.out)
}

func isTerminal(stream any) bool {
	if s, ok := stream.(*sink); ok {
		stream = s.Writer
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// warn tells something beside the result, unless -q.
func (a *app) warn(format string, args ...any) {
	if !a.flags.quiet {
		fmt.Fprintf(a.errOut, "backout: %s\n", harmless(fmt.Sprintf(format, args...)))
	}
}

// harmless takes out of a message what could act on the terminal: it may hold what a source or a file said. Its lines stay.
func harmless(text string) string {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		lines[i] = providers.Clean(l)
	}
	return strings.Join(lines, "\n")
}

// jsonOut reports whether the result is wanted as JSON.
func (a *app) jsonOut() bool { return a.flags.output == "json" || a.flags.output == "jsonl" }

// printJSON writes one document with its schema; json is indented for a person's eyes, jsonl is one line.
func (a *app) printJSON(schema string, v any) error {
	data, err := withSchema(schema, v)
	if err != nil {
		return err
	}
	if a.flags.output == "json" {
		var pretty any
		if err := json.Unmarshal(data, &pretty); err == nil {
			if data, err = json.MarshalIndent(json.RawMessage(data), "", "  "); err != nil {
				return fmt.Errorf("print json: %w", err)
			}
		}
	}
	_, err = fmt.Fprintf(a.out, "%s\n", data)
	return err
}

// withSchema puts a leading "schema" into an object, and wraps anything else as "items".
func withSchema(schema string, v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("print json: %w", err)
	}
	if len(data) < 2 || data[0] != '{' {
		return []byte(fmt.Sprintf(`{"schema":%q,"items":%s}`, schema, data)), nil
	}
	sep := ","
	if string(data) == "{}" {
		sep = ""
	}
	return []byte(fmt.Sprintf(`{"schema":%q%s%s`, schema, sep, data[1:])), nil
}

// printList writes items: a document with a list, or with jsonl one item a line.
func printList[T any](a *app, schema string, items []T, text func(io.Writer, []T) error) error {
	switch a.flags.output {
	case "jsonl":
		for _, item := range items {
			if err := a.printJSON(schema, item); err != nil {
				return err
			}
		}
		return nil
	case "json":
		if items == nil {
			items = []T{}
		}
		return a.printJSON(schema, map[string]any{"items": items})
	default:
		return text(a.out, items)
	}
}
