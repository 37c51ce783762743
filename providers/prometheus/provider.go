// Package prometheus reads a Prometheus server over its HTTP API v1: the history of alerts from the series ALERTS, series
// before and after a change as signals, and thresholds for verification. It needs no Alertmanager.
package prometheus

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

const (
	defaultLookback = 24 * time.Hour
	signalLookback  = 2 * time.Hour
	maxSeries       = 10_000 // of one answer
	maxSignals      = 200    // series of one configured signal
	signalPoints    = 500
)

type settings struct {
	httpapi.Settings `yaml:",inline"`
	ServiceLabel     []string            `yaml:"service_label"`
	EnvironmentLabel []string            `yaml:"environment_label"`
	Lookback         time.Duration       `yaml:"lookback"`
	Signals          []signalSettings    `yaml:"signals"`
	Thresholds       []thresholdSettings `yaml:"thresholds"`
}

type signalSettings struct {
	Name         string `yaml:"name"`
	Service      string `yaml:"service"`
	ServiceLabel string `yaml:"service_label"`
	Query        string `yaml:"query"`
}

type thresholdSettings struct {
	Name    string   `yaml:"name"`
	Service string   `yaml:"service"`
	Query   string   `yaml:"query"`
	Max     *float64 `yaml:"max"`
	Min     *float64 `yaml:"min"`
}

// Factory makes providers of type "prometheus".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "prometheus",
		Help: "alert history, signals and thresholds of a Prometheus server",
		Fields: append(httpapi.Fields("Prometheus"),
			providers.Field{Name: "service_label", Type: providers.FieldStrings, Default: []string{"service", "job", "app"}, Help: "labels that name the service of an alert; the first that it has counts"},
			providers.Field{Name: "environment_label", Type: providers.FieldStrings, Default: []string{"environment", "env"}, Help: "labels that name the environment; the first that an alert has counts"},
			providers.Field{Name: "lookback", Type: providers.FieldDuration, Default: defaultLookback.String(), Help: "how far back alerts are read where no window says so"},
			providers.Field{Name: "signals", Type: providers.FieldObjects, Help: "series to show beside changes and to rank with", Fields: []providers.Field{
				{Name: "name", Type: providers.FieldString, Required: true, Help: "such as error_ratio, latency_seconds or requests_per_second"},
				{Name: "service", Type: providers.FieldString, Help: "the service that all of its series belong to"},
				{Name: "service_label", Type: providers.FieldString, Help: "or the label of a series that names its service"},
				{Name: "query", Type: providers.FieldString, Required: true, Help: "PromQL"},
			}},
			providers.Field{Name: "thresholds", Type: providers.FieldObjects, Help: "what must hold for a service to be well again", Fields: []providers.Field{
				{Name: "name", Type: providers.FieldString, Required: true, Help: "name of the check"},
				{Name: "service", Type: providers.FieldString, Required: true, Help: "the service that it is about"},
				{Name: "query", Type: providers.FieldString, Required: true, Help: "PromQL; every series of the answer must hold, and there must be one"},
				{Name: "max", Type: providers.FieldFloat, Help: "largest good value"},
				{Name: "min", Type: providers.FieldFloat, Help: "smallest good value"},
			}},
		),
		New: build,
	}
}

// Provider is one Prometheus server. It is an AlertSource, a SignalSource, a CheckSource and tells AlertStates. It is safe
// for use by several goroutines.
type Provider struct {
	*providers.Vitals
	env    providers.Environment
	set    settings
	client *httpapi.Client
}

func build(env providers.Environment, decode func(any) error) (providers.Provider, error) {
	var s settings
	if err := decode(&s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("provider %s: %w", env.Name, err)
	}
	vitals := providers.NewVitals(env.Name, env.Now, 0)
	client, err := httpapi.New(env, s.Settings, vitals)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", env.Name, err)
	}
	return &Provider{Vitals: vitals, env: env, set: s, client: client}, nil
}

func (s *settings) check() error {
	if s.Lookback < 0 {
		return errors.New("lookback must not be negative")
	}
	if s.Lookback == 0 {
		s.Lookback = defaultLookback
	}
	if len(s.ServiceLabel) == 0 {
		s.ServiceLabel = []string{"service", "job", "app"}
	}
	if len(s.EnvironmentLabel) == 0 {
		s.EnvironmentLabel = []string{"environment", "env"}
	}
	for i, g := range s.Signals {
		switch {
		case g.Name == "" || g.Query == "":
			return fmt.Errorf("signals: number %d needs name and query", i+1)
		case (g.Service == "") == (g.ServiceLabel == ""):
			return fmt.Errorf("signals: %s: give service or service_label, and not both", g.Name)
		}
	}
	for i, th := range s.Thresholds {
		switch {
		case th.Name == "" || th.Query == "" || th.Service == "":
			return fmt.Errorf("thresholds: number %d needs name, service and query", i+1)
		case th.Max == nil && th.Min == nil:
			return fmt.Errorf("thresholds: %s: give max or min", th.Name)
		}
	}
	return nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.env.Name }

// Close lets go of idle connections.
func (p *Provider) Close() error { return p.client.Close() }

// page is the address of the server's own page.
func (p *Provider) page(path string) string { return strings.TrimRight(p.set.URL, "/") + path }
