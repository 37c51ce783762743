// Package demo makes the world that backout demo opens: a small shop that really runs on this machine, with a git
// repository, releases, customers, and a bad thing that happens to it. Nothing of it is recorded or made up at the
// console: what breaks breaks, and what cures cures.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/backout-dev/backout/cmd/internal/demo/shop"
)

// Options say which world to make. Self is required.
type Options struct {
	Dir      string           // a directory that is not there yet or is empty; "" makes one
	Keep     bool             // leave the directory at Close
	Scenario string           // one of Scenarios; "" is Default
	GameDay  string           // one of GameDays in its place: the shop stays well until somebody conducts it
	Self     string           // the executable that runs [Child] under [ChildCommand]
	Now      func() time.Time // nil is time.Now
	Say      func(string)     // what is being done while a cluster is brought up; nil: nobody hears it
	Progress *os.File         // where its builds show how far they are; nil: nowhere
}

// World is one shop. Its methods may be called from several goroutines; those that act wait for each other.
type World struct {
	dir      string
	made     bool // the directory was made here, so that it goes as a whole
	keep     bool
	self     string // the executable that the game day's programs are
	now      func() time.Time
	scenario scenario
	repo     *repository
	host     *host
	cluster  *cluster // in the place of host where the scenario is one of a cluster
	switcher string   // the token of whoever switches flags, where there are any
	sweeper  *child   // nil where the directory is kept
	spawn    *spawner

	mu       sync.Mutex
	children []*child
	broken   time.Time
	truth    Truth
	closed   bool
}

// Truth is what really happened. The zero value: nothing has yet.
type Truth struct {
	Happened bool
	Commit   string   // the commit to blame, "" if no change is
	Title    string   // its title
	Services []string // whose release has to go back, all of them, in this order
	Cause    string   // in plain words
}

// New makes the directory, the repository with its history, and the releases that were cut from it. Nothing runs yet.
// What was made is removed again if it returns an error.
func New(ctx context.Context, o Options) (*World, error) {
	s, err := scenarioOf(o.Scenario)
	if o.GameDay != "" {
		s, err = gameDayOf(o.GameDay)
	}
	if err != nil {
		return nil, err
	}
	if o.Self == "" {
		return nil, errors.New("the demo was not told which executable to run its services from")
	}
	w := &World{scenario: s, keep: o.Keep, now: o.Now, self: o.Self}
	if w.now == nil {
		w.now = time.Now
	}
	if s.clustered {
		if w.cluster, err = newCluster(o); err != nil {
			return nil, err
		}
	}
	if err := w.makeDir(o.Dir); err != nil {
		return nil, err
	}
	if err := w.sweepAfterwards(ctx, o.Self); err != nil {
		return nil, errors.Join(err, w.remove())
	}
	if err := w.build(ctx); err != nil {
		return nil, errors.Join(err, w.remove())
	}
	w.spawn = newSpawner(o.Self, filepath.Join(w.dir, "log"))
	return w, nil
}

// build writes the history and the releases.
func (w *World) build(ctx context.Context) error {
	for _, d := range []string{"log", "state", "cache"} {
		if err := os.Mkdir(filepath.Join(w.dir, d), 0o700); err != nil {
			return fmt.Errorf("make the demo's directory: %w", err)
		}
	}
	repo, err := newRepository(ctx, filepath.Join(w.dir, "repo"))
	if err != nil {
		return err
	}
	w.repo, w.host = repo, &host{dir: filepath.Join(w.dir, "shop")}
	if w.cluster != nil {
		w.cluster.dir = w.dir
	}
	now := w.now().UTC()
	keys := map[string]string{}
	for _, l := range w.scenario.history() {
		at := now.Add(-l.age - w.scenario.quiet)
		hash, err := repo.land(ctx, l, at, keys[l.reverts])
		if err != nil {
			return err
		}
		keys[l.key] = hash
		for i, service := range l.releases {
			// A release goes live a minute and a half after it landed, one service after the other.
			live := at.Add(90*time.Second + time.Duration(i)*20*time.Second)
			if err := w.migrate(ctx, repo, service, live.Add(-5*time.Second)); err != nil {
				return err
			}
			if err := w.ground().release(ctx, repo, service, l, live); err != nil {
				return w.linkHint(err)
			}
		}
	}
	if err := w.stage(ctx, now); err != nil {
		return err
	}
	if err := w.writeFlags(now); err != nil {
		return err
	}
	return repo.checkout(ctx)
}

// ground is what the shop's services are released to.
type ground interface {
	release(ctx context.Context, r *repository, service string, l landing, at time.Time) error
}

func (w *World) ground() ground {
	if w.cluster != nil {
		return w.cluster
	}
	return w.host
}

func (w *World) linkHint(err error) error {
	if runtime.GOOS == "windows" {
		return fmt.Errorf("%w (the demo switches symbolic links: turn on Windows developer mode, or run it in WSL)", err)
	}
	return err
}

// Start starts the shop and its customers, writes the configuration, and returns once every request is answered well.
// After an error, Close ends what was started.
func (w *World) Start(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.children) > 0 {
		return errors.New("start the shop: it was started or closed before")
	}
	start := w.startHere
	if w.cluster != nil {
		start = w.startCluster
	}
	if err := start(ctx); err != nil {
		return err
	}
	if err := writeConfig(w.ConfigPath(), w.scenario, w.addr); err != nil {
		return err
	}
	if err := w.writeGameDay(); err != nil {
		return err
	}
	return w.add(ctx, &child{name: loadName, args: []string{"load", "--upstream", shop.Storefront + "=" + w.addr(shop.Storefront)}})
}

// loadName is the child that is the customers.
const loadName = "load"

// startHere starts the services as processes of this one, and returns once all is well.
func (w *World) startHere(ctx context.Context) error {
	more, err := w.startGameDay(ctx)
	if err != nil {
		return err
	}
	if more[shop.Orders], err = w.startFlags(ctx); err != nil {
		return err
	}
	for _, c := range []struct {
		name string
		asks []string
	}{
		{shop.PriceDB, nil},
		{shop.Login, nil},
		{shop.Pricing, []string{shop.PriceDB}},
		{shop.Orders, []string{shop.Pricing}},
		{shop.Storefront, []string{shop.Login, shop.Pricing, shop.Orders}},
	} {
		args := []string{"service", "--name", c.name, "--dir", w.host.service(c.name)}
		for _, up := range c.asks {
			args = append(args, "--upstream", up+"="+w.addr(up))
		}
		args = append(args, more[c.name]...)
		if err := w.add(ctx, &child{name: c.name, args: args}); err != nil {
			return err
		}
	}
	if ok, why := well(ctx, units(w.addr)); !ok {
		return fmt.Errorf("start the shop: it is not well: %s", why)
	}
	return nil
}

// startCluster brings the cluster up with the shop in it, and returns once all is well.
func (w *World) startCluster(ctx context.Context) error {
	err := w.cluster.start(ctx, w.spawn)
	if w.cluster.up != nil {
		w.children = append(w.children, w.cluster.up)
	}
	if err != nil {
		return err
	}
	if err := w.cluster.deployAll(ctx); err != nil {
		return err
	}
	why := ""
	err = w.cluster.until(ctx, "all requests succeed", func() (ok bool, _ error) {
		ok, why = well(ctx, units(w.addr))
		return ok, nil
	})
	if err != nil {
		return fmt.Errorf("start the shop: %w: %s", err, why)
	}
	return nil
}

func (w *World) add(ctx context.Context, c *child) error {
	if err := w.spawn.start(ctx, c, "127.0.0.1:0"); err != nil {
		return err
	}
	w.children = append(w.children, c)
	return nil
}

// addr is where a service or the customers can be reached; "" where there is none.
func (w *World) addr(name string) string {
	if w.cluster != nil && name != loadName {
		return w.cluster.addr(name)
	}
	if c := w.child(name); c != nil {
		return c.addr
	}
	return ""
}

func (w *World) child(name string) *child {
	if i := slices.IndexFunc(w.children, func(c *child) bool { return c.name == name }); i >= 0 {
		return w.children[i]
	}
	return nil
}

// Close ends the shop and removes its directory unless it is to be kept. Closing again does nothing.
func (w *World) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	for _, c := range w.children {
		_ = c.stdin.Close() // all of them first, so that they end at the same time
	}
	for _, c := range w.children {
		c.stop()
	}
	w.spawn.close()
	if w.keep {
		return nil
	}
	return w.remove()
}

// Dir is the world's directory.
func (w *World) Dir() string { return w.dir }

// ConfigPath is the configuration that a console opens the shop with; it is there after Start.
func (w *World) ConfigPath() string { return filepath.Join(w.dir, "backout.yaml") }

// Env are the settings that keep everything a console writes within the world's directory.
func (w *World) Env() []string {
	return []string{
		"BACKOUT_STATE_DIR=" + filepath.Join(w.dir, "state"),
		"BACKOUT_CACHE_DIR=" + filepath.Join(w.dir, "cache"),
	}
}
