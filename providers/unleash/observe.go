package unleash

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
	"github.com/backout-dev/backout/rollback"
)

const (
	maxEvents    = 5000 // of one flag that are looked at
	maxRevisions = 50   // that are offered
	offLabel     = "off"
)

// state is one look at a unit.
type state struct {
	unit       rollback.Unit
	flag, env  string
	project    string
	feature    feature
	now        configuration
	past       []period // what is there now is the first
	gap        string
	log        []event
	at, server time.Time
}

// split gives the environment and the flag of a unit.
func (p *Provider) split(unit rollback.UnitID) (environment, flag string, err error) {
	rest, ok := strings.CutPrefix(string(unit), p.env.Name+":")
	environment, flag, two := strings.Cut(rest, "/")
	if !ok || !two || !named.MatchString(environment) || !named.MatchString(flag) {
		return "", "", providers.Permanent(fmt.Errorf("%q is no unit of %s: it reads %s:ENVIRONMENT/FLAG", unit, p.env.Name, p.env.Name))
	}
	return environment, flag, nil
}

// Unleash writes an event down a moment after what it tells of, so a look that does not fit its newest event is repeated so often.
const (
	looks     = 4
	lookAgain = 150 * time.Millisecond
)

// look reads a unit until the log accounts for what is there, or has had the time to.
func (p *Provider) look(ctx context.Context, unit rollback.UnitID) (*state, error) {
	for n := 1; ; n++ {
		s, err := p.glance(ctx, unit)
		if err != nil || n == looks || s.accounted() {
			return s, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

// accounted reports whether what is there is what the newest event says.
func (s *state) accounted() bool {
	e, ok := s.newest()
	if !ok || e.Type == typeCreated {
		return true
	}
	_, fits := undo(s.now, e)
	return fits
}

// glance reads first the log and then the flag, so that a change between the two makes the token old, never the content.
func (p *Provider) glance(ctx context.Context, unit rollback.UnitID) (*state, error) {
	environment, flag, err := p.split(unit)
	if err != nil {
		return nil, err
	}
	s := &state{unit: p.unitOf(environment, flag), flag: flag, env: environment}
	err = p.log(ctx, url.Values{"feature": {"IS:" + flag}}, func(e event) error {
		if e.Flag == flag {
			s.log = append(s.log, e)
		}
		if len(s.log) >= maxEvents {
			return httpapi.ErrStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, httpapi.ErrStop) {
		return nil, err
	}
	// Events carry the time at which their transaction began, and are numbered when they are written.
	slices.SortStableFunc(s.log, func(a, b event) int { return cmp.Compare(b.ID, a.ID) })
	var ans httpapi.Answer
	if s.feature, ans, err = p.flag(ctx, flag); err != nil {
		return nil, err
	}
	s.at, s.server, s.project = p.env.Now().UTC(), ans.At, s.feature.Project
	var there bool
	if s.now, there = s.feature.in(environment); !there {
		return nil, providers.Permanent(fmt.Errorf("%w: the flag %s is not in the environment %s", providers.ErrNotFound, flag, environment))
	}
	s.past, s.gap = rebuild(s.now, s.log, environment)
	return s, nil
}

// newest is the newest event that may have altered the unit.
func (s *state) newest() (event, bool) {
	i := slices.IndexFunc(s.log, func(e event) bool { return e.touches(s.env) })
	if i < 0 {
		return event{}, false
	}
	return s.log[i], true
}

// token is what an apply compares with: the newest event, and the content, which somebody may have altered without one.
func (s *state) token() string {
	e, _ := s.newest()
	return strconv.FormatInt(e.ID, 10) + " " + s.now.digest()
}

// seen reads the event out of a token.
func seen(token string) (int64, bool) {
	id, _, ok := strings.Cut(token, " ")
	n, err := strconv.ParseInt(id, 10, 64)
	return n, ok && err == nil
}

func (s *state) stamp() string {
	e, _ := s.newest()
	return stamps(s.log)[e.ID]
}

// Observe implements rollback.Reverser.
func (p *Provider) Observe(ctx context.Context, unit rollback.UnitID) (rollback.Observation, error) {
	s, err := p.look(ctx, unit)
	if err != nil {
		return rollback.Observation{}, fmt.Errorf("%s: %w", unit, err)
	}
	obs := rollback.Observation{
		Unit: s.unit, At: s.at, Current: p.revision(s.past[0]), Token: s.token(), Stamp: s.stamp(), History: p.revisions(s),
		References: s.references(), Flag: s.flagState(),
	}
	if s.feature.Stale {
		obs.Frozen = "the flag is marked stale in Unleash: whether code still asks for it is not known"
	}
	if slices.ContainsFunc(s.now.Strategies, func(g strategy) bool { return g.Milestone != "" }) {
		obs.Owners = []string{"a release plan of Unleash"}
	}
	if s.gap != "" {
		obs.Raw, err = json.Marshal(map[string]string{"history": "known back to " + s.past[len(s.past)-1].label + ": " + s.gap})
	}
	return obs, err
}

// flagState is what the flag does for people now. One that was deleted or archived, and is there again, began again.
func (s *state) flagState() *rollback.FlagState {
	f := &rollback.FlagState{Name: providers.Clean(s.flag), On: s.now.reaches(), Words: s.now.words()}
	if i := slices.IndexFunc(s.log, func(e event) bool { return e.Type == typeCreated || e.Type == typeRevived }); i >= 0 {
		f.Created = s.log[i].At.UTC()
	}
	return f
}

// reaches reports whether a flag may be on for anybody.
func (c configuration) reaches() bool {
	return c.Enabled && (len(c.Strategies) == 0 || slices.ContainsFunc(c.Strategies, func(s strategy) bool {
		return !s.Disabled && fmt.Sprint(s.Parameters["rollout"]) != "0"
	}))
}

// revisions are what stood before, and the way to switch it off as it is, which is always there while it is on.
func (p *Provider) revisions(s *state) []rollback.Revision {
	var out []rollback.Revision
	for _, old := range s.past[1:min(len(s.past), maxRevisions+1)] {
		out = append(out, p.revision(old))
	}
	if s.now.Enabled {
		// It takes back nothing but that it is on, and is only ever what a person names.
		out = append(out, rollback.Revision{Digest: s.killed().digest(), Label: offLabel, Staged: true, Without: []string{s.now.digest()}})
	}
	return out
}

// killed is what is there now, switched off.
func (s *state) killed() configuration {
	c := s.now.clone()
	c.Enabled = false
	return c
}

func (p *Provider) revision(at period) rollback.Revision {
	r := rollback.Revision{Digest: at.digest(), Label: at.label, Since: at.since, Until: at.until}
	end := at.until
	if end.IsZero() {
		end = p.env.Now().UTC()
	}
	if stood := end.Sub(at.since); !at.since.IsZero() && stood >= p.set.MinSoak && !at.ousted {
		r.Good = []string{fmt.Sprintf("stood for %s (%s), by Unleash's event log", providers.Span(stood), at.words())}
	}
	return r
}

// references are what the unit reads and does not hold.
func (s *state) references() []string {
	var out []string
	for _, g := range s.now.Strategies {
		for _, id := range g.Segments {
			out = append(out, "segment "+strconv.Itoa(id))
		}
	}
	for _, up := range s.feature.Parents {
		out = append(out, "flag "+providers.Clean(up.Feature))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Status implements rollback.Reverser. A flag has arrived once every SDK has had the time to ask again.
func (p *Provider) Status(ctx context.Context, unit rollback.UnitID, to rollback.Revision) (rollback.Convergence, error) {
	s, err := p.look(ctx, unit)
	if err != nil {
		return rollback.Convergence{}, fmt.Errorf("%s: %w", unit, err)
	}
	if s.now.digest() != to.Digest {
		return rollback.Convergence{Detail: fmt.Sprintf("%s is %s", s.flag, s.now.words())}, nil
	}
	e, _ := s.newest()
	// The server's clock has whole seconds.
	if wait := p.set.Propagation - s.server.Sub(e.At); wait > 0 && !e.At.IsZero() && p.set.Propagation > 0 {
		wait = min(wait, p.set.Propagation)
		return rollback.Convergence{Detail: fmt.Sprintf("%s is %s; SDKs ask every %s, the last in %s", s.flag, s.now.words(), p.set.Propagation, wait.Round(time.Second))}, nil
	}
	return rollback.Convergence{Done: true, Detail: fmt.Sprintf("%s is %s in %s", s.flag, s.now.words(), s.env)}, nil
}

// Ties implements rollback.Binder: what other flags make of this one, and this one of others.
func (p *Provider) Ties(ctx context.Context, obs rollback.Observation, to rollback.Revision) ([]rollback.Tie, error) {
	s, err := p.look(ctx, obs.Unit.ID)
	if err != nil {
		return nil, err
	}
	target, ok := s.find(to)
	if !ok {
		return nil, fmt.Errorf("%s is not known here any more", to.Label)
	}
	var ties []rollback.Tie
	for _, child := range s.feature.Children {
		child = providers.Clean(child)
		text := fmt.Sprintf("%s depends on %s, whatever it says itself: for whom %s is not on, it is not either", child, s.flag, s.flag)
		if target.Enabled {
			text = fmt.Sprintf("%s depends on %s: it is on only for whom %s is, so it changes with it", child, s.flag, s.flag)
		}
		ties = append(ties, rollback.Tie{Verdict: rollback.Conditional, Text: text, Evidence: "dependency of " + child})
	}
	for _, up := range s.feature.Parents {
		name := providers.Clean(up.Feature)
		ties = append(ties, rollback.Tie{
			Verdict: rollback.Conditional, Evidence: "dependency of " + s.flag,
			Text: fmt.Sprintf("%s depends on %s: what is switched here has an effect only as far as %s lets it", s.flag, name, name),
		})
	}
	return ties, nil
}

// find gives the configuration that a revision stands for, as far as the log still tells.
func (s *state) find(to rollback.Revision) (configuration, bool) {
	for _, at := range s.past {
		if at.digest() == to.Digest {
			return at.configuration, true
		}
	}
	if k := s.killed(); k.digest() == to.Digest {
		return k, true
	}
	return configuration{}, false
}
