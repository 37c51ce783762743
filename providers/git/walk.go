package git

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Dates of commits may run backwards, so one old date does not end a walk: only this many in a row that are older than
// the window by more than the slack.
const (
	oldInARow = 200
	slack     = 24 * time.Hour
)

// A segment is what is looked at together. The first is small, so that the first changes are there at once.
const (
	firstSegment = 8
	lastSegment  = 64
	longestGap   = 200
)

// step is one commit of the first-parent history. wanted: it lies in the window.
type step struct {
	hash    string
	parents []string
	at      time.Time
	wanted  bool
}

// segment is a run of the first-parent history without gaps, newest first.
type segment []step

// base is the commit that the segment stands on, "" where history begins.
func (s segment) base() string {
	if last := s[len(s)-1]; len(last.parents) > 0 {
		return last.parents[0]
	}
	return ""
}

// walker cuts the first-parent history into segments.
type walker struct {
	window providers.Window
	emit   func(segment) error

	seg       segment
	wanted    int
	gap       int
	size      int
	oldInARow int
	last      step
	ended     bool // the walk came to the end of what is here
}

// walk goes over the first-parent history of what args name, headers only, and stops where the window is surely over.
func (r *repo) walk(ctx context.Context, w providers.Window, emit func(segment) error, args ...string) (*walker, error) {
	wk := &walker{window: w, emit: emit, size: firstSegment}
	args = append([]string{"log", "--first-parent", "--no-show-signature", "--format=%ct %H %P"}, args...)
	err := r.stream(ctx, nil, wk.read, append(args, "--")...)
	if err != nil {
		return wk, err
	}
	return wk, wk.flush()
}

func (wk *walker) read(in *bufio.Reader) error {
	for {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			wk.ended = true
			return nil
		}
		if err != nil {
			return err
		}
		if err := wk.step(line); err != nil {
			return err
		}
	}
}

func (wk *walker) step(line string) error {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return nil
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<37 {
		seconds = 0 // a date that no clock shows
	}
	s := step{hash: fields[1], parents: fields[2:], at: time.Unix(seconds, 0).UTC()}
	s.wanted = wk.window.Contains(s.at)
	wk.last = s
	if !wk.window.Since.IsZero() && s.at.Before(wk.window.Since.Add(-slack)) {
		wk.oldInARow++
	} else {
		wk.oldInARow = 0
	}
	wk.take(s)
	if wk.wanted >= wk.size || wk.gap >= longestGap {
		if err := wk.flush(); err != nil {
			return err
		}
	}
	if wk.oldInARow >= oldInARow {
		return errEnough
	}
	return nil
}

func (wk *walker) take(s step) {
	if !s.wanted && len(wk.seg) == 0 {
		return
	}
	wk.seg = append(wk.seg, s)
	if s.wanted {
		wk.wanted, wk.gap = wk.wanted+1, 0
	} else {
		wk.gap++
	}
}

func (wk *walker) flush() error {
	seg := wk.seg[:len(wk.seg)-wk.gap]
	wk.seg, wk.wanted, wk.gap, wk.size = nil, 0, 0, min(2*wk.size, lastSegment)
	if len(seg) == 0 {
		return nil
	}
	return wk.emit(seg)
}
