package helm

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// revisions describes the records of a release, the newest first, with what is known of how each served. A record that
// cannot be read is left out: nothing can go back to it.
func (p *Provider) revisions(records []*record) []rollback.Revision {
	now := p.now().UTC()
	evidence := p.evidence(records, now)
	var out []rollback.Revision
	for i, r := range records {
		if r.digest == "" {
			continue
		}
		rev := rollback.Revision{Digest: r.digest, Label: r.label(), Commit: r.said(commitKeys), Since: r.at, Good: evidence[r.digest]}
		if i > 0 {
			rev.Until = records[i-1].at
		} else if !r.deleted.IsZero() {
			rev.Until = r.deleted
		}
		out = append(out, rev)
	}
	return out
}

// evidence is, by content, how it served well: Helm finished it (deployed, or superseded by a later one), and it was the
// newest record for at least min_soak. What was rolled back from is not good, whatever it had shown before. Helm says
// "superseded" also of a failed upgrade whose rollback failed, so its description counts too.
func (p *Provider) evidence(records []*record, now time.Time) map[string][]string {
	out := map[string][]string{}
	for i, r := range slices.Backward(records) {
		if r.digest == "" {
			continue
		}
		if i > 0 && records[i-1].takesBack(r) {
			delete(out, r.digest)
			continue
		}
		if !r.finished() {
			continue
		}
		switch {
		case i == 0 && now.Sub(r.at) >= p.s.MinSoak:
			out[r.digest] = append(out[r.digest], "deployed, serves since "+providers.Clock(r.at, now))
		case i == 0:
		case records[i-1].revision != r.revision+1: // records between them were pruned: nobody knows when it ended
		case records[i-1].at.Sub(r.at) >= p.s.MinSoak:
			until := records[i-1].at
			out[r.digest] = append(out[r.digest], fmt.Sprintf("%s, served %s until %s", r.status, providers.Span(until.Sub(r.at)), providers.Clock(until, now)))
		}
	}
	for digest, lines := range out {
		slices.Reverse(lines)
		out[digest] = lines[:min(len(lines), 3)]
	}
	return out
}

func (r *record) finished() bool {
	return (r.status == statusDeployed || r.status == statusSuperseded) && !strings.Contains(r.about, " failed: ")
}

// takesBack reports whether this record is a rollback from another one's content.
func (r *record) takesBack(from *record) bool {
	return (r.backTo > 0 || r.stamp != "") && r.digest != from.digest
}
