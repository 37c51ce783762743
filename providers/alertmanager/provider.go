// Package alertmanager reads the alerts of a Prometheus Alertmanager, version 0.25 or later, over its API v2. It knows what
// fires and what is silenced, and by whom. The API drops an alert that is resolved, so absence is read with care: see decide.
package alertmanager

import (
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

const (
	defaultPoll      = 5 * time.Second
	defaultTolerance = time.Minute
	maxAlerts        = 200_000 // of one answer
	maxLabels        = 64      // of one alert
	maxSightings     = 10_000
)

type settings struct {
	httpapi.Settings `yaml:",inline"`
	Poll             time.Duration `yaml:"poll"`
	ServiceLabel     []string      `yaml:"service_label"`
	EnvironmentLabel []string      `yaml:"environment_label"`
	Filter           []string      `yaml:"filter"`
	ClockTolerance   time.Duration `yaml:"clock_tolerance"`
}

// Factory makes providers of type "alertmanager".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "alertmanager",
		Help: "alerts and silences of a Prometheus Alertmanager",
		Fields: append(httpapi.Fields("Alertmanager"),
			providers.Field{Name: "poll", Type: providers.FieldDuration, Default: defaultPoll.String(), Help: "how often to ask"},
			providers.Field{Name: "service_label", Type: providers.FieldStrings, Default: []string{"service", "job", "app"}, Help: "labels that name the service; the first that an alert has counts"},
			providers.Field{Name: "environment_label", Type: providers.FieldStrings, Default: []string{"environment", "env"}, Help: "labels that name the environment; the first that an alert has counts"},
			providers.Field{Name: "filter", Type: providers.FieldStrings, Help: `matchers that an alert must satisfy, such as severity=~"page|critical"`},
			providers.Field{Name: "clock_tolerance", Type: providers.FieldDuration, Default: defaultTolerance.String(), Help: "how far the clocks of Alertmanager and of what sends it alerts may be apart"},
		),
		New: build,
	}
}

// Provider is one Alertmanager. It is an AlertSource, a Watcher and tells AlertStates. It is safe for use by several
// goroutines.
type Provider struct {
	*providers.Vitals
	env    providers.Environment
	set    settings
	client *httpapi.Client

	mu        sync.Mutex
	known     time.Time           // start of the instance that AlertStates asked last
	sightings map[string]sighting // of the alerts that AlertStates was asked for
	silences  map[string]string
	asked     time.Time // when silences were read
}

func build(env providers.Environment, decode func(any) error) (providers.Provider, error) {
	var s settings
	if err := decode(&s); err != nil {
		return nil, err
	}
	if s.Poll == 0 {
		s.Poll = defaultPoll
	}
	if s.ClockTolerance == 0 {
		s.ClockTolerance = defaultTolerance
	}
	if s.Poll < 0 || s.ClockTolerance < 0 {
		return nil, errors.New("poll and clock_tolerance must not be negative")
	}
	if len(s.ServiceLabel) == 0 {
		s.ServiceLabel = []string{"service", "job", "app"}
	}
	if len(s.EnvironmentLabel) == 0 {
		s.EnvironmentLabel = []string{"environment", "env"}
	}
	vitals := providers.NewVitals(env.Name, env.Now, 0)
	client, err := httpapi.New(env, s.Settings, vitals)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", env.Name, err)
	}
	return &Provider{Vitals: vitals, env: env, set: s, client: client, sightings: map[string]sighting{}}, nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.env.Name }

// Close lets go of idle connections.
func (p *Provider) Close() error { return p.client.Close() }

// filter is the query for alerts; all asks for every alert, whatever the configured filter says.
func (p *Provider) filter(all bool) url.Values {
	if all {
		return nil
	}
	return url.Values{"filter": p.set.Filter}
}
