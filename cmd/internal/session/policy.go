package session

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
)

// noPolicy refuses everything, because what is allowed cannot be read. Whoever is on call still sees what there is to see.
type noPolicy struct{ why error }

// Answer implements rollback.Rules.
func (n noPolicy) Answer(policy.Situation) policy.Answer {
	var a policy.Answer
	a.Add(policy.Ruling{
		Rule: "policy", Effect: policy.EffectRefuse, Mode: policy.ModeDeny,
		Text: "nothing is done under half a policy: " + strings.ReplaceAll(n.why.Error(), "\n", "; ") + " (backout policy check)",
	}, nil)
	return a
}

// Policies reads the policy files that the configuration names; nil: it names none. One that cannot be read or is wrong is a
// mistake of the configuration: nothing is done under half a policy.
func Policies(c config.Policy) (*file.Set, error) {
	if c.File == "" && c.Organisation.File == "" {
		return nil, nil
	}
	var org, team *file.Policy
	if c.Organisation.File != "" {
		data, err := policyBytes(c.Organisation.File)
		if err != nil {
			return nil, err
		}
		if err := file.Pinned(data, c.Organisation.Digest); err != nil {
			return nil, policyProblem(c.Organisation.File, err)
		}
		if org, err = file.Parse(c.Organisation.File, data); err != nil {
			return nil, policyProblem(c.Organisation.File, err)
		}
	}
	if c.File != "" {
		data, err := policyBytes(c.File)
		if err != nil {
			return nil, err
		}
		if team, err = file.ParseOver(c.File, data, org); err != nil {
			return nil, policyProblem(c.File, err)
		}
	}
	return file.NewSet(org, team), nil
}

func policyBytes(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, policyProblem(path, errors.New("is not a file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, policyProblem(path, fmt.Errorf("the policy cannot be read: %w", err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, file.MaxSize+1))
	if err != nil {
		return nil, policyProblem(path, fmt.Errorf("the policy cannot be read: %w", err))
	}
	return data, nil
}

// policyProblem is an error of a policy as one of the configuration, with its places.
func policyProblem(path string, err error) error {
	var bad *file.Error
	if !errors.As(err, &bad) {
		return &config.Error{Problems: []config.Problem{{File: path, Message: err.Error()}}}
	}
	out := &config.Error{}
	for _, p := range bad.Problems {
		out.Problems = append(out.Problems, config.Problem{File: p.File, Line: p.Line, Column: p.Column, Key: p.Key, Message: p.Message})
	}
	return out
}
