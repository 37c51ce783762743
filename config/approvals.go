package config

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Approvals is the section approvals: whose yes a rollback waits for.
type Approvals struct {
	Require     []Approvers
	Not         []string
	Deny        int
	Expires     time.Duration // a yes is too old after that
	StartWithin time.Duration // the run has to begin within that of the last yes; 0 is any time
}

// Approvers is one way to be approved in a tier; any one that is met suffices.
type Approvers struct {
	Tier      string `yaml:"tier"`
	Approve   int    `yaml:"approve"`
	Group     string `yaml:"group"`
	Role      string `yaml:"role"`
	Principal string `yaml:"principal"`
}

func approvalFields() []Field {
	return []Field{
		{Name: "require", Type: Objects, Help: "how many have to approve a rollback, by tier; of several entries for a tier any one that is met suffices; default: none", Fields: []Field{
			{Name: "tier", Type: String, Required: true, Enum: []string{"prod", "staging", "dev"}, Help: "the tier of the environment that it is about"},
			{Name: "approve", Type: Int, Default: 1, Help: "how many people"},
			{Name: "group", Type: String, Help: "of this group"},
			{Name: "role", Type: String, Help: "who hold this role"},
			{Name: "principal", Type: String, Help: "this person"},
		}},
		{Name: "not", Type: Strings, Default: []string{"requester", "on_behalf_of", "change.author", "change.driver"}, Help: "whose yes does not count: requester, on_behalf_of, change.author, change.driver"},
		{Name: "deny", Type: Int, Default: 1, Help: "how many refusals end it"},
		{Name: "expires", Type: Duration, Default: "30m", Help: "how long a yes counts"},
		{Name: "start_within", Type: Duration, Default: "0s", Help: "within what time of the last yes the run has to begin; 0s is any"},
	}
}

// approvals checks what a type does not say.
func (c *checker) approvals(n *yaml.Node, key string) {
	var a struct {
		Require []Approvers
		Not     []string
	}
	if n.Decode(&a) != nil {
		return // told of where its types are checked
	}
	for i, r := range a.Require {
		at := join(key, "require["+strconv.Itoa(i)+"]")
		if r.Approve < 0 {
			c.report(n, at+".approve", "is how many people, not %d", r.Approve)
		}
	}
	for _, word := range a.Not {
		switch word {
		case "requester", "on_behalf_of", "change.author", "change.driver":
		default:
			c.report(n, join(key, "not"), "has requester, on_behalf_of, change.author and change.driver, not %q", word)
		}
	}
}

// approvalsOf takes the list of the section from the strongest layer that has it.
func approvalsOf(v *viper.Viper, layers []layer) (a Approvals, err error) {
	a = Approvals{
		Not: v.GetStringSlice("approvals.not"), Deny: v.GetInt("approvals.deny"), Expires: v.GetDuration("approvals.expires"),
		StartWithin: v.GetDuration("approvals.start_within"),
	}
	return a, nested(layers, "approvals", "require", &a.Require)
}

// approvable refuses a demand that nobody could meet, once it is known who there is.
func (c *Config) approvable(layers []layer) error {
	for _, r := range c.Approvals.Require {
		member := func(in func(Person) []string, name string) bool {
			return name == "" || slices.ContainsFunc(c.Principals, func(p Person) bool { return p.Kind == "human" && slices.Contains(in(p), name) })
		}
		what := ""
		switch {
		case !member(func(p Person) []string { return p.Groups }, r.Group):
			what = fmt.Sprintf("names the group %q, which no person of principals is in: nobody could approve", r.Group)
		case c.OnCall.File == "" && !member(func(p Person) []string { return p.Roles }, r.Role):
			what = fmt.Sprintf("names the role %q, which no person of principals has, and no on_call.file gives: nobody could approve", r.Role)
		default:
			continue
		}
		for _, l := range layers {
			if k, n := child(l.node, "approvals"); n != nil {
				return &Error{Problems: []Problem{{File: l.file, Line: k.Line, Column: k.Column, Key: "approvals.require", Message: what}}}
			}
		}
	}
	return nil
}
