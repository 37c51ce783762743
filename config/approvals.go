package config

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Approvals is the section approvals: whose yes a rollback waits for, and who people are.
type Approvals struct {
	Require     []Approvers
	Not         []string
	Deny        int
	Expires     time.Duration // a yes is too old after that
	StartWithin time.Duration // the run has to begin within that of the last yes; 0 is any time
	Groups      map[string][]string
	Roles       map[string][]string
	People      map[string][]string // the names of one person each
	Machines    []string
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
		{Name: "groups", Type: Lists, Help: "the members of groups: {sre: [ana@example.com, bob@example.com]}"},
		{Name: "roles", Type: Lists, Help: "who holds a role: {incident-commander: [ana@example.com]}"},
		{Name: "people", Type: Lists, Help: "the names of one person, as repositories and systems have them: {ana: [ana@example.com, Ana Example]}"},
		{Name: "machines", Type: Strings, Help: "names of automations and AI agents: their keys never approve"},
	}
}

// approvals checks what a type does not say.
func (c *checker) approvals(n *yaml.Node, key string) {
	var a struct {
		Require []Approvers
		Not     []string
		Groups  map[string][]string
		Roles   map[string][]string
	}
	if n.Decode(&a) != nil {
		return // told of where its types are checked
	}
	for i, r := range a.Require {
		at := join(key, "require["+strconv.Itoa(i)+"]")
		if r.Approve < 0 {
			c.report(n, at+".approve", "is how many people, not %d", r.Approve)
		}
		if _, ok := a.Groups[r.Group]; r.Group != "" && !ok {
			c.report(n, at+".group", "names the group %q, which approvals.groups does not have: nobody could approve", r.Group)
		}
		if _, ok := a.Roles[r.Role]; r.Role != "" && !ok {
			c.report(n, at+".role", "names the role %q, which approvals.roles does not have: nobody could approve", r.Role)
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

// approvalsOf takes each list of the section from the strongest layer that has it.
func approvalsOf(v *viper.Viper, layers []layer) (a Approvals, err error) {
	a = Approvals{
		Not: v.GetStringSlice("approvals.not"), Deny: v.GetInt("approvals.deny"), Expires: v.GetDuration("approvals.expires"),
		StartWithin: v.GetDuration("approvals.start_within"), Machines: v.GetStringSlice("approvals.machines"),
	}
	for name, into := range map[string]any{"require": &a.Require, "groups": &a.Groups, "roles": &a.Roles, "people": &a.People} {
		err = errors.Join(err, nested(layers, "approvals", name, into))
	}
	return a, err
}
