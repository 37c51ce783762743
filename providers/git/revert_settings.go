package git

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

const (
	defaultRemote     = "origin"
	defaultHistory    = 30
	defaultSoak       = 10 * time.Minute
	defaultRevertTime = 60 * time.Second
)

// revertSettings make a provider a [Reverter].
type revertSettings struct {
	Remote  string        `yaml:"remote"`
	Branch  string        `yaml:"branch"`
	PushTo  string        `yaml:"push_to"`
	MinSoak time.Duration `yaml:"min_soak"`
	History int           `yaml:"history"`
	Timeout time.Duration `yaml:"timeout"`
}

func revertFields() []providers.Field {
	return []providers.Field{
		{Name: "remote", Type: providers.FieldString, Default: defaultRemote, Help: "the remote whose branch is reverted on, as git names it"},
		{Name: "branch", Type: providers.FieldString, Required: true, Help: "the branch that holds what is deployed, such as main"},
		{Name: "push_to", Type: providers.FieldString, Help: "push to a new branch for review instead, such as backout/revert-{short}; {short} is the commit, {service} the service"},
		{Name: "min_soak", Type: providers.FieldDuration, Default: defaultSoak.String(), Help: "how long a content must have stood on the branch to count as known good"},
		{Name: "history", Type: providers.FieldInt, Default: defaultHistory, Help: "how many contents of each service are looked back at"},
		{Name: "timeout", Type: providers.FieldDuration, Default: defaultRevertTime.String(), Help: "how long the remote may take for one look or one push"},
	}
}

var (
	refPart    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./+@=-]*$`)
	remoteName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./+-]*$`)
)

func (s *revertSettings) check() error {
	if s.Remote == "" {
		s.Remote = defaultRemote
	}
	s.Branch = strings.TrimPrefix(s.Branch, "refs/heads/")
	if s.MinSoak <= 0 {
		s.MinSoak = defaultSoak
	}
	if s.History <= 0 {
		s.History = defaultHistory
	}
	if s.Timeout <= 0 {
		s.Timeout = defaultRevertTime
	}
	if !remoteName.MatchString(s.Remote) {
		return fmt.Errorf("revert: %q is no name of a remote: see `git remote`", s.Remote)
	}
	if !branchName(s.Branch) {
		return fmt.Errorf("revert: %q is no name of a branch", s.Branch)
	}
	if s.PushTo == "" {
		return nil
	}
	s.PushTo = strings.TrimPrefix(s.PushTo, "refs/heads/")
	if !strings.Contains(s.PushTo, "{short}") {
		return errors.New("revert: push_to needs {short} in it, or two reverts would want the same branch")
	}
	if !branchName(strings.NewReplacer("{short}", "0", "{service}", "s").Replace(s.PushTo)) {
		return fmt.Errorf("revert: %q is no pattern for the name of a branch", s.PushTo)
	}
	return nil
}

// branchName holds to a part of what git allows that is safe in every place where a name stands.
func branchName(s string) bool {
	return refPart.MatchString(s) && !strings.Contains(s, "..") && !strings.Contains(s, "//") && !strings.Contains(s, "@{") &&
		!strings.Contains(s, "/.") && !strings.HasSuffix(s, "/") && !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, ".lock")
}

// reviews reports whether reverts are proposed on a branch of their own.
func (s *revertSettings) reviews() bool { return s.PushTo != "" }

// ref is the full name of the branch that is reverted on.
func (s *revertSettings) ref() string { return "refs/heads/" + s.Branch }

// shown is how people name that branch.
func (s *revertSettings) shown() string { return s.Remote + "/" + s.Branch }

var notInBranch = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// review is the branch that a revert of these commits is proposed on.
func (s *revertSettings) review(service string, commits []string) string {
	service = strings.Trim(notInBranch.ReplaceAllString(service, "-"), "-")
	return strings.NewReplacer("{short}", abbreviated(commits[len(commits)-1]), "{service}", service).Replace(s.PushTo)
}
