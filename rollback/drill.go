package rollback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/proof"
	"github.com/backout-dev/backout/rollback/store"
)

// kindDrill is the kind of a plan that goes back on purpose, to go forward again.
const kindDrill = "drill"

// DrillAsk makes a request one for a drill.
type DrillAsk struct {
	Slice proof.Slice   // on how much of the unit; "" is what it is
	Max   time.Duration // how long the unit may be back before it goes forward whatever was seen; 0 takes the engine's
}

// DrillState is where a drill stands.
type DrillState string

// States of a drill; those from DrillPassed on are final. DrillLeft is not: it waits for somebody to go on with it.
const (
	DrillBack    DrillState = "going back"
	DrillForward DrillState = "going forward"
	DrillLeft    DrillState = "left back" // the unit serves the old content, and going forward did not work

	DrillPassed     DrillState = "passed"                 // went back and forward again, and both were verified
	DrillFailed     DrillState = "failed"                 // it serves again what it served; one of the two was not verified
	DrillStopped    DrillState = "stopped"                // likewise: ended before it was verified, by what stops a drill or by somebody
	DrillNothing    DrillState = "aborted without effect" // it never went back
	DrillSuperseded DrillState = "superseded"             // somebody else switched the unit meanwhile: it was left alone
)

// Final reports whether a drill in this state is over.
func (s DrillState) Final() bool {
	switch s {
	case DrillBack, DrillForward, DrillLeft:
		return false
	default:
		return true
	}
}

// ExitCode is the exit code of a command that followed a drill until this state.
func (s DrillState) ExitCode() int {
	switch s {
	case DrillPassed:
		return exitOK
	case DrillFailed, DrillStopped:
		return exitUnverified
	case DrillNothing, DrillLeft:
		return exitFailed
	case DrillSuperseded:
		return exitSuperseded
	case DrillBack, DrillForward:
		return exitUnknown
	default:
		return exitUnknown
	}
}

// Drill is one drill as the journal has it: a run that takes a unit back on purpose, and one that brings it forward to exactly
// what was live.
type Drill struct {
	ID      string           `json:"id"`
	Unit    Unit             `json:"unit"`
	Slice   proof.Slice      `json:"slice"`
	From    Revision         `json:"from"` // what was live
	To      Revision         `json:"to"`
	Back    string           `json:"back"`              // the run that goes back
	Forward string           `json:"forward,omitempty"` // the newest run that goes forward, "" none yet
	By      policy.Principal `json:"by"`
	Reason  string           `json:"reason,omitempty"`
	Via     string           `json:"via"`
	State   DrillState       `json:"state"`
	Detail  string           `json:"detail"` // what is true now
	// Until is when it goes forward at the latest, Stopped why its way back was ended before it was verified, "" it was not.
	Until   time.Time `json:"until"`
	Stopped string    `json:"stopped,omitempty"`
	// Services are those whose alerts stop it: the unit's own and those that depend on it.
	Services []string       `json:"services,omitempty"`
	Before   []Precondition `json:"before,omitempty"` // what was looked at before it
	// Proof is the id of the proof that it left, "" none.
	Proof     string    `json:"proof,omitempty"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Executor is the process that drives it, Alive whether that one is at it.
	Executor string `json:"executor,omitempty"`
	Alive    bool   `json:"alive"`
}

// DrillGuard knows what speaks against a drill beside the unit's own plan, and what stops one. It changes nothing.
type DrillGuard interface {
	// Firing gives the alerts of the services that are open now, and how many sources were asked. An error says that some
	// source could not be asked, and comes with what the others said.
	Firing(ctx context.Context, services []string) (open []AlertRef, asked int, err error)
	// Closed says why nobody drills in the unit's environment now, "" nobody said so.
	Closed(u Unit, now time.Time) string
	// Budgets looks whether enough is left of the error budgets that the unit uses up.
	Budgets(ctx context.Context, u Unit) []Check
}

// Drills reads all drills, the newest first.
func (e *Engine) Drills(ctx context.Context) ([]Drill, error) {
	rows, err := e.cfg.Store.Drills(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Drill, len(rows))
	for i, row := range rows {
		if out[i], err = e.decodeDrill(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// DrillOf reads one drill.
func (e *Engine) DrillOf(ctx context.Context, id string) (Drill, error) {
	row, err := e.cfg.Store.Drill(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Drill{}, fmt.Errorf("no drill %s, see 'backout drill list': %w", id, ErrNotFound)
	}
	if err != nil {
		return Drill{}, err
	}
	return e.decodeDrill(row)
}

func (e *Engine) decodeDrill(row store.Drill) (Drill, error) {
	var d Drill
	if err := json.Unmarshal(row.Doc, &d); err != nil {
		return Drill{}, fmt.Errorf("read %s: %w", row.ID, err)
	}
	d.ID, d.State, d.Back, d.StartedAt, d.EndedAt = row.ID, DrillState(row.State), row.Run, row.StartedAt, row.EndedAt
	d.Executor = row.Holder
	d.Alive = !row.Final && row.Holder != "" && row.Expires.After(e.cfg.Now()) && (e.cfg.HolderDead == nil || !e.cfg.HolderDead(row.Holder))
	return d, nil
}

// saveDrill writes a drill's row.
func saveDrill(tx *store.Tx, d *Drill) error {
	doc, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("journal %s: %w", d.ID, err)
	}
	return tx.SaveDrill(store.Drill{ID: d.ID, State: string(d.State), Final: d.State.Final(), Doc: doc, EndedAt: d.EndedAt})
}
