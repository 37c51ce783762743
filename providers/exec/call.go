package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

// request is the document on standard input.
type request struct {
	Protocol    int                   `json:"protocol"`
	Method      string                `json:"method"`
	Provider    string                `json:"provider"`
	Environment string                `json:"environment,omitempty"`
	Since       time.Time             `json:"since,omitzero"`
	Until       time.Time             `json:"until,omitzero"`
	Unit        rollback.UnitID       `json:"unit,omitempty"`
	Observation *rollback.Observation `json:"observation,omitempty"`
	To          *rollback.Revision    `json:"to,omitempty"`
	Operation   *rollback.Operation   `json:"operation,omitempty"`
	Step        *rollback.Step        `json:"step,omitempty"`
}

// variables are the request's plain fields once more, so that a shell script needs no JSON parser.
func (r *request) variables() []string {
	v := []string{"BACKOUT_PROTOCOL=" + strconv.Itoa(r.Protocol), "BACKOUT_METHOD=" + r.Method, "BACKOUT_PROVIDER=" + r.Provider}
	add := func(name, value string) {
		if value != "" && !strings.ContainsRune(value, 0) {
			v = append(v, "BACKOUT_"+name+"="+value)
		}
	}
	when := func(name string, t time.Time) {
		if !t.IsZero() {
			add(name, t.UTC().Format(time.RFC3339))
		}
	}
	add("ENVIRONMENT", r.Environment)
	when("SINCE", r.Since)
	when("UNTIL", r.Until)
	add("UNIT", string(r.Unit))
	if r.To != nil {
		add("TO", r.To.Digest)
		add("TO_LABEL", r.To.Label)
	}
	if r.Operation != nil {
		add("OPERATION", r.Operation.ID)
	}
	if r.Observation != nil {
		add("TOKEN", r.Observation.Token)
	}
	if r.Step != nil {
		add("UNIT", string(r.Step.Unit))
		add("STEP", strconv.Itoa(r.Step.N))
		add("ACTION", r.Step.Action)
		add("TOKEN", r.Step.Token)
		add("FROM", r.Step.From)
		add("TO", r.Step.To)
		add("TO_LABEL", r.Step.Args["label"])
	}
	return v
}

// stream runs the command of a request and hands its standard output to read while it runs.
func (c *core) stream(ctx context.Context, r request, read func(io.Reader) error) (err error) {
	r.Protocol, r.Provider, r.Environment = protocol, c.name, c.environment
	limit, setting := c.timeout, "timeout"
	if r.Method == "apply" {
		limit, setting = c.applyLimit, "apply_timeout"
	}
	start := c.now()
	defer func() {
		// Whoever calls off a question has learned nothing about the program.
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.vitals.Done(start, err)
		}
	}()
	doc, err := json.Marshal(r)
	if err != nil {
		return c.failing(r.Method, err)
	}
	run, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err = process.Program{
		Argv: c.commands.byMethod()[r.Method], Dir: c.dir, Env: append(r.variables(), c.env...),
		Stdin: bytes.NewReader(append(doc, '\n')), MaxOutput: c.maxOutput, Mask: c.mask,
	}.Stream(run, c.injected(run, r.Method, read))
	if err == nil {
		return nil
	}
	err = c.failing(r.Method, err)
	var start2 *process.StartError
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return providers.Retryable(fmt.Errorf("%w after %s; see the setting %s", err, limit, setting))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		return providers.Permanent(fmt.Errorf("%w; correct commands.%s or dir: neither the program nor what its first line names may be missing", err, r.Method))
	case errors.Is(err, fs.ErrPermission):
		return providers.Permanent(fmt.Errorf("%w; make the program executable, see chmod +x", err))
	case errors.Is(err, process.ErrTooMuch):
		return providers.Permanent(fmt.Errorf("%w; print less, or raise max_output", err))
	case errors.As(err, &start2), errors.Is(err, exec.ErrNotFound):
		return providers.Permanent(err)
	default:
		return err
	}
}

// ask runs a command that answers with one JSON object and decodes that. The fields in must have to be there: an answer
// that says nothing is no answer.
func (c *core) ask(ctx context.Context, r request, into any, must ...string) error {
	var out []byte
	err := c.stream(ctx, r, func(stdout io.Reader) (err error) {
		out, err = io.ReadAll(stdout)
		return err
	})
	if err != nil {
		return err
	}
	if err := decodeObject(out, into, must); err != nil {
		err = providers.Permanent(c.failing(r.Method, fmt.Errorf("its answer makes no sense: %w", err)))
		c.vitals.Done(c.now(), err)
		return err
	}
	return nil
}

func decodeObject(data []byte, into any, must []string) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return fmt.Errorf("one JSON object is expected: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something after the JSON object")
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		return errors.New("one JSON object is expected")
	}
	for _, name := range must {
		if v, ok := fields[name]; !ok || string(v) == "null" {
			return fmt.Errorf("%q is missing", name)
		}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	return nil
}
