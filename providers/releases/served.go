package releases

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// term is one time that a release served.
type term struct {
	switched
	until  time.Time // zero: it serves now, or nobody knows
	served time.Duration
	words  string // "served 3h12m until 14:02 UTC"; empty: nothing is known
	back   bool   // it ended because an earlier release came back
}

// terms turns switches into spans of service. A span ends with the next switch where the record is one of every switch;
// otherwise only what backout itself saw counts.
func terms(history []switched, log string, now time.Time) []term {
	first, same := map[string]int{}, contents(history)
	for i, s := range history {
		if _, ok := first[same(s)]; !ok {
			first[same(s)] = i
		}
	}
	doubt := unplaced(log) > 0
	out := make([]term, len(history))
	for i, s := range history {
		t := term{switched: s}
		switch {
		case i == len(history)-1:
			t.served, t.words = now.Sub(s.at), "serves since "+providers.Clock(s.at, now)
		default:
			next := history[i+1]
			t.back = first[same(next)] < first[same(s)]
			if next.before == s.label || (s.chain && next.before == "" && !doubt) {
				t.until, t.served = next.at, next.at.Sub(s.at)
				t.words = fmt.Sprintf("served %s until %s", providers.Span(t.served), providers.Clock(next.at, now))
				if s.about {
					t.words = "served about" + strings.TrimPrefix(t.words, "served")
				}
			} else if s.seen.After(s.at) {
				t.served = s.seen.Sub(s.at)
				t.words = fmt.Sprintf("was seen to serve %s, last at %s", providers.Span(t.served), providers.Clock(s.seen, now))
			}
		}
		out[i] = t
	}
	return out
}

// contents gives what two switches to the same content have in common, as far as it is known. A log names no digest: its
// line is about the content that the release of that name is known to have had, if that was always the same.
func contents(history []switched) func(switched) string {
	digests := map[string]string{}
	for _, s := range history {
		switch had, ok := digests[s.label]; {
		case s.digest == "":
		case !ok:
			digests[s.label] = s.digest
		case had != s.digest:
			digests[s.label] = "" // the name was used again for something else
		}
	}
	return func(s switched) string { return cmp.Or(s.digest, cmp.Or(digests[s.label], s.label)) }
}

// good is the evidence that a release served well: a span of at least soak, and the last one not ended by a roll-back.
func good(ts []term, is func(term) bool, soak time.Duration) []string {
	var evidence []string
	for _, t := range ts {
		if !is(t) {
			continue
		}
		if t.back {
			evidence = nil // it was taken back: whatever it had shown before
			continue
		}
		if t.words != "" && t.served >= soak {
			evidence = append(evidence, t.words)
		}
	}
	slices.Reverse(evidence) // the newest says most
	return evidence[:min(len(evidence), 3)]
}

// revision describes one release with what is known of its service. Recorded is when every switch began to be known.
func (u *unit) revision(r release, digest string, ts []term, recorded time.Time) rollback.Revision {
	rev := rollback.Revision{Digest: digest, Label: providers.Clean(r.label), Commit: r.commit()}
	logged := "" // what the log says, where the release itself does not
	for _, t := range ts {
		if t.label == r.label {
			rev.Since, rev.Until = t.at, t.until
			if t.digest == "" || t.digest == digest {
				logged = cmp.Or(commitOf(t.commit), logged)
			}
		}
	}
	rev.Commit = cmp.Or(rev.Commit, logged)
	its := func(t term) bool { return t.label == r.label || (t.digest != "" && t.digest == digest) }
	rev.Good = good(ts, its, u.soak)
	rev.Staged = !slices.ContainsFunc(ts, its) && !recorded.IsZero() && r.made.After(recorded)
	return rev
}

// recordedSince is the time since which every switch is known: a release that was made later and of which no term tells
// never served. That is so since the link that serves now was made, and for as long as a log of switches goes back.
func recordedSince(s sight) time.Time {
	since := s.link.made
	if unplaced(s.log) > 0 {
		return since
	}
	for line := range strings.Lines(s.log) {
		if sw, ok := logLine(strings.TrimSpace(line)); ok && sw.at.Before(since) {
			since = sw.at
		}
	}
	return since
}
