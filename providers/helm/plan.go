package helm

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

const actionRollback = "helm rollback"

// mechanismVersion rises when a rollback does something else than before.
const mechanismVersion = "1"

// way is what Plan knows of the two ends.
type way struct {
	from, to           *record
	current, target    *release
	before, after      []*object
	goneNow, goneAfter []string           // objects of a kind or version that the cluster does not serve
	lives              map[string]*object // what is there of both, by key
	half               string             // what an operation that ended half way left
}

// Plan implements rollback.Reverser: one rollback to one explicit revision.
func (p *Provider) Plan(ctx context.Context, obs rollback.Observation, to rollback.Revision) (prop rollback.Proposal, err error) {
	c, err := p.locate(obs.Unit.ID)
	if err != nil {
		return prop, err
	}
	ctx, done := p.bounded(ctx)
	defer func() { done(err) }()
	records, err := p.history(ctx, c)
	if err != nil {
		return prop, err
	}
	target := find(records, to)
	if target == nil {
		prop.Missing = []string{fmt.Sprintf("revision %s (%s) is no longer in the history of %s: choose another one, or raise --history-max for the next time", cmp.Or(to.Label, "without a name"), to.Digest, c.release)}
		prop.LookedAt(rollback.LostArtifact, "the revision to go back to", 0)
		return prop, nil
	}
	w := way{from: records[0], to: target}
	if err := p.ends(ctx, c, &w); err != nil {
		return prop, err
	}
	prop.Steps = []rollback.Step{{
		N: 1, Unit: obs.Unit.ID, Action: actionRollback, From: obs.Current.Digest, To: to.Digest, Token: obs.Token,
		Title: fmt.Sprintf("helm rollback %s to %s: %s", c.release, target.label(), target.title),
		Args:  map[string]string{"revision": strconv.Itoa(target.revision), "payload": target.payload},
	}}
	prop.Mechanism = rollback.MechanismOf("helm rollback", mechanismVersion, map[string]any{"driver": p.s.Driver, "hook_timeout": p.s.HookTimeout.String()})
	prop.Diff = difference(w.before, w.after)
	prop.Blast = blast(w.before, w.after)
	if slices.ContainsFunc(w.after, (*object).workload) {
		prop.Checks = []string{checkReady}
	}
	if err := p.judge(ctx, c, records, &w, &prop); err != nil {
		return prop, err
	}
	if w.from.pending() && obs.InFlight == "" {
		prop.Warnings = append(prop.Warnings, fmt.Sprintf("revision %s was left %s at %s by a client that is gone: nothing was written since, no hook runs, and every object is as that revision or the one before it has it; this rollback frees the release",
			w.from.label(), w.from.status, providers.Clock(w.from.at, p.now())))
	}
	prop.NotRestored = append(prop.NotRestored, "data: databases, volumes, and what Jobs, hooks and pods have written since "+w.from.label())
	return prop, nil
}

// find is the record with a revision's content; the one with its label, where several have it, else the newest that Helm finished.
func find(records []*record, to rollback.Revision) *record {
	var found *record
	for _, r := range records {
		if r.digest != to.Digest || (r.pending() && r.label() != to.Label) {
			continue
		}
		if r.label() == to.Label {
			return r
		}
		if found == nil || (!found.finished() && r.finished()) {
			found = r
		}
	}
	return found
}

// ends reads both manifests.
func (p *Provider) ends(ctx context.Context, c coordinates, w *way) (err error) {
	if w.current, err = p.content(ctx, w.from); err != nil {
		return err
	}
	if w.target, err = p.content(ctx, w.to); err != nil {
		return err
	}
	if w.before, w.goneNow, err = p.objects(ctx, w.current, c); err != nil {
		return err
	}
	w.after, w.goneAfter, err = p.objects(ctx, w.target, c)
	return err
}

// see reads what is there of both ends.
func (p *Provider) see(ctx context.Context, w *way) error {
	w.lives = map[string]*object{}
	for _, o := range append(slices.Clone(w.after), without(w.before, w.after)...) {
		live, err := p.live(ctx, o)
		if err != nil {
			return err
		}
		if live != nil {
			w.lives[o.key()] = live
		}
	}
	return nil
}

// judge fills in what is destroyed, missing and worth a warning.
func (p *Provider) judge(ctx context.Context, c coordinates, records []*record, w *way, prop *rollback.Proposal) error {
	if err := p.see(ctx, w); err != nil {
		return err
	}
	if _, err := p.program(); err != nil {
		prop.Missing = append(prop.Missing, err.Error())
	}
	for _, o := range w.goneAfter {
		prop.Missing = append(prop.Missing, fmt.Sprintf("%s is of a version or kind that this cluster does not serve: Helm cannot go back to it; upgrade to a chart without it", o))
	}
	for _, o := range w.goneNow {
		if !slices.Contains(w.goneAfter, o) {
			prop.Missing = append(prop.Missing, fmt.Sprintf("%s of the current revision is of a version or kind that this cluster no longer serves: Helm cannot work with it", o))
		}
	}
	if len(w.after) == 0 && len(w.before) > 0 {
		prop.Missing = append(prop.Missing, fmt.Sprintf("revision %s has no object at all: going back to it would delete all %d of the release", w.to.label(), len(w.before)))
	}
	if err := p.deletions(ctx, w, prop); err != nil {
		return err
	}
	prop.LookedAt(rollback.LostArtifact, "both revisions, the kinds that they need, and the program that goes back", 0)
	n := len(prop.Missing)
	if err := p.rights(ctx, w, prop); err != nil {
		return err
	}
	prop.LookedAt(rollback.LostRight, "what the API server says that you may do", n)
	n = len(prop.Missing)
	if err := p.rehearse(ctx, c, w, prop); err != nil {
		return err
	}
	prop.LookedAt(rollback.LostArtifact, "a dry run of each object on the API server", n)
	hooks(w.target, prop)
	remarks(w, prop)
	return p.remains(ctx, c, records, w, prop)
}

// remains tells of what an earlier operation left half done, of what stays whatever is done, and of what a person can do
// where Helm cannot.
func (p *Provider) remains(ctx context.Context, c coordinates, records []*record, w *way, prop *rollback.Proposal) error {
	if err := p.halves(ctx, c, records, w); err != nil {
		return err
	}
	if w.half != "" {
		prop.Warnings = append(prop.Warnings, w.half)
	}
	left, others := strangers(c, w)
	for _, name := range others {
		prop.Missing = append(prop.Missing, name+" is there and is not of this release: Helm would take it over and change it; rename or remove it first")
	}
	if len(left) > 0 {
		prop.Warnings = append(prop.Warnings, fmt.Sprintf("still there although %s does not have it: %s; it is changed in place (an older helm stops here: no ... with the name ... found)", w.from.label(), listed(left)))
	}
	behind, err := p.leftovers(ctx, c, records, w)
	if err != nil {
		return err
	}
	if len(behind) > 0 {
		prop.NotRestored = append(prop.NotRestored, "left behind by an operation that ended half way, and in neither revision: "+listed(behind))
	}
	for _, o := range w.after {
		if live := w.lives[o.key()]; live != nil {
			if stays := foreign(live, o); len(stays) > 0 {
				prop.NotRestored = append(prop.NotRestored, fmt.Sprintf("%s keeps what others have set beside the chart: %s", providers.Clean(o.String()), listed(stays)))
			}
		}
	}
	if len(prop.Missing) == 0 {
		return nil
	}
	text, err := p.byHand(ctx, c, w, behind)
	if text != "" {
		prop.Warnings = append(prop.Warnings, text)
	}
	return err
}

// hooks names what the target's own hooks would do: those of the newer chart never run in a rollback.
func hooks(target *release, prop *rollback.Proposal) {
	for _, event := range []string{"pre-rollback", "post-rollback"} {
		for _, h := range target.Hooks {
			if !slices.Contains(h.Events, event) {
				continue
			}
			text := fmt.Sprintf("runs the %s hook %s %s of the old chart", event, h.Kind, h.Name)
			if h.Kind == "Job" && !slices.Contains(h.DeletePolicies, "before-hook-creation") && len(h.DeletePolicies) > 0 {
				if target.ApplyMethod == "ssa" {
					text += "; one that is left of an earlier run is taken for this one's, and does not run again"
				} else {
					text += "; one that is left of an earlier run stops it"
				}
			}
			prop.Warnings = append(prop.Warnings, providers.Clean(text))
		}
	}
}

// remarks say what a rollback of this kind does not do.
func remarks(w *way, prop *rollback.Proposal) {
	for _, f := range append(slices.Clone(w.current.Chart.Files), w.target.Chart.Files...) {
		if strings.HasPrefix(f.Name, "crds/") {
			prop.NotRestored = append(prop.NotRestored, "the CustomResourceDefinitions of the chart's crds directory, which Helm neither upgrades nor takes back")
			break
		}
	}
	old := index(w.before)
	for _, o := range w.after {
		was := old[o.key()]
		switch {
		case o.GetKind() == "Secret" && o.group() == "":
			if rotated(o, w.lives[o.key()]) {
				prop.Warnings = append(prop.Warnings, fmt.Sprintf("%s goes back to what it held in %s: what was rotated since no longer works", o, w.to.label()))
				prop.Exposes = append(prop.Exposes, rollback.Exposure{What: providers.Clean(fmt.Sprintf("%s holds again what it held in %s: a credential that was replaced comes back", o, w.to.label())), Evidence: providers.Clean(o.String())})
			}
		case was == nil:
		case custom(o) && w.target.ApplyMethod != "ssa":
			prop.Warnings = append(prop.Warnings, fmt.Sprintf("%s is a custom resource: what was changed by hand stays, because Helm compares only the two revisions", o))
		}
	}
}

// rotated reports whether a Secret holds something else now, or is gone, so that a release whose values came from elsewhere
// brings old ones back.
func rotated(o, live *object) bool {
	if live == nil {
		return true
	}
	now, _, _ := unstructured.NestedStringMap(live.Object.Object, "data") // none: it holds nothing
	for _, part := range []string{"data", "stringData"} {
		then, _, _ := unstructured.NestedMap(o.Object.Object, part)
		for k, v := range then {
			want := fmt.Sprint(v)
			if part == "stringData" {
				want = base64.StdEncoding.EncodeToString([]byte(want))
			}
			if now[k] != want {
				return true
			}
		}
	}
	return false
}

// custom reports whether an object is of a kind that Kubernetes itself does not have.
func custom(o *object) bool {
	g := o.group()
	return strings.Contains(g, ".") && !strings.HasSuffix(g, ".k8s.io")
}

func blast(before, after []*object) string {
	old, changed, pods := index(before), 0, 0
	for _, o := range after {
		if was := old[o.key()]; was == nil || !same(was, o) {
			changed++
			if o.workload() {
				pods++
			}
		}
	}
	changed += len(without(before, after))
	text := fmt.Sprintf("%d of %d objects", changed, len(after)+len(without(before, after)))
	if pods > 0 {
		text += fmt.Sprintf(", pods of %d workloads", pods)
	}
	return text
}
