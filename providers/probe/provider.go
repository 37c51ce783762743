package probe

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
)

const (
	maxAtOnce = 16 // attempts under way
	idTime    = "2006-01-02T15:04:05.000Z"
)

// Provider is a list of checks. It asks only while somebody watches it, or asks it. It is a Watcher, an AlertSource of what
// every process saw that shares its archive, a SignalSource, a CheckSource, and tells AlertStates. It is safe for use by
// several goroutines; however many of them want to know, a check is asked once in its interval.
type Provider struct {
	*providers.Vitals
	env    providers.Environment
	ask    *asker
	slots  chan struct{}
	checks []*check

	shelf                    sync.Mutex // held over the archive's I/O for what was measured; taken after book and before mu
	kept                     uint64     // measured, when it was last written
	unreadCalls, unkeptCalls bool       // the log says so

	book sync.Mutex // held while an alert opens or ends, also over the archive's I/O; taken before mu

	mu       sync.Mutex // for what the checks know, and for the rest
	measured uint64     // attempts that came to an end
	watchers map[*watcher]bool
	halt     func() // ends the attempts that run for the watchers
}

// check is one configured check with what is known of it. It is guarded by Provider.mu, except for set.
type check struct {
	set    checkSettings
	streak streak
	alert  *providers.Alert  // while one is open
	seen   bool              // this process saw the check fail while alert was open
	ended  []providers.Alert // oldest first
	read   bool              // the archive was read
	series ring

	last     outcome       // of the newest attempt
	good     int           // successes in a row up to it
	outcomes int           // attempts that came to an end
	asking   bool          // one is under way
	began    time.Time     // when it, or the last one, began
	news     chan struct{} // closed with the end of the next
}

func build(env providers.Environment, decode func(any) error) (providers.Provider, error) {
	var s settings
	if err := decode(&s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("provider %s: %w", env.Name, err)
	}
	trust, err := httpapi.TLS(s.CAFile, env.Dir)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", env.Name, err)
	}
	p := &Provider{
		Vitals: providers.NewVitals(env.Name, env.Now, 0), env: env, ask: newAsker(trust, env.Now),
		slots: make(chan struct{}, maxAtOnce), watchers: map[*watcher]bool{},
	}
	for _, c := range s.Checks {
		if c.Environment == "" {
			c.Environment = env.Environment
		}
		p.checks = append(p.checks, &check{set: c, news: make(chan struct{})})
	}
	return p, nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.env.Name }

// find gives the check that an alert id belongs to. An id is the check's name, "@", and when the alert began, so that
// another process, which never saw the alert, knows what to ask.
func (p *Provider) find(id string) *check {
	name := id
	if i := strings.LastIndexByte(id, '@'); i >= 0 {
		name = id[:i]
	}
	for _, c := range p.checks {
		if c.set.Name == name {
			return c
		}
	}
	return nil
}

// opened makes the alert of a check that opened since.
func (p *Provider) opened(c *check, since time.Time, last outcome) *providers.Alert {
	a := &providers.Alert{
		ID:          c.set.Name + "@" + since.UTC().Format(idTime),
		Provider:    p.env.Name,
		Name:        c.set.Name,
		Service:     c.set.Service,
		Environment: c.set.Environment,
		Severity:    c.set.Severity,
		Summary:     fmt.Sprintf("%s, %d times in a row", last.seen, c.set.FailAfter),
		Labels:      map[string]string{"check": c.set.Name, "target": c.set.HTTP + c.set.TCP},
		StartsAt:    since,
		URL:         c.set.HTTP,
		State:       providers.AlertFiring,
	}
	providers.CleanAlert(a)
	return a
}
