package kubernetes

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// turn is one time at which a revision of a workload became the one to run.
type turn struct {
	*revision
	number int64
	again  bool      // it had run before: somebody went back to it
	at     time.Time // zero: not known any more
}

// turns are the turns of a workload's revisions, in their order. The controllers number a revision anew when it becomes the
// target once more: of a ReplicaSet the old numbers are kept, of a ControllerRevision they are lost, but then its number
// is higher than that of one which was made after it. When such a later turn came is known of the newest alone.
func turns(w *workload, revisions []*revision) []turn {
	revisions = slices.Clone(revisions)
	slices.SortFunc(revisions, func(a, b *revision) int {
		return cmp.Or(a.created.Compare(b.created), cmp.Compare(first(a), first(b)), cmp.Compare(a.uid, b.uid))
	})
	var out []turn
	lowest := int64(1) << 62
	for _, r := range slices.Backward(revisions) {
		numbers := r.numbers
		if len(numbers) == 0 {
			continue // the controller has not taken it up, and may never
		}
		if first(r) > lowest {
			numbers = append([]int64{lowest - 1}, numbers...)
		}
		lowest = min(lowest, numbers[0])
		for i, n := range numbers {
			t := turn{revision: r, number: n, again: i > 0}
			if !t.again {
				t.at = r.created
			}
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b turn) int { return cmp.Or(cmp.Compare(a.number, b.number), a.created.Compare(b.created)) })
	if last := len(out) - 1; last > 0 && out[last].again && w.template == out[last].template && w.writer.at.After(latest(out[:last])) {
		out[last].at = w.writer.at
	}
	return out
}

func first(r *revision) int64 {
	if len(r.numbers) == 0 {
		return 0
	}
	return r.numbers[0]
}

func latest(ts []turn) time.Time {
	var at time.Time
	for _, t := range ts {
		if t.at.After(at) {
			at = t.at
		}
	}
	return at.Add(-time.Second) // the API server keeps whole seconds
}

// rollouts are the changes of one workload, oldest first.
func (p *Provider) rollouts(w *workload, revisions []*revision) []providers.Change {
	ts := turns(w, revisions)
	out := make([]providers.Change, 0, len(ts))
	for i := range ts {
		var before *turn
		if i > 0 {
			before = &ts[i-1]
		}
		if ts[i].at.IsZero() {
			continue
		}
		out = append(out, p.rollout(w, &ts[i], before, i == len(ts)-1))
	}
	return out
}

func (p *Provider) turnID(w *workload, t *turn) string {
	id := string(p.unitID(w.kind, w.namespace, w.name)) + "@" + providers.Clean(t.uid[:min(8, len(t.uid))])
	if t.again {
		id += fmt.Sprintf(".%d", t.number)
	}
	return id
}

// rollout describes one turn. What only the workload itself tells (who, how far) is known of the newest one alone.
func (p *Provider) rollout(w *workload, t, before *turn, newest bool) providers.Change {
	c := providers.Change{
		ID: p.turnID(w, t), Provider: p.name, Kind: providers.KindDeploy, Service: w.service, Environment: p.cluster.EnvironmentOf(w.namespace),
		Unit: string(p.unitID(w.kind, w.namespace, w.name)), EffectiveFrom: t.at, Artifacts: t.artifacts(),
		To: t.label(before), Commit: t.told.commit, ChangeSet: t.told.changeSet, URL: t.told.url, Author: providers.Author{Name: t.told.author},
		Within: w.within(writer{}),
	}
	if before != nil {
		c.From = before.label(t)
	}
	c.Title = w.name + ": " + difference(before, t)
	if t.again && before != nil {
		c.Kind, c.Title = providers.KindRollback, w.name+": back to "+c.To
		c.Reverts = []string{p.turnID(w, before)}
	}
	about := t.told
	if newest && w.template == t.template {
		if w.told.commit != "" && about.commit == "" {
			c.Commit = w.told.commit
		}
		about = merge(about, w.told)
		c.Author, c.Within = w.writer.author(about), w.within(w.writer)
		c.Rollout, c.EffectiveTo, c.Status = w.progress()
	}
	if about.cause != "" && len(t.numbers) < 2 { // a revision that had two turns tells why it had the last one
		c.Title += " (" + about.cause + ")"
	}
	c.Assistance = about.assistance(t.at)
	providers.CleanChange(&c)
	return c
}

func merge(t, otherwise told) told {
	for _, f := range []struct {
		to   *string
		from string
	}{{&t.author, otherwise.author}, {&t.changeSet, otherwise.changeSet}, {&t.url, otherwise.url}, {&t.cause, otherwise.cause}} {
		*f.to = cmp.Or(*f.to, f.from)
	}
	if t.assisted == "" {
		t.assisted, t.assistedKey = otherwise.assisted, otherwise.assistedKey
	}
	return t
}

// progress is how far the newest revision of a workload has come, as its status says.
func (w *workload) progress() (steps []providers.RolloutStep, end time.Time, status string) {
	steps = slices.Clone(w.seen)
	switch {
	case !w.stuck.since.IsZero():
		return steps, time.Time{}, "failed: progress deadline exceeded"
	case w.replicas == 0:
		return steps, time.Time{}, "scaled to zero"
	case !w.done.IsZero():
		return steps, w.done, "complete"
	default:
		return steps, time.Time{}, "rolling out"
	}
}

// label names a revision so that it cannot be taken for the other: by its images, and where those are the same by its template.
func (t *turn) label(other *turn) string {
	label := shortImages(t.images)
	if other == nil || shortImages(other.images) != label {
		return label
	}
	return label + " (template " + short(t.template) + ")"
}

func difference(before, t *turn) string {
	to := t.label(before)
	switch {
	case before == nil:
		return to
	case before.images == t.images:
		return "pod template " + short(before.template) + " → " + short(t.template)
	default:
		return before.label(t) + " → " + to
	}
}

// shortImages is each image without its registry, and with a digest cut to what a person compares.
func shortImages(images string) string {
	var out []string
	for _, image := range strings.Fields(images) {
		name, digest, pinned := strings.Cut(image, "@")
		name = path.Base(name)
		if pinned {
			name += "@" + short(digest)
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// artifacts are the digests that identify a revision: of what its images are pinned or were resolved to, and of its template.
func (r *revision) artifacts() []string {
	out := imageDigests(r.images)
	for _, d := range r.resolved {
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return append(out, r.template)
}

// imageDigests are the digests that images are pinned to.
func imageDigests(images string) []string {
	var out []string
	for _, image := range strings.Fields(images) {
		if _, digest, pinned := strings.Cut(image, "@"); pinned {
			out = append(out, digest)
		}
	}
	return out
}
