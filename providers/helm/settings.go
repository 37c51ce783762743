package helm

import (
	"cmp"
	"errors"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

const (
	defaultSoak    = 10 * time.Minute
	defaultHooks   = 5 * time.Minute
	defaultPending = 15 * time.Minute
)

type settings struct {
	kube.Scope   `yaml:",inline"`
	Driver       string            `yaml:"driver"`
	Services     map[string]string `yaml:"services"`
	Program      string            `yaml:"program"`
	MinSoak      time.Duration     `yaml:"min_soak"`
	PendingAfter time.Duration     `yaml:"pending_after"`
	HookTimeout  time.Duration     `yaml:"hook_timeout"`
}

// Where Helm keeps its records, by its own variable HELM_DRIVER.
const (
	inSecrets    = "secret"
	inConfigMaps = "configmap"
)

func fields() []providers.Field {
	return kube.Fields(nil, []providers.Field{
		{Name: "driver", Type: providers.FieldString, Default: inSecrets, Enum: []string{inSecrets, inConfigMaps}, Help: "where Helm keeps its records (HELM_DRIVER)"},
		{Name: "services", Type: providers.FieldMap, Help: "the service by namespace/release; default: the release's name"},
		{Name: "program", Type: providers.FieldString, Help: "the path of backout-helm; default: beside backout, then on PATH"},
		{Name: "min_soak", Type: providers.FieldDuration, Default: defaultSoak.String(), Help: "how long a revision must have served to count as known good"},
		{Name: "pending_after", Type: providers.FieldDuration, Default: defaultPending.String(), Help: "how old a pending operation must be, longer than any --timeout in use, before it may count as left by a client that is gone"},
		{Name: "hook_timeout", Type: providers.FieldDuration, Default: defaultHooks.String(), Help: "how long the hooks of a rollback may take together"},
	}...)
}

func (s *settings) check() error {
	for _, d := range []time.Duration{s.MinSoak, s.PendingAfter, s.HookTimeout} {
		if d < 0 {
			return errors.New("min_soak, pending_after and hook_timeout must not be negative")
		}
	}
	s.Driver = cmp.Or(s.Driver, inSecrets)
	if s.Driver != inSecrets && s.Driver != inConfigMaps {
		return errors.New("driver is secret or configmap; releases in a SQL database cannot be read")
	}
	s.MinSoak, s.PendingAfter = cmp.Or(s.MinSoak, defaultSoak), cmp.Or(s.PendingAfter, defaultPending)
	s.HookTimeout = cmp.Or(s.HookTimeout, defaultHooks)
	return nil
}
