package git

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

// Reverter is a [Provider] that may take changes back, by a revert commit that it pushes on the condition that the branch
// still holds what the plan saw. A unit is the files of one service on the branch of a remote; a revision is their digest.
// It implements [rollback.Reverser], [rollback.Watchful] and [rollback.Patient]. The user's work tree, index, refs and
// objects stay as they are. It is safe for use by several goroutines.
type Reverter struct {
	*Provider
	tips tips
	turn chan struct{} // one survey at a time
	last *survey       // of the newest commit that was looked at; guarded by turn
	at   func(point string)
}

func newReverter(p *Provider) *Reverter {
	return &Reverter{Provider: p, tips: tips{turn: make(chan struct{}, 1)}, turn: make(chan struct{}, 1), at: func(string) {}}
}

// LookTimeout implements [rollback.Watchful]: the setting revert.timeout.
func (v *Reverter) LookTimeout() time.Duration { return v.set.Revert.Timeout }

// ApplyTimeout implements [rollback.Patient]: a look and a push.
func (v *Reverter) ApplyTimeout() time.Duration { return 2 * v.set.Revert.Timeout }

// sight is one look at the remote, with a room to build in.
type sight struct {
	*survey
	repo    *repo
	room    *room
	address string // to fetch from
	pushTo  string // to push to
}

// look asks the remote where the branch stands and reads it from there. The caller closes the room.
func (v *Reverter) look(ctx context.Context) (_ *sight, err error) {
	r, err := v.open(ctx)
	if err != nil {
		return nil, err
	}
	s := &sight{repo: r}
	if s.address, s.pushTo, err = v.addresses(r); err != nil {
		return nil, err
	}
	tip, err := v.tips.ask(ctx, func(ctx context.Context) (string, error) {
		ctx, cancel := bounded(ctx, v.set.Revert.Timeout)
		defer cancel()
		at, err := r.heads(ctx, s.address, v.set.Revert.ref())
		return at[v.set.Revert.ref()], err
	})
	if err != nil {
		return nil, v.unreached(ctx, err)
	}
	if tip == "" {
		return nil, providers.Permanent(fmt.Errorf("%s has no branch %s: correct revert.branch", v.set.Revert.Remote, v.set.Revert.Branch))
	}
	if s.room, err = r.makeRoom(); err != nil {
		return nil, err
	}
	if s.survey, err = v.surveyed(ctx, s, tip); err != nil {
		return nil, errors.Join(err, s.room.close())
	}
	return s, nil
}

// surveyed reads the branch at a commit, or remembers it: a commit never changes.
func (v *Reverter) surveyed(ctx context.Context, s *sight, tip string) (*survey, error) {
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for another look at %s: %w", v.set.Revert.shown(), ctx.Err())
	}
	defer func() { <-v.turn }()
	if v.last != nil && v.last.tip == tip {
		return v.last, nil
	}
	if v.last == nil {
		if err := s.repo.recent(ctx); err != nil {
			return nil, err
		}
		sweep(v.env.Now())
	}
	if err := s.room.bring(ctx, s.address, v.set.Revert.ref(), tip); err != nil {
		return nil, v.unreached(ctx, err)
	}
	found, err := v.survey(ctx, s.repo, s.room, tip)
	if err != nil {
		return nil, fmt.Errorf("read %s at %s: %w", v.set.Revert.shown(), abbreviated(tip), s.repo.explain(err))
	}
	v.last = found
	return found, nil
}

// addresses are where the remote is read and written. Its own names for branches play no part: nothing here may move them.
func (v *Reverter) addresses(r *repo) (fetch, push string, err error) {
	name := v.set.Revert.Remote
	fetch, push = r.config["remote."+name+".url"], r.config["remote."+name+".pushurl"]
	if push == "" {
		push = fetch
	}
	if fetch == "" || strings.HasPrefix(fetch, "-") || strings.HasPrefix(push, "-") {
		return "", "", providers.Permanent(fmt.Errorf("%s has no remote %q: correct revert.remote, or add it with `git remote add`", r.path, name))
	}
	return fetch, push, nil
}

// unreached says what can be done about a remote that does not answer as it should.
func (v *Reverter) unreached(ctx context.Context, err error) error {
	name := v.set.Revert.shown()
	var classed *providers.Error
	var exit *process.ExitError
	said := ""
	if errors.As(err, &exit) {
		said = strings.ToLower(exit.Stderr)
	}
	switch {
	case errors.As(err, &classed), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return providers.Retryable(fmt.Errorf("%s did not answer in time: look at the network, or raise revert.timeout: %w", name, err))
	case strings.Contains(said, "authentication") || strings.Contains(said, "permission denied") || strings.Contains(said, "could not read username"):
		return providers.Unauthenticated(fmt.Errorf("%s refuses the credentials that git has: try `git ls-remote %s`: %w", name, v.set.Revert.Remote, err))
	default:
		return providers.Retryable(fmt.Errorf("%s cannot be read: try `git ls-remote %s`: %w", name, v.set.Revert.Remote, err))
	}
}

// looked makes one look within the time that it has, hands it to do and tells health how it went.
func (v *Reverter) looked(ctx context.Context, do func(context.Context, *sight) error) (err error) {
	start, asked := v.env.Now(), ctx
	ctx, cancel := bounded(ctx, v.set.Revert.Timeout)
	defer cancel()
	defer func() {
		if err == nil || asked.Err() == nil {
			v.tell(start, err)
		}
	}()
	s, err := v.look(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, s), s.room.close())
}

// tell puts a look on the health line. What was said of the repository stays true, and a unit that is not there is no fault.
func (v *Reverter) tell(start time.Time, err error) {
	if errors.Is(err, rollback.ErrNotFound) {
		err = nil
	}
	before := v.vitals.Health()
	v.vitals.Done(start, err)
	if err == nil && before.State != providers.HealthFailing && before.Detail != "" {
		v.vitals.Note(before.Detail)
	}
}

// Units implements [rollback.Reverser]: one for each service that has files on the branch.
func (v *Reverter) Units(ctx context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		var units []rollback.Unit
		err := v.looked(ctx, func(_ context.Context, s *sight) error {
			for _, service := range slices.Sorted(maps.Keys(s.lines)) {
				units = append(units, v.describe(s.repo, service))
			}
			return nil
		})
		if err != nil {
			yield(rollback.Unit{}, err)
			return
		}
		for _, u := range units {
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (v *Reverter) describe(r *repo, service string) rollback.Unit {
	return rollback.Unit{
		ID: v.unitID(r, service), Kind: "git paths", Service: providers.Clean(service), Environment: v.set.Environment, CAS: rollback.CASAtomic,
	}
}

func (v *Reverter) unitID(r *repo, service string) rollback.UnitID {
	return rollback.UnitID(v.env.Name + ":" + providers.Clean(strings.ReplaceAll(r.name, "/", "-")) + "/" + providers.Clean(service))
}

// service finds what a unit's id means.
func (v *Reverter) service(s *sight, id rollback.UnitID) (string, error) {
	for service := range s.lines {
		if v.unitID(s.repo, service) == id {
			return service, nil
		}
	}
	return "", fmt.Errorf("%s has no such files on %s: %w", id, v.set.Revert.shown(), rollback.ErrNotFound)
}

// Observe implements [rollback.Reverser]. The history is what stood on the branch, then the contents that are what stands
// now less one of its changes.
func (v *Reverter) Observe(ctx context.Context, id rollback.UnitID) (obs rollback.Observation, err error) {
	err = v.looked(ctx, func(ctx context.Context, s *sight) error {
		service, err := v.service(s, id)
		if err != nil {
			return err
		}
		line, now := s.lines[service], v.env.Now().UTC()
		obs = rollback.Observation{
			Unit: v.describe(s.repo, service), At: now, Token: line[0].token(), Stamp: line[0].op, Current: v.revision(line, 0, now),
			References: []string{v.set.Revert.shown()},
		}
		for i := range line[1:] {
			obs.History = append(obs.History, v.revision(line, i+1, now))
		}
		less, err := v.lessOne(ctx, s, service)
		for _, l := range less {
			obs.History = append(obs.History, l.revision())
		}
		return err
	})
	return obs, err
}

// revision tells one content. It is known good where it stood for min_soak and nothing that came later says that it
// reverts it: that is evidence of the branch, not of what serves.
func (v *Reverter) revision(line []standing, i int, now time.Time) rollback.Revision {
	s := line[i]
	rev := rollback.Revision{Digest: s.digest, Label: s.label(), Commit: s.commit, Since: s.since, Until: s.until}
	end := s.until
	if i == 0 {
		end = now
	}
	stood := end.Sub(s.since)
	if s.commit != "" && s.undone == "" && stood >= v.set.Revert.MinSoak && !s.since.IsZero() {
		rev.Good = []string{"stood on " + v.set.Revert.shown() + " for " + rough(stood) + " by committer dates, and nothing there reverted it"}
	}
	return rev
}

func rough(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return strconv.Itoa(int(d.Hours()/24)) + " days"
	case d >= 2*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " hours"
	default:
		return strconv.Itoa(int(d.Minutes())) + " minutes"
	}
}
