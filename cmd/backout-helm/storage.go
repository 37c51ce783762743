package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	releases "helm.sh/helm/v4/pkg/release"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
)

// guarded lets one record be made, and only the one that follows what the plan saw: a revision that somebody else made in
// between has its name or shifts it, and either way nothing is written. It keeps the stamp in the record whatever Helm
// writes over it.
type guarded struct {
	driver.Driver
	q      question
	finish func() error // what is left to do before the new record may say that it is deployed

	mu       sync.Mutex
	made     *release.Release // the new record, once it is stored
	settled  bool             // with an end of its own
	refused  error            // it was not stored, because something else was there
	rejected error            // it was not stored
	lost     error            // nobody knows whether it was stored
}

var errMoved = errors.New("somebody else changed the release meanwhile")

// Create implements driver.Creator.
func (g *guarded) Create(key string, r releases.Releaser) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	mine, ok := r.(*release.Release)
	if !ok || g.made != nil || key != g.q.key(g.q.Expect+1) {
		g.refused = fmt.Errorf("%w: the next record would be %s, not revision %d", errMoved, key, g.q.Expect+1)
		return g.refused
	}
	err := g.Driver.Create(key, r)
	var status apierrors.APIStatus
	switch {
	case err == nil:
		g.made = mine
	case errors.Is(err, driver.ErrReleaseExists):
		g.refused = fmt.Errorf("%w: revision %d is there already", errMoved, g.q.Expect+1)
	case errors.As(err, &status) && !apierrors.IsTimeout(err) && !apierrors.IsServerTimeout(err) && !apierrors.IsInternalError(err):
		g.rejected = err
	default:
		g.lost = err
	}
	return err
}

// Update implements driver.Updator.
func (g *guarded) Update(key string, r releases.Releaser) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	mine, ok := r.(*release.Release)
	if ok && key == g.q.key(g.q.Expect+1) {
		mine.Info.Description = g.stamped(mine.Info.Description)
		if mine.Info.Status == common.StatusDeployed {
			if err := g.finish(); err != nil {
				return err
			}
		}
	}
	err := g.Driver.Update(key, r)
	if ok && err == nil && key == g.q.key(g.q.Expect+1) && !mine.Info.Status.IsPending() {
		g.settled = true
	}
	return err
}

// Delete implements driver.Deletor: nothing is ever deleted here.
func (g *guarded) Delete(key string) (releases.Releaser, error) {
	return nil, fmt.Errorf("delete %s: a rollback deletes no record", key)
}

// stamped puts the stamp first; what is too long for Helm's own limit is cut.
func (g *guarded) stamped(description string) string {
	if !strings.HasPrefix(description, g.q.Stamp) {
		description = g.q.Stamp + ": " + description
	}
	const most = 256 // the longest description that helm itself takes
	if runes := []rune(description); len(runes) > most {
		description = string(runes[:most-3]) + "..."
	}
	return description
}

// verdict says what is true after Helm's rollback ended with err.
func (g *guarded) verdict(err error) answer {
	g.mu.Lock()
	made, settled, refused, rejected, lost := g.made, g.settled, g.refused, g.rejected, g.lost
	g.mu.Unlock()
	a := answer{Helm: helmVersion()}
	switch {
	case refused != nil:
		a.Outcome, a.Detail = preconditionFailed, refused.Error()
	case rejected != nil:
		a.Outcome, a.Detail = failed, "nothing was done: the new record was refused: "+rejected.Error()
	case lost != nil:
		a.Outcome, a.Detail = unknown, "whether the new record was written is not known: "+lost.Error()
	case made == nil:
		a.Outcome, a.Detail = failed, "nothing was done"
		if err != nil {
			a.Detail += ": " + err.Error()
		}
	case err == nil:
		a.Outcome, a.Revision, a.Detail = applied, made.Version, fmt.Sprintf("revision %d is what revision %d was", made.Version, g.q.Revision)
	default:
		a.Outcome, a.Revision = unknown, made.Version
		a.Detail = fmt.Sprintf("revision %d was begun and is not whole: %v", made.Version, err)
		if !settled {
			a.Detail += g.release(made, err)
		}
	}
	return a
}

// release ends a record that Helm left pending when a hook or a manifest failed: it is this process's own, and nobody else
// would ever end it.
func (g *guarded) release(made *release.Release, cause error) string {
	made.Info.Status, made.Info.Description = common.StatusFailed, fmt.Sprintf("Rollback failed: %v", cause)
	if err := g.Update(g.q.key(made.Version), made); err != nil {
		return fmt.Sprintf("; its record is left pending: %v", err)
	}
	return ""
}
