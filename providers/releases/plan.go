package releases

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

const noCAS = "no compare-and-set: this host cannot exchange two names in one step, so between the last look and the switch " +
	"somebody else's switch would be overwritten; deploy nothing to it meanwhile"

// Plan implements rollback.Reverser: one switch, with the difference between the two releases.
func (p *Provider) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (prop rollback.Proposal, err error) {
	u, err := p.unit(obs.Unit.ID)
	if err != nil {
		return prop, err
	}
	ctx, done := p.bounded(ctx)
	defer func() { done(err) }()
	s, digests, err := p.survey(ctx, u)
	if err != nil {
		return prop, err
	}
	r, ok := find(s, digests, to)
	if !ok {
		prop.Missing = []string{fmt.Sprintf("release %s (%s) is no longer in %s: deploy it again, or choose another revision", cmp.Or(to.Label, "without a name"), to.Digest, u.releases)}
		prop.LookedAt(rollback.LostArtifact, "the release to go back to, by the digest of its content", 0)
		return prop, nil
	}
	prop.Steps = []rollback.Step{{
		N: 1, Unit: u.id, Action: actionSwitch, Title: u.title(r), From: obs.Current.Digest, To: to.Digest, Token: obs.Token,
		Args: map[string]string{"release": printable(r.label)},
	}}
	prop.Mechanism = u.mechanism(p.host.cas(u))
	prop.Blast = "1 host" // a unit is one link on one host
	for _, c := range u.checks {
		prop.Checks = append(prop.Checks, providers.Clean(c.Name))
	}
	prop.LookedAt(rollback.LostArtifact, "the release to go back to, by the digest of its content", 0)
	prop.Missing = append(prop.Missing, s.problems...)
	if !r.writable {
		prop.Missing = append(prop.Missing, fmt.Sprintf("no right to write to %s, where the switch leaves its stamp: run backout as the user who deploys", u.dir(r.label)))
	}
	prop.LookedAt(rollback.LostRight, "whether you may switch the link and write to the release", 0)
	if p.host.cas(u) != rollback.CASAtomic {
		prop.Warnings = append(prop.Warnings, noCAS)
	}
	return prop, p.compare(ctx, u, s.link.label, r.label, obs, &prop)
}

func (u *unit) title(r release) string {
	t := fmt.Sprintf("switch %s to %s", u.current, providers.Clean(r.label))
	if len(u.reload) > 0 {
		t += ", then run " + providers.Clean(strings.Join(u.reload, " "))
	}
	return t
}

// find is the release with a revision's content; the one that has its label too, where several have the content.
func find(s sight, digests map[string]string, to rollback.Revision) (release, bool) {
	var found release
	ok := false
	for _, r := range s.releases {
		if digests[r.label] != to.Digest {
			continue
		}
		if providers.Clean(r.label) == to.Label {
			return r, true
		}
		found, ok = r, true
	}
	return found, ok
}

// compare fills in what differs and what a switch leaves as it is.
func (p *Provider) compare(ctx context.Context, u *unit, from, to string, obs rollback.Observation, prop *rollback.Proposal) error {
	before, err := p.host.manifest(ctx, u, from)
	if err != nil {
		return fmt.Errorf("%s: read what serves: %w", u.id, err)
	}
	after, err := p.host.manifest(ctx, u, to)
	if err != nil {
		return fmt.Errorf("%s: read the release to go back to: %w", u.id, err)
	}
	byPath(before)
	byPath(after)
	d := differ{ctx: ctx, host: p.host, u: u, from: from, to: to}
	prop.Diff, prop.ChangeClass = d.diff(before, after), changeClass(before, after)
	if d.err != nil {
		return fmt.Errorf("%s: compare the releases: %w", u.id, d.err)
	}
	prop.NotRestored = []string{"data written since " + cmp.Or(obs.Current.Label, "the current release") + " went live: databases, queues, caches and files outside the release directory"}
	if len(u.reload) == 0 {
		prop.Warnings = append(prop.Warnings, "no reload is configured: it takes effect when "+u.service+" follows the link by itself")
	}
	for _, e := range after {
		if e.kind == 'l' && leaves(e) {
			prop.NotRestored = append(prop.NotRestored, fmt.Sprintf("%s, which the release only links to (%s)", providers.Clean(e.link), providers.Clean(e.path)))
		}
		if len(prop.NotRestored) > 20 {
			prop.NotRestored[20] = "and more that the release only links to"
			break
		}
	}
	prop.Estimate = p.estimate(ctx, u)
	return nil
}

// leaves reports whether a link leads out of its release, so that both releases share what it points to.
func leaves(e entry) bool {
	if strings.HasPrefix(e.link, "/") {
		return true
	}
	in := path.Join(path.Dir(e.path), e.link)
	return in == ".." || strings.HasPrefix(in, "../")
}
