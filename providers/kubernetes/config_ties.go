package kubernetes

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Ties implements rollback.Binder: a revision of a workload and the ConfigMaps and Secrets that it reads by a fixed name, and
// a content of a ConfigMap and the workloads that read it.
func (p *Provider) Ties(ctx context.Context, obs rollback.Observation, to rollback.Revision) ([]rollback.Tie, error) {
	if _, _, ok := p.isConfig(obs.Unit.ID); ok {
		return p.configTies(ctx, obs, to)
	}
	l, err := p.look(ctx, obs.Unit.ID)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(l.revs, func(h held) bool { return h.digest == to.Digest })
	if i < 0 {
		return nil, nil // the plan says that it is gone
	}
	var out []rollback.Tie
	for _, ref := range kube.References(l.revs[i].template) {
		t := term{ref: ref, to: to, soak: p.set.MinSoak}
		var tie *rollback.Tie
		if ref.Secret {
			tie, err = p.secretTie(ctx, l, t)
		} else {
			tie, err = p.configTie(ctx, l, t)
		}
		if err != nil {
			return nil, err
		}
		if tie != nil {
			out = append(out, *tie)
		}
	}
	return out, nil
}

// term is what a revision read, in the time in which it served.
type term struct {
	ref  kube.Reference
	to   rollback.Revision
	soak time.Duration
}

// name is how the revision is called in a sentence.
func (t *term) name() string {
	if t.to.Label != "" {
		return t.to.Label
	}
	return short(t.to.Digest)
}

// lacking are the keys without which a pod of the revision does not start.
func (t *term) lacking(keys map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(t.ref.Keys), func(k string) bool { return keys[k] })
}

// beside is how long the revision served while something that was written then was there.
func (t *term) beside(written time.Time) time.Duration {
	if t.to.Until.IsZero() || !t.to.Until.After(written) {
		return 0
	}
	return t.to.Until.Sub(newerOf(written, t.to.Since))
}

// referred gets what a revision refers to; nil where it is not there, which the plan says, or may not be looked at.
func (p *Provider) referred(ctx context.Context, l *look, t *term) (*kube.Object, *rollback.Tie, error) {
	r := configMaps
	if t.ref.Secret {
		r = secrets
	}
	o, err := p.cluster.Get(ctx, r, l.namespace(), t.ref.Name)
	switch {
	case errors.Is(err, providers.ErrNotFound):
		return nil, nil, nil
	case err != nil && providers.ClassOf(err) == providers.ClassPermanent:
		return nil, &rollback.Tie{Verdict: rollback.Unknown, Text: fmt.Sprintf("%s may not be looked at: whether it changed since %s served is not known", t.ref.Title(), t.name())}, nil
	case err != nil:
		return nil, nil, fmt.Errorf("%s: %s: %w", l.id, t.ref.Title(), err)
	}
	return o, nil, nil
}

func (p *Provider) configTie(ctx context.Context, l *look, t term) (*rollback.Tie, error) {
	o, tie, err := p.referred(ctx, l, &t)
	if o == nil {
		return tie, err
	}
	c := p.readConfig(o)
	if c == nil {
		return nil, nil // its controller renews it
	}
	contents, err := p.holdings(ctx, c)
	if err != nil {
		return nil, err
	}
	now := &contents[len(contents)-1]
	lacking := t.lacking(now.keys())
	at := now.Since
	evidence := fmt.Sprintf("%s was written at %s by %s; %s served from %s to %s", t.ref.Title(), instant(at), c.setting.writer.name, t.name(), instant(t.to.Since), instant(t.to.Until))
	if len(lacking) == 0 && !t.to.Since.IsZero() && !at.After(t.to.Since) {
		return &rollback.Tie{Verdict: rollback.Independent, Unit: c.id, Evidence: evidence, Text: fmt.Sprintf("%s holds what it held when %s began to serve", t.ref.Title(), t.name())}, nil
	}
	then := t.heldThen(contents)
	if then != nil && then.Digest == now.Digest && len(lacking) == 0 {
		return &rollback.Tie{Verdict: rollback.Independent, Unit: c.id, Evidence: evidence, Text: fmt.Sprintf("%s holds again what it held when %s served", t.ref.Title(), t.name())}, nil
	}
	if then == nil || len(t.lacking(then.keys())) > 0 {
		return t.unkept(lacking, at, evidence), nil
	}
	keys := changedKeys(then, now)
	out := rollback.Tie{Verdict: rollback.Coupled, Unit: c.id, To: then.Digest, First: c.id, Evidence: evidence}
	switch {
	case len(lacking) > 0:
		out.Text = fmt.Sprintf("%s needs key %s of %s, which is not there any more: the two go back together, %s first", t.name(), summaryOf(lacking), t.ref.Title(), t.ref.Title())
	case t.beside(at) >= t.soak:
		out.Verdict, out.To = rollback.Conditional, ""
		out.Text = fmt.Sprintf("%s was changed at %s (%s) while %s served, and stays as it is: its new pods begin with it, those of then may have begun before", t.ref.Title(), instant(at), keys, t.name())
	default:
		out.Text = fmt.Sprintf("%s was changed at %s (%s), and %s served with what it held before: the two go back together, %s first, so that its pods do not begin with the new content", t.ref.Title(), instant(at), keys, t.name(), t.ref.Title())
	}
	return &out, nil
}

// heldThen is the content that was there for the longest while the revision served; nil where that is not known.
func (t *term) heldThen(contents []content) *content {
	var best *content
	var longest time.Duration = -1
	if t.to.Until.IsZero() {
		return nil
	}
	for i := range contents {
		from, until := newerOf(contents[i].Since, t.to.Since), t.to.Until
		if i < len(contents)-1 && contents[i+1].Since.Before(until) {
			until = contents[i+1].Since
		}
		if d := until.Sub(from); d > longest {
			best, longest = &contents[i], d
		}
	}
	return best
}

// unkept is a content that changed and that nobody kept.
func (t *term) unkept(lacking []string, at time.Time, evidence string) *rollback.Tie {
	out := rollback.Tie{Verdict: rollback.Unknown, Evidence: evidence}
	switch {
	case len(lacking) > 0:
		out.Verdict = rollback.Blocked
		out.Text = fmt.Sprintf("pods of %s would not start: %s has no key %s, and what it held is not archived: put the key back from its source, then plan again", t.name(), t.ref.Title(), summaryOf(lacking))
	case t.beside(at) >= t.soak:
		out.Verdict = rollback.Conditional
		out.Text = fmt.Sprintf("%s was changed at %s while %s served; what it held before is not archived, so it stays as it is", t.ref.Title(), instant(at), t.name())
	default:
		out.Text = fmt.Sprintf("%s was changed at %s, after or shortly before %s stopped serving, and what it held before is not archived: its pods begin with the new content; look in its source whether that fits, and put it back there first if not", t.ref.Title(), instant(at), t.name())
	}
	return &out
}

// secretTie: of a Secret only keyed digests are known, so it can never be put back from here.
func (p *Provider) secretTie(ctx context.Context, l *look, t term) (*rollback.Tie, error) {
	o, tie, err := p.referred(ctx, l, &t)
	if o == nil {
		return tie, err
	}
	keys := map[string]bool{}
	for key := range object(o.Object, "data") {
		keys[key] = true
	}
	at := newerOf(writerOf(o, "data").at, o.GetCreationTimestamp().UTC())
	evidence := fmt.Sprintf("%s was written at %s; %s served from %s to %s", t.ref.Title(), instant(at), t.name(), instant(t.to.Since), instant(t.to.Until))
	lacking := t.lacking(keys)
	switch {
	case len(lacking) > 0:
		return &rollback.Tie{Verdict: rollback.Blocked, Evidence: evidence, Text: fmt.Sprintf("pods of %s would not start: %s has no key %s; backout keeps no values of Secrets: restore %s from its source system, then plan again", t.name(), t.ref.Title(), summaryOf(lacking), t.ref.Title())}, nil
	case !t.to.Since.IsZero() && !at.After(t.to.Since):
		return &rollback.Tie{Verdict: rollback.Independent, Evidence: evidence, Text: fmt.Sprintf("%s was not changed since %s began to serve", t.ref.Title(), t.name())}, nil
	}
	what := "its values"
	if err := p.chronicle.load(ctx); err == nil {
		if changed := p.changedSince(place{"secret", l.namespace(), t.ref.Name}, t.to.Since); len(changed) > 0 {
			what = "key " + providers.Few(changed, 6)
		}
	}
	out := rollback.Tie{Verdict: rollback.Unknown, Evidence: evidence, Text: fmt.Sprintf(
		"%s was changed at %s (%s), and %s served with what it held before; backout keeps no values of Secrets: if that version needs them, restore %s from its source system first", t.ref.Title(), instant(at), what, t.name(), t.ref.Title())}
	if t.beside(at) >= t.soak {
		out.Verdict = rollback.Conditional
	}
	return &out, nil
}

// changedSince are the keys of a ConfigMap or Secret that were seen to change.
func (p *Provider) changedSince(at place, since time.Time) []string {
	var out []string
	for _, c := range p.chronicle.all(at) {
		if c.At().After(since) {
			out = append(out, c.Paths...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// configTies are those who read a ConfigMap: whether they can with what it is to hold.
func (p *Provider) configTies(ctx context.Context, obs rollback.Observation, to rollback.Revision) ([]rollback.Tie, error) {
	c, err := p.config(ctx, obs.Unit.ID)
	if err != nil {
		return nil, err
	}
	contents, err := p.holdings(ctx, c)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(contents, func(h content) bool { return h.Digest == to.Digest })
	if i < 0 {
		return nil, nil // the plan says that it is gone
	}
	readers, err := p.readers(ctx, c.at())
	if err != nil {
		return nil, err
	}
	var out []rollback.Tie
	for j := range readers {
		r := &readers[j]
		t := term{ref: r.ref, soak: p.set.MinSoak}
		if lacking := t.lacking(contents[i].keys()); len(lacking) > 0 {
			out = append(out, rollback.Tie{Verdict: rollback.Coupled, Unit: r.id, First: c.id, Text: fmt.Sprintf(
				"%s needs key %s, which %s does not hold: it has to go back too", r.title(), summaryOf(lacking), short(to.Digest))})
			continue
		}
		began := r.began()
		tie := rollback.Tie{Verdict: rollback.Independent, Unit: r.id, First: c.id, Evidence: fmt.Sprintf("what %s runs began at %s", r.title(), instant(began)), Text: r.title() + " ran with that content"}
		if began.IsZero() || !to.Until.IsZero() && !began.Before(to.Until) {
			tie.Verdict = rollback.Conditional
			tie.Text = fmt.Sprintf("what %s runs was rolled out at %s, and never ran with what %s held before", r.title(), instant(began), t.ref.Title())
		}
		out = append(out, tie)
	}
	return out, nil
}

// began is when the content that a workload is to run was made; zero where that is not known.
func (l *look) began() time.Time {
	i := current(l.live, l.revs)
	if i < 0 || l.revs[i].renewed {
		return time.Time{}
	}
	return l.revs[i].object.GetCreationTimestamp().UTC()
}

func instant(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// digestOfText is the beginning of a digest, to tell two apart.
func digestOfText(text string) string { return short(contentDigest(sha256.New(), text)) }
