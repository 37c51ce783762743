// Package session wires the rooms together for one process: providers, timeline, ranking, engine and record, for the
// console and for the commands alike. It decides nothing itself; it is what both ask, so that both say the same.
package session

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/config"
	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/policy/file"
	"github.com/backout-dev/backout/rollback/store"
	"github.com/backout-dev/backout/timeline"
)

// Options is what a session needs. Config, Registry, Now, Log and Principal are required.
type Options struct {
	Config    *config.Config
	Registry  *providers.Registry
	Dir       string // the working directory; a git work tree there is shown where nothing is configured
	StateDir  string
	CacheDir  string
	Database  string // a file, or the URL of a shared store; "" is backout.db in StateDir
	Password  string // of the shared store's role, "" is what its own sources say
	Executes  bool   // this process works on a run: it reads the record itself and never the copy of a shared one
	Cluster   bool   // there is a kubeconfig: its current context is shown where nothing is configured
	AuthSock  string // where the SSH agent listens, "" there is none
	File      string // an incident file to show instead of the providers
	Window    providers.Window
	Principal policy.Principal
	Now       func() time.Time
	Log       *slog.Logger
	// Spawn starts the process that executes a run. Nil: runs cannot be started from here.
	Spawn func(runID string) error
}

// Session is one open session. Its methods may be called concurrently.
type Session struct {
	opts      Options
	providers []providers.Provider
	reversers map[string]rollback.Reverser
	contents  map[string]providers.Contents
	types     map[string]string  // of the providers, by name
	problems  []providers.Health // of providers that could not be made
	Timeline  *timeline.Store
	Feed      *timeline.Feed
	DB        *store.DB
	rules     *file.Set // of the policy files; nil: there are none, or a confirmed run is carried out
	Engine    *rollback.Engine
	NoRecord  error // why the record cannot be written, and so nothing may be done; nil: it can
	Lost      error // why the record cannot be read either; DB is empty then
	NoPolicy  error // why the policy cannot be read, so that nothing but looking and stopping is allowed; nil: it can, or there is none

	mu       sync.Mutex
	state    cached
	waiting  waitingList
	people   people
	heard    heard
	ready    readiness
	runs     runList
	signals  signalCache
	cachedAt time.Time            // of what is shown from an earlier process
	keptAt   map[string]time.Time // when each provider answered an earlier process last
	past     history
	filed    filed
	games    games
	asks     asks
	feeds    feeds
	searched searched
	done     sync.WaitGroup
	signing  *signing // nil: what is written is not signed
	unsign   func()   // ends it
	keep     func()   // writes down what is known, at the end
	stop     context.CancelFunc
}

// Open makes the providers and opens the database. Nothing is read from outside before Start.
func Open(ctx context.Context, o Options) (*Session, error) {
	s := &Session{
		opts: o, reversers: map[string]rollback.Reverser{}, contents: map[string]providers.Contents{}, Timeline: timeline.New(o.Now), signing: newSigning(&o),
	}
	if err := s.openRecord(ctx); err != nil {
		return nil, err
	}
	if err := s.makeProviders(ctx); err != nil {
		return nil, errors.Join(err, s.DB.Close())
	}
	if !o.Executes { // what was confirmed goes on, whatever becomes of the policy meanwhile: no unit stays half switched for it
		s.rules, s.NoPolicy = Policies(o.Config.Policy)
	}
	cfg := rollback.Config{
		Store: s.DB, Reversers: s.reversers, Contents: s.contents, Symptoms: s, Checks: s.outsideChecks, CheckNames: s.outsideNames, Verifier: s, Now: o.Now, ReadOnly: o.Config.ReadOnly || s.NoRecord != nil, Tier: o.Config.Tier,
		DrillGuard: s, DrillMax: o.Config.Drills.Max, DrillGrace: o.Config.Drills.Grace, SliceOf: s.sliceOf,
		Criticality: s.criticality, OwnersOf: s.ownersOf, Proofs: proofRules(o.Config.Proofs), Probed: s.probed, Mentions: s.mentions,
		Hold: o.Config.Rollback.Hold, Deadline: o.Config.Rollback.Deadline, Poll: o.Config.Rollback.Poll, Cap: o.Config.Rollback.Cap,
		Needs: s.needs, Belongs: s.belongs, People: s.approvers, Prove: s.prove,
		Executor: executor(), HolderDead: holderDead, Log: o.Log,
	}
	switch {
	case s.NoPolicy != nil:
		cfg.Rules = noPolicy{s.NoPolicy}
	case s.rules != nil:
		cfg.Rules = s.rules
	}
	engine, err := rollback.New(cfg)
	if err != nil {
		return nil, errors.Join(err, s.DB.Close())
	}
	s.Engine = engine
	if err := s.readFiled(); err != nil {
		return nil, errors.Join(err, s.DB.Close())
	}
	s.startSigning(ctx)
	return s, nil
}

// Start begins to read the providers, after showing what was known last. It returns at once.
func (s *Session) Start(ctx context.Context) {
	s.recall()
	s.recallAlerts(ctx)
	lasting := context.WithoutCancel(ctx) // what is known is written down when ctx has ended
	s.keep = func() {
		s.remember()
		s.keepAlerts(lasting)
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.Timeline.SetTopology("configuration", s.catalogue(), s.declaredEdges())
	s.Feed = timeline.NewFeed(s.Timeline, timeline.FeedOptions{Window: s.backfill(), Now: s.opts.Now, Log: s.opts.Log})
	for _, p := range s.providers {
		s.Feed.Add(p)
	}
	s.done.Go(func() {
		if err := s.Feed.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.opts.Log.Error("feed ended", "error", err)
		}
	})
	s.done.Go(func() { s.follow(ctx) })
}

// backfill is the window that the providers are asked for: at least as far back as a ranking looks for candidates.
func (s *Session) backfill() providers.Window {
	w := s.opts.Window
	if day := s.opts.Now().Add(-lookBack); !w.Since.IsZero() && w.Since.After(day) {
		w.Since = day
	}
	return w
}

// Backfill waits until every provider answered or failed once, or ctx is done, and reads what was measured around the
// incident. It returns why those that did not answer did not, by name.
func (s *Session) Backfill(ctx context.Context) map[string]error {
	select {
	case <-s.Feed.Backfilled():
	case <-ctx.Done():
	}
	s.settle(ctx)
	s.Measure(ctx, "")
	missing := map[string]error{}
	answered := s.Feed.Answered()
	for _, p := range s.providers {
		err, ok := answered[p.Name()]
		switch {
		case !ok:
			missing[p.Name()] = errors.New("no answer yet")
		case err != nil:
			missing[p.Name()] = err
		}
	}
	for _, h := range s.problems {
		missing[h.Provider] = errors.New(h.Detail)
	}
	return missing
}

// Close stops reading, remembers what is known, and closes the database.
func (s *Session) Close() error {
	if s.stop != nil {
		s.stop()
		s.done.Wait()
		s.keep()
	}
	if s.unsign != nil {
		s.unsign()
	}
	return s.DB.Close()
}

// Health is every provider's health line, in the order of the configuration.
func (s *Session) Health() []providers.Health {
	var out []providers.Health
	if s.Feed != nil {
		out = s.Feed.Health()
	}
	return s.aged(s.recordAway(append(append(out, s.problems...), s.signingHealth()...)))
}

// Providers lists the providers that could be made.
func (s *Session) Providers() []providers.Provider { return s.providers }

// Type is the type of a provider.
func (s *Session) Type(name string) string { return s.types[name] }

// Reversers gives the providers that can take units back, by name.
func (s *Session) Reversers() map[string]rollback.Reverser { return s.reversers }

// Places are where the providers read and act, each once.
func (s *Session) Places() []string {
	var places []string
	for _, p := range s.providers {
		if at, ok := p.(providers.Placed); ok && at.Place() != "" && !slices.Contains(places, at.Place()) {
			places = append(places, at.Place())
		}
	}
	return places
}

// Link is the address of a page about a change or an alert, "" where its provider knows none.
func (s *Session) Link(provider, id string) string {
	for _, p := range s.providers {
		if l, ok := p.(providers.Linker); ok && p.Name() == provider {
			return l.Link(id)
		}
	}
	return ""
}
