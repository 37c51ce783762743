package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
	"github.com/backout-dev/backout/rollback/ledger"
)

// complaints is the file that takes what the process of a run says on standard error: one that cannot start has no other
// place to say why. The file of an earlier process is emptied.
func complaints(stateDir, runID string) (*os.File, error) {
	path := complaintsPath(stateDir, runID)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
}

func complaintsPath(stateDir, runID string) string {
	return filepath.Join(filepath.Dir(logPath(stateDir)), filepath.Base(runID)+".err")
}

// complaint is the last thing that the process of a run said on standard error, "" nothing. It says nothing but errors there.
func complaint(stateDir, runID string) string {
	f, err := os.Open(complaintsPath(stateDir, runID))
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 4 << 10
	if info, err := f.Stat(); err != nil || info.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	text, _ := io.ReadAll(io.LimitReader(f, most))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return ledger.Scrub(providers.Clean(strings.TrimPrefix(lines[len(lines)-1], "backout: ")))
}

// explained adds to a run that nobody works on why its process ended, where it said so.
func (s *opened) explained(r rollback.Run) (run rollback.Run, why string) {
	if r.State.Final() || r.Alive {
		return r, ""
	}
	if why = complaint(s.settings.stateDir, r.ID); why != "" {
		r.Detail += "; its process ended: " + why
	}
	return r, why
}
