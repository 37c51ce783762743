// Package config is the typed configuration: defaults, files, contexts, environment and flags, where each value came
// from, and errors that name file, line and the nearest valid key. It knows no provider; their settings are handed in.
package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// Config is the configuration after all sources were merged. It is read-only after Load.
type Config struct {
	Context     string
	Environment string
	Region      string
	ReadOnly    bool
	Tiers       map[string]string
	Since       time.Duration
	StateDir    string
	CacheDir    string
	Store       Store
	LogLevel    string
	Identity    Identity
	Principals  []Person
	OnCall      OnCall
	TUI         TUI
	Rollback    Rollback
	Proofs      Proofs
	Ledger      Ledger
	Policy      Policy
	Drills      Drills
	Approvals   Approvals
	Security    Security
	Services    []Service
	Edges       []Edge
	Verify      []Verify
	GameDays    []GameDay
	Providers   []Provider
	Files       []string // that were read, the strongest first
	values      []Value
}

// TUI holds the console's settings.
type TUI struct {
	TimeZone   string
	ASCII      bool
	Color      string
	SyncOutput string
}

// Rollback holds how a run is verified.
type Rollback struct {
	Hold, Deadline, Poll time.Duration
	Cap                  int
}

// Proofs holds how long a proof counts, by the tier of what depends on it.
type Proofs struct {
	Tier1, Tier2, Tier3 time.Duration
	Deployments         int
	Rotation            []string
	Probe               Probe
	TwoPeople           bool
	Owners              map[string][]string // the people behind an owner's name
}

// Security names the files of advisories that a target is compared with: OSV, the catalogue of CISA, or a list of one's own.
type Security struct {
	Advisories []string
}

// Probe says which units' plans are looked at all the time, how often each, and how many a minute at most.
type Probe struct {
	Units []string // ids, or patterns of them
	Every time.Duration
	Rate  int
}

// Matches reports whether a unit's id is one of those named. In a pattern * stands for any text and ? for any one character.
func (p Probe) Matches(unit string) bool {
	return slices.ContainsFunc(p.Units, func(pattern string) bool { return pattern != "" && like(pattern, unit) })
}

// Service is one entry of the catalogue.
type Service struct {
	Name        string
	Tier        string
	Owner       string
	Environment string
	DependsOn   []string `yaml:"depends_on"`
}

// Edge is one declared edge.
type Edge struct{ From, To, Kind, Evidence string }

// Provider is one configured provider.
type Provider struct {
	Name, Type string
	File       string
	Line       int
	Dir        string // that relative paths in its settings are relative to
	context    bool   // stands in the context's section
	settings   *yaml.Node
	fields     []Field
}

// Decode fills into (yaml tags) from the provider's settings, secrets resolved. A setting that into does not know is an
// error.
func (p *Provider) Decode(ctx context.Context, into any) error {
	n, err := resolveSecrets(ctx, p.settings, p.fields, p.Dir)
	if err != nil {
		line := p.Line
		var at *secretError
		if errors.As(err, &at) {
			line = at.line
		}
		return fmt.Errorf("%s:%d: provider %s: %w", p.File, line, p.Name, err)
	}
	if err := decodeStrict(n, into); err != nil {
		return fmt.Errorf("%s:%d: provider %s: %w", p.File, p.Line, p.Name, err)
	}
	return nil
}

// NewProvider is a provider that no file names, with settings given as a map.
func NewProvider(name, typ, dir string, schema ProviderSchema, settings map[string]any) (Provider, error) {
	var n yaml.Node
	if err := n.Encode(settings); err != nil {
		return Provider{}, fmt.Errorf("settings of provider %s: %w", name, err)
	}
	return Provider{Name: name, Type: typ, File: "(built in)", Dir: dir, settings: &n, fields: schema.Fields}, nil
}

// Tier is the tier of an environment: as configured, else prod for anything that is not plainly something else, because
// a mistake there is the costly one.
func (c *Config) Tier(environment string) string {
	if t, ok := c.Tiers[environment]; ok {
		return t
	}
	switch environment {
	case "dev", "development", "local", "test":
		return "dev"
	case "staging", "stage", "qa", "preprod", "uat":
		return "staging"
	default:
		return "prod"
	}
}
