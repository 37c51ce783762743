package session

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/timeline/culprit"
	"github.com/backout-dev/backout/tui"
)

// How often the parts that live outside the timeline are looked at again.
const (
	runsEvery      = 500 * time.Millisecond
	toldEvery      = 5 * time.Second // the runs of a shared store, of which one is told
	readinessEvery = 2 * time.Second
	signalsEvery   = 15 * time.Second
	rememberEvery  = 30 * time.Second
)

// readySuspects is how many suspects are looked at for whether they can be taken back: those that a screen can show.
const readySuspects = 5

// runList is the journal's runs as the screen shows them.
type runList struct {
	version uint64
	list    []rollback.Run
}

// readiness says of the top suspects whether they can be taken back.
type readiness struct {
	version  uint64
	wanted   []string
	byChange map[string]tui.Readiness
}

func (r *readiness) want(ranking culprit.Ranking) {
	r.wanted = r.wanted[:0:0]
	for i := 0; i < len(ranking.Ranking) && i < readySuspects; i++ {
		r.wanted = append(r.wanted, ranking.Ranking[i].Change)
	}
}

// follow keeps runs, readiness, signals and the cache fresh until ctx is done. It is the only goroutine that asks the
// engine for the screen, so a slow target delays none of the frames.
func (s *Session) follow(ctx context.Context) {
	s.done.Go(func() { s.watchMeasures(ctx) })
	s.done.Go(func() { s.DB.Follow(ctx, s.told()) })
	tick := time.NewTicker(runsEvery)
	defer tick.Stop()
	var readyAt, signalsAt, runsAt time.Time
	news := s.DB.News()
	var symptoms, kept string
	remembered := s.opts.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-news:
			runsAt = time.Time{}
		case <-tick.C:
		}
		now := s.opts.Now()
		moved := false
		if !s.DB.Shared() || now.Sub(runsAt).Abs() >= toldEvery {
			news, runsAt = s.DB.News(), now // asked for before reading
			s.followGame(ctx)
			moved = s.refreshRuns(ctx)
			s.refreshWaiting(ctx)
			s.catchUp(ctx)
		}
		if moved || now.Sub(readyAt) >= readinessEvery { // a run that ended frees its units
			s.settle(ctx)
			s.refreshReadiness(ctx)
			readyAt = s.opts.Now()
		}
		// What alerts anew is measured at once: a person waits for the answer.
		if seen := s.symptomKey(); now.Sub(signalsAt) >= signalsEvery || seen != symptoms && now.Sub(signalsAt) >= readinessEvery {
			s.fetchSignals(ctx)
			signalsAt, symptoms = s.opts.Now(), seen
		}
		// A new incident is written down at once: another process is to call it by the same id.
		if seen := s.incidentKey(); seen != kept || now.Sub(remembered) >= rememberEvery {
			kept = seen
			s.keep()
			remembered = s.opts.Now()
		}
	}
}

// incidentKey changes when there is another incident.
func (s *Session) incidentKey() string {
	all := s.Timeline.Snapshot().Incidents()
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprint(len(all), " ", all[0].ID)
}

// symptomKey changes when another incident is shown, or more of it alerts, or it is over.
func (s *Session) symptomKey() string {
	inc, ok := s.shownIncident()
	if !ok {
		return ""
	}
	return fmt.Sprint(inc.ID, " ", len(inc.Alerts), " ", inc.Open())
}

// refreshRuns reads the journal and reports whether a run moved.
func (s *Session) refreshRuns(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	runs, err := s.Engine.Runs(ctx)
	if err != nil {
		s.opts.Log.Warn("runs cannot be read", "error", err)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sameRuns(s.runs.list, runs) {
		return false
	}
	s.runs.list = runs
	s.runs.version++
	return true
}

func sameRuns(a, b []rollback.Run) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].ID != b[i].ID || a[i].State != b[i].State || a[i].Detail != b[i].Detail || a[i].Alive != b[i].Alive || len(a[i].Log) != len(b[i].Log) {
			return false
		}
	}
	return true
}

// refreshReadiness plans nothing: it observes the units of the top suspects and says what they would go back to.
func (s *Session) refreshReadiness(ctx context.Context) {
	s.mu.Lock()
	wanted := append([]string(nil), s.ready.wanted...)
	s.mu.Unlock()
	if len(wanted) == 0 {
		return
	}
	snap := s.Timeline.Snapshot()
	found := map[string]tui.Readiness{}
	for _, id := range wanted {
		change, ok := snap.Change(id)
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		found[id] = s.readinessOf(ctx, &rollback.Request{Change: &change})
		cancel()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !equalReadiness(s.ready.byChange, found) {
		s.ready.byChange = found
		s.ready.version++
	}
}

func (s *Session) readinessOf(ctx context.Context, r *rollback.Request) tui.Readiness {
	if err := s.Prepare(ctx, r); err != nil {
		return tui.Readiness{WhyNot: err.Error()}
	}
	plan, err := s.Engine.Plan(ctx, *r)
	if err != nil {
		return tui.Readiness{WhyNot: err.Error()}
	}
	if len(plan.Units) == 0 {
		return tui.Readiness{WhyNot: "no unit known that this change touched"}
	}
	return readinessIn(&plan)
}

// readinessIn is what a plan says of a suspect in two lines. A suspect that is gone already is nothing to take back.
func readinessIn(plan *rollback.Plan) tui.Readiness {
	out := tui.Readiness{Way: way(plan.Units), Tested: plan.Units[0].Tested}
	for _, u := range plan.Units {
		if !strings.HasPrefix(u.Tested, "tested") {
			out.Tested = u.Tested // what is least known of the set holds for all of it
		}
	}
	if !plan.Decision.Allowed || plan.Verdict == rollback.NoOp {
		out.WhyNot = whyNot(plan)
	}
	return out
}

// whyNot is the finding that a refused plan fails by, else what the policy says.
func whyNot(p *rollback.Plan) string {
	for _, u := range p.Units {
		for _, f := range u.Findings {
			if f.Verdict == p.Verdict && f.Text != "" {
				return f.Text
			}
		}
	}
	if len(p.Decision.Reasons) > 0 {
		return p.Decision.Reasons[0]
	}
	return "refused by policy"
}

// way is what goes back to what, in the order of the plan.
func way(units []rollback.UnitPlan) string {
	var parts []string
	for _, u := range units {
		id := string(u.Unit.ID)
		parts = append(parts, id[strings.LastIndexAny(id, "/:")+1:]+" "+label(u.From)+" -> "+label(u.To))
	}
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return fmt.Sprintf("%d units together: %s", len(parts), strings.Join(parts, ", then "))
}

// label is what people call a revision, its digest where it has no name.
func label(r rollback.Revision) string {
	if r.Label != "" {
		return r.Label
	}
	d := strings.TrimPrefix(r.Digest, "sha256:")
	return d[:min(len(d), 12)]
}

func equalReadiness(a, b map[string]tui.Readiness) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}
