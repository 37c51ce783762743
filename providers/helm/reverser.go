package helm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Units implements rollback.Reverser: every release that may be read and is not uninstalled.
func (p *Provider) Units(ctx context.Context) iter.Seq2[rollback.Unit, error] {
	return func(yield func(rollback.Unit, error) bool) {
		all, err := p.look(ctx)
		if err != nil {
			yield(rollback.Unit{}, err)
			return
		}
		for _, key := range slices.Sorted(maps.Keys(all)) {
			if all[key][0].status != statusUninstalled && !yield(p.unit(all[key][0].coordinates), nil) {
				return
			}
		}
	}
}

func (p *Provider) unit(c coordinates) rollback.Unit {
	return rollback.Unit{ID: p.id(c), Kind: "helm release", Service: p.service(c), Environment: p.cluster.EnvironmentOf(c.namespace), CAS: rollback.CASAtomic}
}

// token names the newest record and what is stored in it.
func (r *record) token() string { return r.label() + "/" + r.payload }

// Observe implements rollback.Reverser. The stamp is the operation in the newest record's description.
func (p *Provider) Observe(ctx context.Context, id rollback.UnitID) (obs rollback.Observation, err error) {
	c, err := p.locate(id)
	if err != nil {
		return obs, err
	}
	ctx, done := p.bounded(ctx)
	defer func() { done(err) }()
	records, err := p.history(ctx, c)
	if err != nil {
		return obs, err
	}
	newest := records[0]
	if newest.broken != nil {
		return obs, fmt.Errorf("%s: what serves cannot be identified: %w", id, newest.broken)
	}
	now := p.now().UTC()
	obs = rollback.Observation{Unit: p.unit(c), At: now, Token: newest.token(), Stamp: newest.operation(), Delivers: p.chart(c)}
	revisions := p.revisions(records)
	obs.Current, obs.History = revisions[0], revisions[1:]
	p.doubt(&obs, records, now)
	full, err := p.content(ctx, newest)
	if err != nil {
		return obs, err
	}
	objects, _, err := p.objects(ctx, full, c)
	if err != nil {
		return obs, err
	}
	obs.Owners = owners(objects)
	if err := p.serving(ctx, records, objects, &obs); err != nil {
		return obs, err
	}
	if newest.pending() {
		held, err := p.held(ctx, records, objects, now)
		if err != nil {
			return obs, err
		}
		if held != "" {
			obs.InFlight = fmt.Sprintf("%s of revision %s since %s (%s)", newest.status, newest.label(), providers.Clock(newest.at, now), held)
			if newest.stamp != "" {
				obs.InFlight += ", backout operation " + newest.operation()
			}
		}
	}
	return obs, nil
}

// doubt gives the current revision a digest of its own where the newest record does not say what is live: an uninstalled
// release, or one whose upgrade or rollback failed on the way to a content that was there before. An operation of backout
// that failed a moment ago keeps the content's digest, so that its run can tell what it did.
func (p *Provider) doubt(obs *rollback.Observation, records []*record, now time.Time) {
	newest := records[0]
	again := slices.ContainsFunc(records[1:], func(r *record) bool { return r.digest == newest.digest })
	ours := newest.stamp != "" && now.Sub(newest.at) < p.s.PendingAfter
	switch {
	case newest.status == statusUninstalled:
	case (newest.status == statusFailed || newest.pending()) && again && !ours:
	default:
		return
	}
	obs.History = slices.Insert(slices.Clone(obs.History), 0, obs.Current)
	sum := sha256.Sum256([]byte(newest.status + " " + newest.uid + " " + newest.digest))
	obs.Current.Digest, obs.Current.Good = "sha256:"+hex.EncodeToString(sum[:]), nil
	obs.Current.Label = newest.label() + " (" + newest.status + ")"
	if newest.status == statusFailed || newest.pending() {
		obs.History = obs.History[1:]
	}
}

// owners are those that would write the objects of a release again, beside Helm.
func owners(objects []*object) []string {
	var out []kube.Owner
	for _, o := range objects {
		for _, k := range kube.OwnersOf(&o.Object) {
			if k.Kind != kube.OwnerChart && !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return kube.OwnerWords(out)
}
