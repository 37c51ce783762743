// Package unleash reads the feature flags of an Unleash server, version 7 or later, over its admin API: who changed which flag
// where, from the server's event log, and each flag in each environment as a unit that goes back. Unleash takes no condition with
// a change, so nothing here is atomic: it looks right before and right after, and says what it cannot rule out.
package unleash

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

const (
	defaultPoll        = 10 * time.Second
	defaultSoak        = 10 * time.Minute
	defaultPropagation = 15 * time.Second // how often Unleash's SDKs ask, where nobody told them otherwise
)

type settings struct {
	httpapi.Settings `yaml:",inline"`
	Poll             time.Duration  `yaml:"poll"`
	Projects         []string       `yaml:"projects"`
	Environments     []string       `yaml:"environments"`
	Services         map[string]any `yaml:"services"`
	MinSoak          time.Duration  `yaml:"min_soak"`
	Propagation      time.Duration  `yaml:"propagation"`
	Clients          []client       `yaml:"clients"`
}

// client is where the SDKs of one environment ask, and as whom.
type client struct {
	Environment string `yaml:"environment"`
	URL         string `yaml:"url"`
	Token       string `yaml:"token"`
}

// Factory makes providers of type "unleash".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "unleash",
		Help: "feature flags of an Unleash server: who changed them, and the way back",
		Fields: append(httpapi.Fields("Unleash"),
			providers.Field{Name: "poll", Type: providers.FieldDuration, Default: defaultPoll.String(), Help: "how often to ask for new events"},
			providers.Field{Name: "projects", Type: providers.FieldStrings, Help: "the projects to look at; none: all that the token may see"},
			providers.Field{Name: "environments", Type: providers.FieldStrings, Help: "the environments to look at, as Unleash names them; none: all"},
			providers.Field{Name: "services", Type: providers.FieldMap, Help: "flag pattern to service, such as checkout-*: checkout; the longest pattern that fits counts"},
			providers.Field{Name: "min_soak", Type: providers.FieldDuration, Default: defaultSoak.String(), Help: "how long a configuration must have stood to be known good"},
			providers.Field{Name: "propagation", Type: providers.FieldDuration, Default: defaultPropagation.String(), Help: "how long SDKs may go on with what they know: they ask that often"},
			providers.Field{Name: "clients", Type: providers.FieldObjects, Help: "what SDKs see is looked at too, with a token of theirs", Fields: []providers.Field{
				{Name: "environment", Type: providers.FieldString, Required: true, Help: "the environment that the token is for"},
				{Name: "url", Type: providers.FieldString, Help: "where SDKs ask, where that is not the server itself, such as an Unleash Edge"},
				{Name: "token", Type: providers.FieldSecret, Required: true, Help: "a backend (client) token; it only reads"},
			}},
		),
		New: build,
	}
}

// Provider is one Unleash server. It is a ChangeSource, a Watcher, a Linker and a rollback.Reverser. It is safe for use by
// several goroutines.
type Provider struct {
	*providers.Vitals
	env     providers.Environment
	set     settings
	api     *httpapi.Client
	clients map[string]*httpapi.Client // by environment
	acting  chan struct{}              // held by whoever applies: of several in this process one after the other

	mu       sync.Mutex
	projects map[string]string // of flags that were seen
}

func build(env providers.Environment, decode func(any) error) (providers.Provider, error) {
	s := settings{Poll: defaultPoll, MinSoak: defaultSoak, Propagation: defaultPropagation}
	if err := decode(&s); err != nil {
		return nil, err
	}
	if s.Poll <= 0 || s.MinSoak < 0 || s.Propagation < 0 {
		return nil, errors.New("poll must be more than nothing, min_soak and propagation not negative")
	}
	for pattern, service := range s.Services {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("services: %q is no pattern: %w", pattern, err)
		}
		if _, ok := service.(string); !ok {
			return nil, fmt.Errorf("services: %q needs the name of a service", pattern)
		}
	}
	p := &Provider{
		Vitals: providers.NewVitals(env.Name, env.Now, 0), env: env, set: s, clients: map[string]*httpapi.Client{},
		acting: make(chan struct{}, 1), projects: map[string]string{},
	}
	var err error
	if p.api, err = httpapi.New(env, s.Settings, p.Vitals); err != nil {
		return nil, fmt.Errorf("provider %s: %w", env.Name, err)
	}
	for _, c := range s.Clients {
		if p.clients[c.Environment] != nil {
			return nil, fmt.Errorf("clients: the environment %s stands there twice", c.Environment)
		}
		set := httpapi.Settings{URL: cmp.Or(c.URL, s.URL), BearerToken: c.Token, CAFile: s.CAFile, Timeout: s.Timeout}
		if p.clients[c.Environment], err = httpapi.New(env, set, p.Vitals); err != nil {
			return nil, fmt.Errorf("provider %s: clients: %w", env.Name, err)
		}
	}
	return p, nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.env.Name }

// Close lets go of idle connections.
func (p *Provider) Close() error {
	err := p.api.Close()
	for _, c := range p.clients {
		err = errors.Join(err, c.Close())
	}
	return err
}

// service finds the service that a flag belongs to, "" where no pattern fits.
func (p *Provider) service(flag string) string {
	best := ""
	for pattern := range p.set.Services {
		if fits, _ := path.Match(pattern, flag); fits && (len(pattern) > len(best) || len(pattern) == len(best) && pattern < best) {
			best = pattern
		}
	}
	name, _ := p.set.Services[best].(string)
	return providers.Clean(name)
}

func (p *Provider) wants(project, environment string) bool {
	return (len(p.set.Projects) == 0 || slices.Contains(p.set.Projects, project)) &&
		(environment == "" || len(p.set.Environments) == 0 || slices.Contains(p.set.Environments, environment))
}

// named is what Unleash lets a flag, a project or an environment be called: nothing that means something in an address.
var named = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,199}$`)
