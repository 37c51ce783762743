package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// secretTimeout bounds a command that gives a secret: a vault that hangs must not hold up the console for long.
const secretTimeout = 10 * time.Second

// resolveSecrets replaces every secret in a provider's settings by its value. The nodes are copied first: what is
// printed by "config show" never holds a value.
func resolveSecrets(ctx context.Context, n *yaml.Node, fields []Field, dir string) (*yaml.Node, error) {
	out := *n
	out.Content = make([]*yaml.Node, len(n.Content))
	copy(out.Content, n.Content)
	if n.Kind != yaml.MappingNode {
		return &out, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		f, ok := find(fields, n.Content[i].Value)
		if !ok {
			continue
		}
		v, err := resolveValue(ctx, n.Content[i+1], f, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Content[i].Value, placed(n.Content[i], err))
		}
		out.Content[i+1] = v
	}
	return &out, nil
}

// secretError is why a secret cannot be had, with the line of its setting.
type secretError struct {
	line int
	err  error
}

func (e *secretError) Error() string { return e.err.Error() }
func (e *secretError) Unwrap() error { return e.err }

// placed notes the line of the innermost setting that an error is about.
func placed(name *yaml.Node, err error) error {
	var known *secretError
	if name.Line == 0 || errors.As(err, &known) {
		return err
	}
	return &secretError{line: name.Line, err: err}
}

func resolveValue(ctx context.Context, v *yaml.Node, f Field, dir string) (*yaml.Node, error) {
	switch f.Type {
	case Secret:
		return secretNode(ctx, v, dir)
	case Object:
		return resolveSecrets(ctx, v, f.Fields, dir)
	case Objects:
		out := *v
		out.Content = nil
		for _, item := range v.Content {
			r, err := resolveSecrets(ctx, item, f.Fields, dir)
			if err != nil {
				return nil, err
			}
			out.Content = append(out.Content, r)
		}
		return &out, nil
	case Map:
		out := *v
		out.Content = append([]*yaml.Node(nil), v.Content...)
		for i := 1; i < len(out.Content); i += 2 {
			if out.Content[i].Kind != yaml.MappingNode {
				continue
			}
			r, err := secretNode(ctx, out.Content[i], dir)
			if err != nil {
				name := out.Content[i-1]
				return nil, fmt.Errorf("%s: %w", name.Value, placed(name, err))
			}
			out.Content[i] = r
		}
		return &out, nil
	default:
		return v, nil
	}
}

func secretNode(ctx context.Context, v *yaml.Node, dir string) (*yaml.Node, error) {
	var s struct {
		Env     string
		File    string
		Command []string
	}
	if err := v.Decode(&s); err != nil {
		return nil, errors.New("a secret is written as {env: NAME}, {file: PATH} or {command: [PROGRAM, ARG]}")
	}
	value, err := readSecret(ctx, s.Env, s.File, s.Command, dir)
	if err != nil {
		return nil, err
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: v.Line, Column: v.Column}, nil
}

func readSecret(ctx context.Context, env, file string, command []string, dir string) (string, error) {
	switch {
	case env != "":
		value, ok := os.LookupEnv(env)
		if !ok {
			return "", fmt.Errorf("environment variable %s is not set", env)
		}
		return value, nil
	case file != "":
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read secret: %w", err)
		}
		return strings.TrimRight(string(data), "\r\n"), nil
	case len(command) > 0:
		ctx, cancel := context.WithTimeout(ctx, secretTimeout)
		defer cancel()
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Dir, cmd.WaitDelay = dir, time.Second
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("run %s for a secret: %w", command[0], err)
		}
		return strings.TrimRight(string(out), "\r\n"), nil
	default:
		return "", errors.New("a secret is written as {env: NAME}, {file: PATH} or {command: [PROGRAM, ARG]}")
	}
}
