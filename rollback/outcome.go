package rollback

import "errors"

// Exit codes of a command that ends with a run or with a refusal to run; the table is in docs/outcomes.md.
const (
	exitOK          = 0
	exitError       = 1
	exitFailed      = 3
	exitUnverified  = 4
	exitRefused     = 5
	exitPlanChanged = 6
	exitUnknown     = 8
	exitSuperseded  = 9
	exitLocked      = 11
	exitWaiting     = 13
)

// ExitCode is the exit code of a command that followed a run until this state. Only a verified run is 0: what somebody
// else restored is reported as superseded, because nobody verified it. A run that is not over has no known outcome yet.
func (s RunState) ExitCode() int {
	switch s {
	case RunSucceeded:
		return exitOK
	case RunUnverified:
		return exitUnverified
	case RunAlreadyGood, RunSuperseded:
		return exitSuperseded
	case RunNeedsHuman, RunAborted:
		return exitFailed
	case RunRefused:
		return exitRefused
	case RunUnknown, RunConfirmed, RunRunning, RunConverging, RunVerifying:
		return exitUnknown
	default:
		return exitUnknown
	}
}

// ExitCode is the exit code for an error of the engine: 1 for one that it does not refuse with.
func ExitCode(err error) int {
	var drill *DrillRefusal
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &drill):
		return drill.ExitCode()
	case errors.Is(err, ErrWaiting):
		return exitWaiting
	case errors.Is(err, ErrPlanChanged):
		return exitPlanChanged
	case errors.Is(err, ErrLocked):
		return exitLocked
	case errors.Is(err, ErrWaiting):
		return exitWaiting
	case errors.Is(err, ErrReadOnly), errors.Is(err, ErrRefused), errors.Is(err, ErrNotAlone), errors.Is(err, ErrNoTarget):
		return exitRefused
	default:
		return exitError
	}
}
