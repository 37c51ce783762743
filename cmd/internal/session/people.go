package session

import (
	"github.com/backout-dev/backout/cmd/internal/caller"
	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/rollback/approval"
	"github.com/backout-dev/backout/rollback/policy"
)

// People are the principals of the configuration.
func People(all []config.Person) caller.People {
	out := make(caller.People, len(all))
	for i, p := range all {
		out[i] = caller.Person{Name: p.Name, Kind: policy.PrincipalKind(p.Kind), Also: p.Also, Keys: p.Keys, Groups: p.Groups, Roles: p.Roles}
	}
	return out
}

// Member says what a principal belongs to now, by the configuration and by who is on call.
func (s *Session) Member(id string) caller.Membership {
	c := s.opts.Config
	return People(c.Principals).Member(id, caller.ReadRota(c.OnCall.File, c.OnCall.MaxAge), s.opts.Now())
}

// belongs is what the rules of a policy file may know of who acts.
func (s *Session) belongs(id string) (groups, roles []string) {
	m := s.Member(id)
	return m.Groups, m.Roles
}

// directory is who is one person, in a group and in a role now, as the configuration, whoever is on call and the policy files say.
func (s *Session) directory() approval.Directory {
	c := s.opts.Config
	d := approval.Directory{Groups: map[string][]string{}, Roles: map[string][]string{}}
	for _, p := range c.Principals {
		names := append(append([]string{p.Name}, p.Also...), p.Keys...)
		if p.Kind != string(policy.Human) {
			d.Machines = append(d.Machines, names...)
			continue
		}
		d.Aliases = append(d.Aliases, names)
		m := s.Member(p.Name)
		for _, g := range m.Groups {
			d.Groups[g] = append(d.Groups[g], p.Name)
		}
		for _, r := range m.Roles {
			d.Roles[r] = append(d.Roles[r], p.Name)
		}
	}
	if s.rules != nil {
		for _, p := range s.rules.Layers() {
			for g, names := range p.Groups {
				d.Groups[g] = append(d.Groups[g], names...)
			}
			for r, names := range p.Roles {
				d.Roles[r] = append(d.Roles[r], names...)
			}
		}
	}
	return d
}
