package tui

import (
	"context"
	"io"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
	"github.com/backout-dev/backout/rollback/policy"
	"github.com/backout-dev/backout/rollback/posture"
	"github.com/backout-dev/backout/timeline"
	"github.com/backout-dev/backout/timeline/culprit"
)

// State is one immutable picture of everything the console shows. Nothing in it may be altered after it was handed out.
type State struct {
	Version   uint64 // rises whenever anything below changed; 0 is "nothing known yet"
	Snapshot  *timeline.Snapshot
	Incident  *timeline.Incident // the one that is shown; nil: none is open
	Incidents []timeline.Incident
	Ranking   culprit.Ranking // of Incident; empty without one
	Changed   map[string]bool // the services of the ranked changes; nil: the console looks them up, which takes long where there are many
	Symptom   Symptom         // of Incident, as far as it was measured
	Confirmed Judgement       // the culprit of Incident, if a person said so
	Health    []providers.Health
	Runs      []rollback.Run       // live ones and those that ended lately, newest first
	Waiting   []rollback.Pending   // plans that wait for approval, newest first
	Rollback  map[string]Readiness // by change id; a change that is not in it was not looked at
	Notice    string               // what everybody who looks has to know first, such as that a game day is under way; "" nothing
	CachedAt  time.Time            // when not zero, what is shown was known last at this time: no source has answered yet
}

// Judgement is what a person said of a suspect. The zero value: nobody said anything.
type Judgement struct{ Change, By, Reason string }

// Readiness says whether a change can be taken back, as far as is known without planning.
type Readiness struct {
	Way    string // what goes back to what, in order where several units go together: "pricing r218 -> r206"
	Tested string // "untested", or the proof in words: "tested 3d ago, 41s"
	WhyNot string // "" when a plan can be made
}

// Source gives the newest state. It is asked up to 30 times a second from one goroutine, so it answers from memory; the
// incident is the id to show, "" leaves the choice to the source.
type Source interface {
	State(incident string) State
}

// Planner is the engine's door as far as the console needs it; every method gets a context with a deadline.
type Planner interface {
	UnitsOf(ctx context.Context, c *providers.Change) ([]rollback.Unit, error)
	Plan(ctx context.Context, r rollback.Request) (rollback.Plan, error)
	Confirm(ctx context.Context, p rollback.Plan, c rollback.Confirmation) (rollback.Run, error)
}

// Runs starts the process that works on a confirmed run, reads the journal, and stops a run before its next intent, or lets
// it wait there (on) and go on (off).
type Runs interface {
	Start(runID string) error
	Run(ctx context.Context, runID string) (rollback.Run, error)
	Abort(ctx context.Context, runID string, by policy.Principal, reason string) error
	Pause(ctx context.Context, runID string, by policy.Principal, on bool) error
}

// Approvals looks whether the targets of a plan that waits are still what it saw, and has who acts sign a word on it and records that.
type Approvals interface {
	Seen(ctx context.Context, p rollback.Plan) error
	Approve(ctx context.Context, p rollback.Pending, decision, reason string) error
}

// Notes writes what people say into the record.
type Notes interface {
	Note(ctx context.Context, incident, text string) error
	Suspect(ctx context.Context, incident, changeID string, confirm bool, reason string) error
}

// Incidents opens, closes, splits and merges incidents by hand. Words are what was typed after the verb. The answer is
// the id of the incident to show next, "" to leave the choice to the source.
type Incidents interface {
	Edit(ctx context.Context, verb, incident string, words []string) (string, error)
}

// Options is everything the console needs to know. Source is required; every other collaborator may be nil, and then the
// keys that need it say so. Now is required.
type Options struct {
	Source    Source
	Planner   Planner
	Runs      Runs
	Notes     Notes
	Incidents Incidents
	Drills    Drills
	Approvals Approvals

	// Prepare completes a request before it is planned (other changes, edges, alerts), so that the console and the command
	// line plan the same thing and get the same hash. Nil: the console fills in what it sees.
	Prepare func(ctx context.Context, r *rollback.Request) error
	// Command is the command line that does the same as a key, by kind (see the Command constants) and arguments.
	// Nil prints the commands of the backout program.
	Command func(kind string, args ...string) string
	// Audit reads the record. Nil: the record cannot be looked at here.
	Audit Audit
	// Export writes the entries that a query finds, and says where. Nil: there is no place for them.
	Export func(ctx context.Context, q ledger.Query) (string, error)
	// Posture works out how well prepared going back is now. Nil: it is not shown.
	Posture func(ctx context.Context) (posture.Report, error)
	// Link is the address of a page about a change or alert, "" where there is none. Nil: there never is.
	Link func(provider, id string) string
	// Open has the desktop show a link, and returns once it is handed over. Nil, as over SSH: links are copied.
	Open func(ctx context.Context, link string) error

	Principal   policy.Principal
	Environment string // prod, staging, dev: decides the badge and the strength of the confirmation
	Context     string // region or context name, shown after the badge
	ReadOnly    string // why nothing may be altered: "read-only mode"; "" is read-write

	ASCII    bool
	NoColor  bool
	Sync     bool           // switch synchronized output on without asking the terminal
	TimeZone *time.Location // the user's own, for T; nil leaves it out
	Zone     string         // how times are shown first: "utc", "local" or "relative"; "" is utc
	Now      func() time.Time
	Grace    time.Duration // how long keys are dropped after a modal opened; 0 is 300 ms
	Hints    []string      // how to add an alert source and a unit, while there is none

	Incident string    // the incident to open with, "" the newest open one
	Change   string    // the change to stand on at the start
	At       time.Time // shows the timeline as it was around then instead of now

	Input   io.Reader // for Run; nil is the terminal
	Output  io.Writer // for Run; nil is the terminal
	Environ []string  // for Run; nil is the process's own
}

// Kinds of printed command lines.
const (
	CommandRollback = "rollback" // change or run, plan hash, and the units where not all are wanted
	CommandPlan     = "plan"     // run, change or unit
	CommandAbort    = "abort"    // run
	CommandPause    = "pause"    // run
	CommandAttach   = "attach"   // run
	CommandResume   = "resume"   // run
	CommandShow     = "show"     // run
	CommandNote     = "note"     // text
	CommandShare    = "share"    // incident, and the moment to show it at
	CommandDrill    = "drill"    // unit
	CommandDrills   = "drills"   // the list of all drills, for a file
	CommandApprove  = "approve"  // plan hash

	CommandDrillResume = "drill resume" // drill
)

// CommandLine is the default of Options.Command: the command of the backout program that does the same.
func CommandLine(kind string, args ...string) string {
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	switch kind {
	case CommandRollback:
		line := "backout rollback " + arg(0) + " --plan-hash " + arg(1)
		for _, unit := range args[min(2, len(args)):] {
			line += " --only " + unit
		}
		return line
	case CommandPlan:
		return "backout plan " + arg(0)
	case CommandAbort, CommandPause, CommandAttach, CommandResume, CommandShow:
		return "backout runs " + kind + " " + arg(0)
	case CommandDrill, CommandDrillResume, CommandApprove:
		return "backout " + kind + " " + arg(0)
	case CommandDrills:
		return "backout drill list --output json"
	case CommandNote:
		return "backout note " + arg(0)
	case CommandShare:
		if arg(1) == "" {
			return "backout --incident " + arg(0)
		}
		return "backout --incident " + arg(0) + " --at " + arg(1)
	default:
		return "backout " + kind
	}
}
