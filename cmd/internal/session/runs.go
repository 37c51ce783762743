package session

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// executor names this process as the holder of a lease.
func executor() string {
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return host + ":" + strconv.Itoa(os.Getpid())
}

// holderDead reports whether the process that holds a lease is known to be gone: it ran on this host and its process id
// is free. Anything else is not known, and the lease has to expire.
func holderDead(holder string) bool {
	host, pid, ok := strings.Cut(holder, ":")
	own, err := os.Hostname()
	if !ok || err != nil || host != own {
		return false
	}
	n, err := strconv.Atoi(pid)
	return err == nil && n > 0 && !alive(n)
}

// StartRun starts the process that executes a confirmed run, or drives a drill. In read-only mode it refuses: going on with a run is acting.
func (s *Session) StartRun(runID string) error {
	if err := s.Engine.Writable(); err != nil {
		return err
	}
	if s.opts.Spawn == nil {
		return errors.New("runs cannot be started from here: use 'backout runs resume " + runID + "'")
	}
	if err := s.opts.Spawn(runID); err != nil {
		return fmt.Errorf("start the process of %s (it is journaled: 'backout runs resume %s' goes on): %w", runID, runID, err)
	}
	return nil
}

// Pending lists the drills and the runs that were interrupted: not over, and nobody works on them. A run that is a half of a drill
// is gone on with by its drill.
func (s *Session) Pending(ctx context.Context) ([]string, error) {
	runs, err := s.Engine.Runs(ctx)
	if err != nil {
		return nil, err
	}
	drills, err := s.Engine.Drills(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for i := range drills {
		if d := &drills[i]; !d.State.Final() && !d.Alive {
			out = append(out, d.ID)
		}
	}
	for _, r := range runs {
		if !r.State.Final() && !r.Alive && r.By.Drill == "" {
			out = append(out, r.ID)
		}
	}
	return out, nil
}
