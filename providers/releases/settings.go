package releases

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

type settings struct {
	Host           string         `yaml:"host"`
	SSHArgs        []string       `yaml:"ssh_args"`
	ConnectTimeout time.Duration  `yaml:"connect_timeout"`
	Scope          string         `yaml:"scope"`
	MinSoak        time.Duration  `yaml:"min_soak"`
	Poll           time.Duration  `yaml:"poll"`
	Timeout        time.Duration  `yaml:"timeout"`
	Units          []unitSettings `yaml:"units"`
}

type unitSettings struct {
	Name     string          `yaml:"name"`
	Service  string          `yaml:"service"`
	Path     string          `yaml:"path"`
	Releases string          `yaml:"releases"`
	Current  string          `yaml:"current"`
	Reload   []string        `yaml:"reload"`
	Checks   []checkSettings `yaml:"checks"`
	MinSoak  time.Duration   `yaml:"min_soak"`
}

type checkSettings struct {
	Name         string        `yaml:"name"`
	HTTP         string        `yaml:"http"`
	TCP          string        `yaml:"tcp"`
	Command      []string      `yaml:"command"`
	ExpectStatus int           `yaml:"expect_status"`
	ExpectBody   string        `yaml:"expect_body"`
	Timeout      time.Duration `yaml:"timeout"`
}

func fields() []providers.Field {
	return []providers.Field{
		{Name: "host", Type: providers.FieldString, Help: "an ssh destination; empty or local is this host"},
		{Name: "ssh_args", Type: providers.FieldStrings, Help: "arguments for ssh, before the destination"},
		{Name: "connect_timeout", Type: providers.FieldDuration, Default: "10s", Help: "how long ssh may take to connect"},
		{Name: "scope", Type: providers.FieldString, Help: "the middle part of the units' ids; default local, or the host's name"},
		{Name: "min_soak", Type: providers.FieldDuration, Default: "10m", Help: "how long a release must have served to count as known good"},
		{Name: "poll", Type: providers.FieldDuration, Default: "1s", Help: "how often the links are looked at; 10s over ssh"},
		{Name: "timeout", Type: providers.FieldDuration, Default: "30s", Help: "how long one look at the host may take"},
		{Name: "units", Type: providers.FieldObjects, Required: true, Help: "what can be taken back on its own", Fields: []providers.Field{
			{Name: "name", Type: providers.FieldString, Required: true, Help: "the last part of the unit's id"},
			{Name: "service", Type: providers.FieldString, Help: "the service that it runs; default its name"},
			{Name: "path", Type: providers.FieldString, Required: true, Help: "the directory that holds the releases and the link"},
			{Name: "releases", Type: providers.FieldString, Default: "releases", Help: "the name of the directory of releases"},
			{Name: "current", Type: providers.FieldString, Default: "current", Help: "the name of the link"},
			{Name: "reload", Type: providers.FieldStrings, Help: "a program and its arguments, run in path after a switch; no shell"},
			{Name: "min_soak", Type: providers.FieldDuration, Help: "as above, for this unit"},
			{Name: "checks", Type: providers.FieldObjects, Help: "looks from outside at whether it serves", Fields: []providers.Field{
				{Name: "name", Type: providers.FieldString, Required: true},
				{Name: "http", Type: providers.FieldString, Help: "an address to GET, from this host"},
				{Name: "tcp", Type: providers.FieldString, Help: "host:port to connect to, from this host"},
				{Name: "command", Type: providers.FieldStrings, Help: "a program and its arguments, run in path on the unit's host; 0 passes"},
				{Name: "expect_status", Type: providers.FieldInt, Default: 200, Help: "the HTTP status that passes"},
				{Name: "expect_body", Type: providers.FieldString, Help: "text that the answer must hold"},
				{Name: "timeout", Type: providers.FieldDuration, Default: "5s"},
			}},
		}},
	}
}

func (s *settings) local() bool { return s.Host == "" || s.Host == "local" }

func (s *settings) check() error {
	// ssh takes a destination that begins with a dash for an option, and no destination holds a blank.
	if strings.HasPrefix(s.Host, "-") || strings.ContainsAny(s.Host, " \t\r\n\x00'\"$`\\;|&<>()") {
		return fmt.Errorf("host %q is not an ssh destination", s.Host)
	}
	if s.Scope == "" {
		s.Scope = "local"
		if !s.local() {
			_, host, found := strings.Cut(s.Host, "@")
			if !found {
				host = s.Host
			}
			s.Scope = strings.TrimPrefix(host, "ssh://")
		}
	}
	if strings.ContainsAny(s.Scope, "/:") {
		return fmt.Errorf("scope %q holds a slash or a colon: it is the middle of provider:scope/name", s.Scope)
	}
	s.defaults()
	if len(s.Units) == 0 {
		return errors.New("no units: name at least one with name and path")
	}
	seen := map[string]bool{}
	for i := range s.Units {
		if err := s.Units[i].check(s.local()); err != nil {
			return fmt.Errorf("unit %q: %w", s.Units[i].Name, err)
		}
		if seen[s.Units[i].Name] {
			return fmt.Errorf("unit %q is there twice", s.Units[i].Name)
		}
		seen[s.Units[i].Name] = true
	}
	return nil
}

func (s *settings) defaults() {
	s.MinSoak = cmp.Or(s.MinSoak, defaultSoak)
	s.Timeout = cmp.Or(s.Timeout, defaultTimeout)
	s.ConnectTimeout = max(cmp.Or(s.ConnectTimeout, 10*time.Second), time.Second)
	if s.local() {
		s.Poll = cmp.Or(s.Poll, defaultPoll)
	} else {
		s.Poll = cmp.Or(s.Poll, remotePoll)
	}
}

func (u *unitSettings) check(local bool) error {
	u.Releases, u.Current, u.Service = cmp.Or(u.Releases, "releases"), cmp.Or(u.Current, "current"), cmp.Or(u.Service, u.Name)
	switch {
	case u.Name == "" || u.Path == "":
		return errors.New("it needs name and path")
	case !plain(u.Releases) || !plain(u.Current) || u.Releases == u.Current:
		return fmt.Errorf("releases (%q) and current (%q) are two names inside path, without a slash", u.Releases, u.Current)
	case strings.ContainsRune(u.Path, 0):
		return errors.New("path holds a NUL character")
	case !local && !strings.HasPrefix(u.Path, "/"):
		return fmt.Errorf("path %q: over ssh it begins with a slash", u.Path)
	case strings.ContainsRune(strings.Join(u.Reload, ""), 0):
		return errors.New("reload holds a NUL character")
	case len(u.Reload) > 0 && u.Reload[0] == "":
		return errors.New("reload names no program")
	}
	for i := range u.Checks {
		if err := u.Checks[i].check(); err != nil {
			return fmt.Errorf("check %q: %w", u.Checks[i].Name, err)
		}
	}
	return nil
}

func (c *checkSettings) check() error {
	ways := 0
	for _, set := range []bool{c.HTTP != "", c.TCP != "", len(c.Command) > 0} {
		if set {
			ways++
		}
	}
	switch {
	case c.Name == "" || ways != 1:
		return errors.New("it needs a name and one of http, tcp and command")
	case len(c.Command) > 0 && (c.Command[0] == "" || strings.ContainsRune(strings.Join(c.Command, ""), 0)):
		return errors.New("command names no program, or holds a NUL character")
	}
	c.ExpectStatus, c.Timeout = cmp.Or(c.ExpectStatus, 200), cmp.Or(c.Timeout, 5*time.Second)
	return nil
}

func (u *unitSettings) unit(env providers.Environment, s settings) *unit {
	base := u.Path
	if s.local() && !filepath.IsAbs(base) {
		base = filepath.Join(env.Dir, base)
	}
	out := &unit{
		id:   rollback.UnitID(env.Name + ":" + s.Scope + "/" + u.Name),
		name: u.Name, service: u.Service, base: strings.TrimRight(base, "/"), releases: u.Releases, current: u.Current,
		reload: u.Reload, soak: cmp.Or(u.MinSoak, s.MinSoak),
	}
	for _, c := range u.Checks {
		out.checks = append(out.checks, check(c))
	}
	return out
}

func plain(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}
