package rollback

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback/proof"
)

const lookers = 8 // units that are observed at once

// world is what one plan was made from: every unit of the environment as it was seen at one time, what other runs hold,
// and what backout took back before.
type world struct {
	units   []Unit
	listErr error // some units could not be listed
	obs     map[UnitID]Observation
	errs    map[UnitID]error
	claims  map[UnitID]string            // unit → unfinished run
	left    map[UnitID]map[string]string // unit → digests that backout rolled it back from → the run that did
	undo    *Run                         // the run that is to be undone
	fixed   map[UnitID]string            // where units go, when a plan is judged once more
	changes []providers.Change
	edges   []providers.Edge
	facts   []providers.Service
	unread  []string       // declarations that could not be read
	proofs  []proof.Record // what runs have shown of units; a plan is compared with them
	probes  map[UnitID]proof.Probe

	advisories []Advisory
	mentioned  mentions              // looks into the files of commits; nil: nobody can
	did        map[UnitID][]switched // what backout switched
	now        time.Time
	tied       func(Observation, Revision) ([]Tie, error) // asks a unit's provider; nil: nobody is asked
	asks       *asking                                    // reads what repositories hold; nil: nobody can
	wanted     map[UnitID]string                          // where units have to go because others do, by digest
	order      [][2]UnitID                                // the first before the second, in whatever direction they go
}

// look observes the units that live in the environment of one of those asked for; all of them bear on the rules.
func (e *Engine) look(ctx context.Context, req Request, primary []UnitID, units []Unit, listErr error) (*world, error) {
	w := newWorld(req, units, listErr)
	e.attach(ctx, w)
	w.obs, w.errs = e.observeAll(ctx, w.near(primary))
	return w, e.remember(ctx, w)
}

// attach gives a world whom to ask, within ctx.
func (e *Engine) attach(ctx context.Context, w *world) {
	w.tied = func(o Observation, to Revision) ([]Tie, error) { return e.ties(ctx, o, to) }
	w.mentioned = e.mentioned(ctx)
	w.asks = &asking{ctx, e.passages, passageLimit}
}

// remember adds what is on the record: what runs did and hold, and what they have shown.
func (e *Engine) remember(ctx context.Context, w *world) error {
	if err := e.journaled(ctx, w); err != nil {
		return err
	}
	var err error
	if w.proofs, err = e.Proofs(ctx); err != nil {
		return err
	}
	w.probes, err = e.Probes(ctx)
	return err
}

func newWorld(req Request, units []Unit, listErr error) *world {
	return &world{
		units: units, listErr: listErr, changes: req.Context, edges: req.Edges, facts: req.Services, unread: req.Unread, advisories: req.Advisories,
		obs: map[UnitID]Observation{}, errs: map[UnitID]error{}, claims: map[UnitID]string{}, left: map[UnitID]map[string]string{},
	}
}

// near are the units that live in the environment of one of the named ones.
func (w *world) near(primary []UnitID) []UnitID {
	var ids []UnitID
	for _, u := range w.units {
		near := slices.ContainsFunc(primary, func(p UnitID) bool {
			pu := w.unit(p)
			return p == u.ID || sameEnvironment(pu.Environment, u.Environment)
		})
		if near {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

// journaled fills in what the journal knows: what runs hold, and what backout took back.
func (e *Engine) journaled(ctx context.Context, w *world) error {
	leases, err := e.cfg.Store.Leases(ctx)
	if err != nil {
		return fmt.Errorf("read what other runs hold: %w", err)
	}
	for _, l := range leases {
		w.claims[UnitID(l.Unit)] = l.Run
	}
	runs, err := e.Runs(ctx)
	if err != nil {
		return err
	}
	w.now, w.did = e.cfg.Now(), map[UnitID][]switched{}
	for _, r := range runs {
		if r.AppliedAt.IsZero() || r.By.Drill != "" { // what a drill leaves is as good as before, and comes back
			continue
		}
		for id, s := range r.switches() {
			w.did[id] = append(w.did[id], s)
		}
		if r.Plan.Kind != kindForward { // what one went forward from served well: it is where the way back leads
			w.leave(&r)
		}
	}
	if w.undo != nil {
		w.leave(w.undo)
	}
	return nil
}

// leave notes what a run rolled its units back from.
func (w *world) leave(r *Run) {
	for _, u := range r.Plan.Units {
		if w.left[u.Unit.ID] == nil {
			w.left[u.Unit.ID] = map[string]string{}
		}
		if w.left[u.Unit.ID][u.From.Digest] == "" { // the newest run comes first
			w.left[u.Unit.ID][u.From.Digest] = r.ID
		}
	}
}

func (e *Engine) observeAll(ctx context.Context, ids []UnitID) (map[UnitID]Observation, map[UnitID]error) {
	obs, errs := map[UnitID]Observation{}, map[UnitID]error{}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(lookers)
	for _, id := range ids {
		g.Go(func() error {
			o, err := e.observe(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs[id] = err
			} else {
				obs[id] = o
			}
			return nil
		})
	}
	_ = g.Wait() // every error is in errs
	return obs, errs
}

// unit is one by its id; one that nobody names is the zero value.
func (w *world) unit(id UnitID) Unit {
	for _, u := range w.units {
		if u.ID == id {
			return u
		}
	}
	return Unit{}
}

// named finds the units that an edge's end means: a unit by its id, else those of a service in the environment.
func (w *world) named(end, environment string) []UnitID {
	var ids []UnitID
	for _, u := range w.units {
		if string(u.ID) == end || (u.Service == end && sameEnvironment(u.Environment, environment)) {
			ids = append(ids, u.ID)
		}
	}
	return ids
}

// ends is what one end of an edge names. A service stands for what runs: its flags and its schema, which never go back as a part of
// something else, are ends only by their own names.
func (w *world) ends(end, environment string) []UnitID {
	return slices.DeleteFunc(w.named(end, environment), func(id UnitID) bool {
		return string(id) != end && (w.unit(id).Kind == KindSchema || w.obs[id].Flag != nil)
	})
}

// revisions are what a unit served, the newest first: Current, then its history.
func revisions(o Observation) []Revision {
	return append([]Revision{o.Current}, o.History...)
}

// sameEnvironment treats an environment that was not said as any.
func sameEnvironment(a, b string) bool { return a == "" || b == "" || a == b }

// carries reports whether a revision is what a change brought: by commit, by content digest or by its native name.
func carries(r Revision, c *providers.Change) bool { return bears(r, c) > 0 }

// bears says how well a revision tells that it carries what a change brought, 0 not at all: content says it best, then the
// native name. A commit may stand on several contents, as a pipeline may leave the line of an earlier build.
func bears(r Revision, c *providers.Change) int {
	switch {
	case slices.Contains(c.Artifacts, r.Digest), c.To != "" && c.To == r.Digest:
		return 3
	case c.To != "" && c.To == r.Label:
		return 2
	case sameCommit(r.Commit, c.Commit):
		return 1
	default:
		return 0
	}
}

const shortCommit = 7 // the shortest abbreviation of a commit that counts as one

func sameCommit(a, b string) bool {
	if len(a) < shortCommit || len(b) < shortCommit {
		return false
	}
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}

// UnitsOf finds the units that a change touched: the one that it names, else those of its service and environment with a
// revision that carries its commit, artifact or native name. The result is empty where nothing is known to carry it.
func (e *Engine) UnitsOf(ctx context.Context, c *providers.Change) ([]Unit, error) {
	units, err := e.Units(ctx)
	if len(units) == 0 && err != nil {
		return nil, err
	}
	return e.unitsOf(ctx, units, c), nil
}

func (e *Engine) unitsOf(ctx context.Context, units []Unit, c *providers.Change) []Unit {
	if c.Unit != "" {
		for _, u := range units {
			if string(u.ID) == c.Unit {
				return []Unit{u}
			}
		}
		return nil
	}
	var near []UnitID
	for _, u := range units {
		if c.Service != "" && u.Service == c.Service && sameEnvironment(u.Environment, c.Environment) {
			near = append(near, u.ID)
		}
	}
	obs, _ := e.observeAll(ctx, near)
	var touched []Unit
	for _, u := range units {
		o, ok := obs[u.ID]
		if ok && slices.ContainsFunc(revisions(o), func(r Revision) bool { return carries(r, c) && !r.Staged }) {
			touched = append(touched, u)
		}
	}
	return touched
}
