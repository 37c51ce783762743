package session

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/incident"
)

// maxRemembered bounds the file of what was known last: what a first screen can show, not the whole history.
const maxRemembered = 5000

// cacheFile is one file for each configuration and context, so that one incident is never shown as another's.
func (s *Session) cacheFile() string {
	key := strings.Join(append([]string{s.opts.Config.Context, s.opts.Config.Environment, s.opts.Dir}, s.opts.Config.Files...), "\x00")
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(s.opts.CacheDir, "last", hex.EncodeToString(sum[:8])+".json")
}

// remember writes down what is known, for the first frame of the next start. Losing it loses nothing but that.
func (s *Session) remember() {
	if s.opts.File != "" {
		return
	}
	now := s.opts.Now().UTC()
	snap := s.Timeline.Snapshot()
	since := s.opts.Window.Since
	if day := now.Add(-lookBack); since.Before(day) {
		since = day
	}
	doc := incident.Document{Format: incident.Format, ID: "last", Title: "what was known last", At: now, Unknown: s.answeredAt()}
	doc.Changes = newest(snap, providers.Window{Since: since}, maxRemembered)
	doc.Alerts = newestAlerts(snap, providers.Window{Since: since}, maxRemembered)
	if len(doc.Changes)+len(doc.Alerts) == 0 {
		return
	}
	var buf bytes.Buffer
	if err := incident.Write(&buf, &doc); err != nil {
		s.opts.Log.Warn("what was known last cannot be written", "error", err)
		return
	}
	path := s.cacheFile()
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = writeWhole(path, buf.Bytes())
	}
	if err != nil {
		s.opts.Log.Warn("what was known last cannot be kept", "path", path, "error", err)
	}
}

// recall shows what was known last until the providers answer. An alert from then is unknown: nobody looked since.
func (s *Session) recall() {
	if s.opts.File != "" {
		return
	}
	data, err := os.ReadFile(s.cacheFile())
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.opts.Log.Warn("what was known last cannot be read", "error", err)
		}
		return
	}
	for doc, err := range incident.Read(bytes.NewReader(data)) {
		if err != nil {
			s.opts.Log.Warn("what was known last is damaged", "error", err)
			return
		}
		s.show(doc)
	}
}

// lastOK is the field of the kept document that says when each provider gave its last complete answer.
const lastOK = "last_ok"

func (s *Session) answeredAt() map[string]json.RawMessage {
	at := map[string]time.Time{}
	for _, h := range s.Health() {
		if !h.LastOK.IsZero() {
			at[h.Provider] = h.LastOK
		}
	}
	data, err := json.Marshal(at)
	if err != nil {
		return nil
	}
	return map[string]json.RawMessage{lastOK: data}
}

// aged puts the age of what is shown on the lines of the providers that have not answered in this process.
func (s *Session) aged(health []providers.Health) []providers.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range health {
		if h := &health[i]; h.LastOK.IsZero() {
			h.LastOK = s.keptAt[h.Provider]
		}
	}
	return health
}

// sources are the names of all that is configured, also of what could not be made.
func (s *Session) sources() map[string]bool {
	known := map[string]bool{}
	for _, p := range s.providers {
		known[p.Name()] = true
	}
	for _, h := range s.problems {
		known[h.Provider] = true
	}
	return known
}

func (s *Session) show(doc incident.Document) {
	known := s.sources()
	byProvider := map[string][]providers.Event{}
	for i := range doc.Changes {
		c := &doc.Changes[i]
		if known[c.Provider] {
			byProvider[c.Provider] = append(byProvider[c.Provider], providers.Event{Change: c})
		}
	}
	for name, events := range byProvider {
		s.Timeline.Put(name, events...)
	}
	at := map[string]time.Time{}
	if err := json.Unmarshal(doc.Unknown[lastOK], &at); err != nil {
		s.opts.Log.Warn("when the providers answered last is not known", "error", err)
	}
	s.mu.Lock()
	s.cachedAt, s.keptAt = doc.At, at
	s.mu.Unlock()
}

// cachedShown is the age of what is shown while no source has answered yet; the record, which is here, is none. The caller
// holds the lock.
func (s *Session) cachedShown() time.Time {
	if s.cachedAt.IsZero() || s.Feed == nil {
		return time.Time{}
	}
	for name, err := range s.Feed.Answered() {
		if err == nil && name != recordName {
			s.cachedAt = time.Time{}
			return time.Time{}
		}
	}
	return s.cachedAt
}

// writeWhole replaces a file in one step.
func writeWhole(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}
