package session

import (
	"context"
	"slices"
	"strings"

	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/proof"
	"github.com/backout-dev/backout/tui"
)

// Drills implements [tui.Drills]: every unit with what its way back counts for, from one look at all of them.
func (s *Session) Drills(ctx context.Context) (tui.DrillBook, error) {
	var req rollback.Request
	if err := s.Prepare(ctx, &req); err != nil {
		return tui.DrillBook{}, err
	}
	standings, listErr := s.Engine.Standings(ctx, req, "")
	records, err := s.Engine.Proofs(ctx)
	if err != nil {
		return tui.DrillBook{}, err
	}
	drills, err := s.Engine.Drills(ctx)
	if err != nil {
		return tui.DrillBook{}, err
	}
	book := tui.DrillBook{Runs: map[string]rollback.Run{}}
	slices.Reverse(records) // the newest first
	for i := range standings {
		u := s.drillUnit(&standings[i], records, drills)
		if len(u.Drills) > 0 {
			for _, id := range []string{u.Drills[0].Back, u.Drills[0].Forward} {
				if run, err := s.Engine.Run(ctx, id); id != "" && err == nil {
					book.Runs[id] = run
				}
			}
		}
		book.Units = append(book.Units, u)
	}
	return book, listErr
}

func (s *Session) drillUnit(st *rollback.Standing, records []proof.Record, drills []rollback.Drill) tui.DrillUnit {
	u := tui.DrillUnit{Unit: st.Unit, Owner: s.ownerOf(st.Unit)}
	for i := range records {
		if records[i].Unit == string(st.Unit.ID) {
			u.Records = append(u.Records, records[i])
		}
	}
	for i := range drills {
		if drills[i].Unit.ID == st.Unit.ID {
			u.Drills = append(u.Drills, drills[i])
		}
	}
	if st.Proof != nil {
		u.Standing = *st.Proof
	} else {
		u.Standing = s.Engine.Unplanned(st.Unit, records, nil, nil)
	}
	u.NoTarget = st.To.Digest == ""
	if st.Verdict == rollback.Irreversible {
		var why []string
		for _, f := range st.Because {
			why = append(why, f.Text)
		}
		u.OneWay = strings.Join(why, "; ")
	}
	if p := u.Standing.Proof; p != nil {
		rules := proofRules(s.opts.Config.Proofs)
		u.Until = rules.Until(p, u.Standing.Tier)
	}
	return u
}

// ownerOf is who owns a unit's service, "" nobody said.
func (s *Session) ownerOf(u rollback.Unit) string {
	for _, c := range s.opts.Config.Services {
		if c.Name == u.Service && (c.Environment == "" || c.Environment == u.Environment) {
			return c.Owner
		}
	}
	return ""
}

// PlanDrill implements [tui.Drills].
func (s *Session) PlanDrill(ctx context.Context, unit rollback.UnitID) (rollback.Plan, []rollback.Precondition, error) {
	req := rollback.Request{Unit: unit, Drill: &rollback.DrillAsk{}}
	if err := s.Prepare(ctx, &req); err != nil {
		return rollback.Plan{}, nil, err
	}
	return s.Engine.PlanDrill(ctx, req)
}

// Drill implements [tui.Drills].
func (s *Session) Drill(ctx context.Context, p rollback.Plan, c rollback.Confirmation) (rollback.Drill, error) {
	return s.Engine.Drill(ctx, p, c)
}
