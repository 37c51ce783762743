package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/backout-dev/backout/providers"
)

// maxIDText is how much is shown of an id that is not fit to be shown.
const maxIDText = 200

// CleanID makes an id safe to show. One that is safe already stays as it is. Any other becomes its readable part, "~" and
// the first twelve hex digits of its SHA-256, so that two ids that differ stay different. It is applied wherever a
// document names a change or an alert, so that references hold, and twice is the same as once.
func CleanID(id string) string {
	text := providers.Clean(id)
	if text == id {
		return id
	}
	if len(text) > maxIDText {
		text = text[:maxIDText]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	sum := sha256.Sum256([]byte(id))
	return text + "~" + hex.EncodeToString(sum[:6])
}

// errNoID is why a change or an alert cannot be taken: nothing could refer to it.
var errNoID = errors.New("no id")

func cleanChange(c *providers.Change) error {
	if c.ID == "" {
		return errNoID
	}
	c.ID = CleanID(c.ID)
	for i, r := range c.Reverts {
		c.Reverts[i] = CleanID(r)
	}
	cleanSources(c.Sources)
	c.Assistance.Ruleset = providers.Clean(c.Assistance.Ruleset)
	providers.CleanChange(c)
	switch c.Assistance.State {
	case "", providers.AssistanceAgent, providers.AssistanceAssisted, providers.AssistancePossible,
		providers.AssistanceAutomation, providers.AssistanceNone:
	default:
		c.Assistance.State = "" // a word that nobody defined says nothing
	}
	times := []time.Time{c.LandedAt, c.EffectiveFrom, c.EffectiveTo, c.VerifiedAt}
	for _, r := range c.Rollout {
		times = append(times, r.At)
	}
	return inRange(times...)
}

func cleanAlert(a *providers.Alert) error {
	if a.ID == "" {
		return errNoID
	}
	a.ID = CleanID(a.ID)
	cleanSources(a.Sources)
	providers.CleanAlert(a)
	switch a.State {
	case "", providers.AlertFiring, providers.AlertSuppressed, providers.AlertResolved, providers.AlertUnknown:
	default:
		a.State = providers.AlertUnknown
	}
	return inRange(a.StartsAt, a.EndsAt)
}

func cleanSources(sources []providers.Source) {
	for i := range sources {
		s := &sources[i]
		s.Provider, s.ID, s.URL = providers.Clean(s.Provider), CleanID(s.ID), providers.Clean(s.URL)
	}
}

// inRange refuses times that are no longer in the years 0 to 9999 once they are UTC: they could not be written back.
func inRange(times ...time.Time) error {
	for _, t := range times {
		if y := t.UTC().Year(); y < 0 || y > 9999 {
			return fmt.Errorf("time out of range: year %d", y)
		}
	}
	return nil
}

func cleanDocument(d *Document) error {
	d.ID, d.Title = CleanID(d.ID), providers.Clean(d.Title)
	d.At, d.Onset.Earliest, d.Onset.Latest = d.At.UTC(), d.Onset.Earliest.UTC(), d.Onset.Latest.UTC()
	times := []time.Time{d.At, d.Onset.Earliest, d.Onset.Latest}
	for i := range d.Services {
		s := &d.Services[i]
		s.Name, s.Tier, s.Owner, s.Environment = providers.Clean(s.Name), providers.Clean(s.Tier), providers.Clean(s.Owner), providers.Clean(s.Environment)
		cleanTexts(s.DependsOn)
		cleanTexts(s.Emits)
		cleanTexts(s.Reads)
	}
	for i := range d.Edges {
		e := &d.Edges[i]
		e.From, e.To, e.Kind = providers.Clean(e.From), providers.Clean(e.To), providers.EdgeKind(providers.Clean(string(e.Kind)))
		e.Evidence, e.Source, e.SeenAt = providers.Clean(e.Evidence), providers.Clean(e.Source), e.SeenAt.UTC()
		e.FromVersions, e.ToVersions = providers.Clean(e.FromVersions), providers.Clean(e.ToVersions)
		times = append(times, e.SeenAt)
	}
	for i := range d.Signals {
		s := &d.Signals[i]
		s.Name, s.Service = providers.Clean(s.Name), providers.Clean(s.Service)
		for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
			v := s.Labels[k]
			delete(s.Labels, k)
			s.Labels[providers.Clean(k)] = providers.Clean(v)
		}
	}
	if d.Truth != nil {
		for _, ids := range [][]string{d.Truth.Culprits, d.Truth.Innocent} {
			for i, id := range ids {
				ids[i] = CleanID(id)
			}
		}
	}
	return inRange(times...)
}

func cleanTexts(l []string) {
	for i, s := range l {
		l[i] = providers.Clean(s)
	}
}
