package rollback

import (
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// choice is where a unit stands and where it may go. Revs are the newest first; Culprit is the index of the revision that
// is to be taken back, Target the index of the one to go back to.
type choice struct {
	revs    []Revision
	culprit int
	found   bool // the culprit was found by what it carries, not by time or for lack of better
	target  int
	gone    bool // the culprit is not what is served now
	forward bool // the target is something that backout once rolled back from
}

// taken are the revisions that go when the unit goes back to the target: what never served is not among them.
func (ch choice) taken() []Revision {
	if ch.target > 0 && len(ch.revs[ch.target].Without) > 0 {
		return slices.DeleteFunc(slices.Clone(ch.revs), func(r Revision) bool {
			return r.Staged || !slices.Contains(ch.revs[ch.target].Without, r.Digest)
		})
	}
	return slices.DeleteFunc(slices.Clone(ch.revs[:max(ch.target, 0)]), func(r Revision) bool { return r.Staged })
}

// locate finds the revision that a change brought to a unit.
func (w *world) locate(id UnitID, c *providers.Change) choice {
	ch := choice{revs: revisions(w.obs[id]), target: -1}
	if c == nil {
		ch.found = true
		return ch
	}
	ch.culprit, ch.found = brought(ch.revs, c)
	if !ch.found && !c.EffectiveFrom.IsZero() {
		for i, r := range ch.revs {
			if !r.Since.IsZero() && !r.Since.Before(c.EffectiveFrom) {
				ch.culprit = i
			}
		}
	}
	ch.gone = w.isGone(id, ch)
	return ch
}

// brought is the revision that says best that it carries what the change brought. The oldest one counts, as a re-deployment
// of the same content is the same change.
func brought(revs []Revision, c *providers.Change) (at int, found bool) {
	best := 0
	for i, r := range revs {
		if n := bears(r, c); n > 0 && n >= best && !r.Staged {
			at, best = i, n
		}
	}
	return at, best > 0
}

// isGone reports that what is served now is known to be from before the culprit: it stands in the history below it, or
// backout itself left the culprit for it.
func (w *world) isGone(id UnitID, ch choice) bool {
	now := ch.revs[0].Digest
	if ch.culprit == 0 || ch.revs[ch.culprit].Digest == now {
		return false
	}
	below := slices.ContainsFunc(ch.revs[ch.culprit+1:], func(r Revision) bool { return r.Digest == now })
	return below || w.left[id][ch.revs[ch.culprit].Digest] != ""
}

// choose sets the target: the one asked for, else the newest known good one from before the culprit whose content is not
// served now and which backout did not already roll back from.
func (w *world) choose(id UnitID, ch *choice, to string) error {
	if to == "" {
		to = w.fixed[id]
	}
	if to != "" {
		i, err := find(ch.revs, to)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		ch.target = i
		ch.forward = w.left[id][ch.revs[i].Digest] != ""
		return nil
	}
	if ch.gone {
		ch.target = 0
		return nil
	}
	for i := ch.culprit + 1; i < len(ch.revs); i++ {
		if w.offers(id, *ch, i) {
			ch.target = i
			return nil
		}
	}
	return fmt.Errorf("%s: %w", id, ErrNoTarget)
}

func (w *world) offers(id UnitID, ch choice, i int) bool {
	r := ch.revs[i]
	leaves := r.Digest != ch.revs[0].Digest && r.Digest != ch.revs[ch.culprit].Digest
	return len(r.Good) > 0 && !r.Staged && leaves && w.left[id][r.Digest] == ""
}

// others are the revisions that a person could choose instead, each content once.
func (ch choice) others() []Revision {
	var out []Revision
	seen := map[string]bool{ch.revs[0].Digest: true}
	if ch.target >= 0 {
		seen[ch.revs[ch.target].Digest] = true
	}
	for _, r := range ch.revs {
		if !seen[r.Digest] {
			seen[r.Digest] = true
			out = append(out, r)
		}
	}
	return out
}

const shortDigest = 6 // the shortest prefix of a digest that may name it

// find resolves what a person typed: a label or a digest, whole or as a unique beginning.
func find(revs []Revision, to string) (int, error) {
	match := func(is func(Revision) bool) (int, error) {
		at := -1
		for i, r := range revs {
			if !is(r) || (at >= 0 && revs[at].Digest == r.Digest) {
				continue
			}
			if at >= 0 {
				return -1, fmt.Errorf("%q could be %s or %s: name the digest: %w", to, revs[at].Digest, r.Digest, ErrNotFound)
			}
			at = i
		}
		return at, nil
	}
	at, err := match(func(r Revision) bool { return r.Digest == to || r.Label == to })
	if at < 0 && err == nil && len(strings.TrimPrefix(to, "sha256:")) >= shortDigest {
		at, err = match(func(r Revision) bool {
			return strings.HasPrefix(r.Digest, to) || strings.HasPrefix(strings.TrimPrefix(r.Digest, "sha256:"), to)
		})
	}
	if err != nil {
		return -1, err
	}
	if at < 0 {
		return -1, fmt.Errorf("there is no revision %q to go back to%s: %w", to, offered(revs), ErrNotFound)
	}
	return at, nil
}

// offered names the revisions that there are: one that a person knows of may have been deleted.
func offered(revs []Revision) string {
	const most = 5
	var names []string
	for _, r := range revs {
		if n := name(r); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) > most {
		names = append(names[:most], "...")
	}
	return ", only " + strings.Join(names, ", ")
}

// name is how a revision is called in a sentence.
func name(r Revision) string {
	if r.Label != "" {
		return r.Label
	}
	return brief(r.Digest)
}

func brief(digest string) string {
	d := strings.TrimPrefix(digest, "sha256:")
	return d[:min(len(d), 12)]
}
