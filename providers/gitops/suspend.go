package gitops

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// What a step and a measure say of the reconciler, and of what is taken back.
const (
	argKind      = "kind"
	argNamespace = "namespace"
	argName      = "name"
	argUID       = "uid"
	argWas       = "was"
	argFor       = "for"

	argLeafKind      = "source_kind" // the reconciler that deploys the unit itself
	argLeafNamespace = "source_namespace"
	argLeafName      = "source_name"
	argRevision      = "revision" // which it had deployed when the plan was made
	argChart         = "chart"    // the revision of its chart, for a HelmRelease
	argObject        = "object"   // the unit, as kind namespace/name
	argContent       = "content"  // the digest of what is taken back
)

const actionHold = "hold back"

func itoa(n int) string { return strconv.Itoa(n) }

// held is one reconciler that has to be held back, from below.
type held struct {
	*node
	application string   // which one an ApplicationSet is to leave alone
	why         []string // beyond its own
}

// Suspend implements rollback.Suspender: for each reconciler that owns the unit, itself and whoever would start it again.
func (p *Provider) Suspend(ctx context.Context, obs rollback.Observation, _ rollback.Revision) (s rollback.Suspension, err error) {
	provider, _, _ := strings.Cut(string(obs.Unit.ID), ":")
	if !p.asks(provider) {
		return s, nil
	}
	start := p.now()
	defer func() { p.Done(start, err) }()
	of := workloadOf(obs.Unit)
	for _, word := range obs.Owners {
		o, ok := kube.ParseOwner(word)
		if !ok || kindOf(o.Kind) == nil || o.Kind == ownerSet {
			continue
		}
		leaf, err := p.find(ctx, o, of)
		if err != nil {
			return rollback.Suspension{}, err
		}
		if err := p.hold(ctx, leaf, of, &s); err != nil {
			return rollback.Suspension{}, err
		}
	}
	return s, nil
}

// hold adds what has to be done to a reconciler of the unit and to those above it, the highest first.
func (p *Provider) hold(ctx context.Context, leaf *node, of workload, s *rollback.Suspension) error {
	var up []held
	var notes []string
	if err := p.climb(ctx, held{node: leaf}, map[string]bool{}, &up, &notes); err != nil {
		return err
	}
	base, err := p.taken(ctx, leaf, of)
	if err != nil {
		return err
	}
	source := p.source(ctx, leaf)
	for i := len(up) - 1; i >= 0; i-- {
		if err := p.stopOne(ctx, up[i], base, source, s); err != nil {
			return err
		}
	}
	s.Warnings = append(s.Warnings, notes...)
	s.Warnings = append(s.Warnings, p.caveats(leaf, of, up)...)
	if s.LastingFix == "" {
		s.LastingFix = p.fix(ctx, leaf, source, base[argRevision])
	}
	return nil
}

// climb follows who would start a reconciler again, from below. It notes what it leaves as it is.
func (p *Provider) climb(ctx context.Context, at held, seen map[string]bool, up *[]held, notes *[]string) error {
	if key := at.String() + at.application; seen[key] {
		return nil
	} else if seen[key] = true; len(seen) > highest {
		return fmt.Errorf("%s has more than %d reconcilers above it", at.node, highest)
	}
	ours := at.stamp() != nil
	if at.running() || ours {
		*up = append(*up, at)
	} else {
		*notes = append(*notes, fmt.Sprintf("%s is held back already, and not by backout: whoever lets it go brings back what is taken back", at.node))
	}
	parents, err := p.parents(ctx, at.node)
	if err != nil {
		return err
	}
	for _, parent := range parents {
		yes, why := parent.undoes(at.node)
		if parent.stamp() != nil {
			yes = true // it was held back for the same reason, and has to stay so for this one
		}
		switch {
		case yes:
			next := held{node: parent, why: []string{why}}
			if parent.word == ownerSet {
				next.application = at.object.GetName()
			}
			if err := p.climb(ctx, next, seen, up, notes); err != nil {
				return err
			}
		case why != "":
			*notes = append(*notes, why)
			if parent.at("spec", "wait") == true {
				*notes = append(*notes, fmt.Sprintf("%s waits for what it deploys (wait: true): while %s is held back it may hang until its timeout, and say that it failed", parent, at.node))
			}
		}
	}
	return nil
}

// stopOne adds the step and the measure for one reconciler, and what is missing for it.
func (p *Provider) stopOne(ctx context.Context, h held, base map[string]string, source string, s *rollback.Suspension) error {
	args := map[string]string{
		argKind: h.word, argNamespace: h.object.GetNamespace(), argName: h.object.GetName(), argUID: string(h.object.GetUID()), argFor: h.application,
	}
	was := raw(h.at(h.field...))
	if mark := h.stamp(); mark != nil && (h.word == ownerSet || h.off(h.application)) {
		was = mark.Was
		s.Warnings = append(s.Warnings, fmt.Sprintf("%s is held back by backout already: %s; it stays so until both let it go", h.node, mark.credit(p.now())))
	}
	args[argWas] = string(was)
	for k, v := range base {
		args[k] = v
	}
	m, step := h.words()
	m.Exit, m.TTL, m.Args = fmt.Sprintf("%s no longer holds what is taken back", source), p.set.MeasureTTL, args
	m.ID = h.object.GetNamespace() + "/" + strings.ToLower(h.kind.object) + "." + h.object.GetName()
	if h.application != "" {
		m.ID += "/" + h.application
	}
	s.Measures = append(s.Measures, m)
	s.Steps = append(s.Steps, rollback.Step{Action: actionHold, Title: step, Args: args, Measure: m.ID})
	s.Warnings = append(s.Warnings, h.why...)
	missing, err := p.missing(ctx, h, args)
	if err != nil {
		return err
	}
	s.Missing = append(s.Missing, missing...)
	return nil
}

// words are what is said of holding a reconciler back.
func (h held) words() (m rollback.Measure, step string) {
	switch h.word {
	case kube.OwnerApplication:
		m.What, m.Undo = fmt.Sprintf("auto-sync of %s is off", h.node), fmt.Sprintf("turn auto-sync of %s on again, as it was", h.node)
		step = fmt.Sprintf("turn auto-sync of %s off", h.node)
		if h.at("operation") != nil {
			step += ", and end the sync that runs"
		}
	case ownerSet:
		m.What = fmt.Sprintf("%s leaves the sync policy of application %s alone", h.node, h.application)
		m.Undo = fmt.Sprintf("let %s write the sync policy of application %s again", h.node, h.application)
		step = fmt.Sprintf("let %s leave the sync policy of application %s alone", h.node, h.application)
	default:
		m.What, m.Undo = fmt.Sprintf("%s is suspended", h.node), fmt.Sprintf("resume %s", h.node)
		step = fmt.Sprintf("suspend %s", h.node)
	}
	return m, step
}

// missing is why a reconciler cannot be held back: the right to, or that the cluster refuses it.
func (p *Provider) missing(ctx context.Context, h held, args map[string]string) ([]string, error) {
	may, why, err := p.cluster.May(ctx, "patch", h.resource, "", h.object.GetNamespace(), h.object.GetName())
	if err != nil {
		return nil, fmt.Errorf("whether you may patch %s: %w", h.node, err)
	}
	if !may {
		text := fmt.Sprintf("the right to patch %s.%s %s in namespace %s", h.resource.Resource, h.resource.Group, h.object.GetName(), h.object.GetNamespace())
		if why = providers.Clean(why); why != "" {
			text += " (" + why + ")"
		}
		return []string{text}, nil
	}
	a := &attempt{p: p, op: rollback.Operation{ID: "try"}, args: args}
	ops, res := a.prepare(h.node)
	if res != nil {
		return nil, nil // it is as it should be, or moved since: Apply says so
	}
	_, err = p.cluster.Patch(ctx, h.resource, h.object.GetNamespace(), h.object.GetName(), ops, kube.Write{DryRun: true})
	switch {
	case errors.Is(err, kube.ErrRefused):
		return []string{"the cluster would refuse to hold " + h.String() + " back: " + providers.Clean(err.Error())}, nil
	case err != nil && !errors.Is(err, kube.ErrConditionFailed):
		return nil, fmt.Errorf("try out whether %s can be held back: %w", h.node, err)
	}
	return nil, nil
}

// caveats are what else there is to know before it is done.
func (p *Provider) caveats(leaf *node, of workload, up []held) (out []string) {
	for _, h := range up {
		if n, ok := h.at("status", "resources").([]any); ok && h.node != leaf {
			out = append(out, fmt.Sprintf("while %s is held back, what it deploys is not updated (objects: %d)", h.node, len(n)))
		}
		if n := h.inventory(); len(n) > 0 && h.node != leaf {
			out = append(out, fmt.Sprintf("while %s is held back, what it deploys is not updated (objects: %d)", h.node, len(n)))
		}
		if doing := h.busy(); doing != "" {
			out = append(out, fmt.Sprintf("%s is at it (%s), and suspending does not end that", h.node, doing))
		}
	}
	switch {
	case len(up) == 0 && leaf.word == kube.OwnerApplication:
		out = append(out, leaf.String()+" does not sync by itself: whoever syncs it before its source is changed brings back what is taken back")
	case leaf.word == kube.OwnerHelmRelease && of.name == "":
		out = append(out, leaf.String()+" calls a release that was rolled back beside it unmanaged, and upgrades to what its source says once it is resumed")
	}
	return out
}

// fix is what makes the rollback last.
func (p *Provider) fix(ctx context.Context, leaf *node, source, revision string) string {
	const lift = ", have it merged, then lift the measures, the last one first"
	if leaf.word == kube.OwnerHelmRelease {
		return fmt.Sprintf("change %s in the repository that declares it (%s now)%s", leaf, source, lift)
	}
	if was, now, moved := leaf.moved(); moved {
		text := fmt.Sprintf("%s deploys %s since its own source was changed (it was %s): put that back where it is declared", leaf, now, was)
		if up, err := p.parents(ctx, leaf); err == nil && len(up) > 0 { // the words stand without it too
			text += ", by " + up[0].String() + " in " + p.source(ctx, up[0])
		}
		return text + ", have it merged, then lift the measures, the highest first, with --force"
	}
	what := "the commit that brought it"
	if commit := commitForm(revision); commit != "" {
		revision = commit // Flux names the branch with it
	}
	if revision != "" {
		what = fmt.Sprintf("what %s brought there (git revert %s)", revision, revision)
	}
	return fmt.Sprintf("in %s: revert %s%s", source, what, lift)
}

// moved tells whether the last sync of an application came with another source than the one before, and not with a commit.
func (n *node) moved() (was, now string, moved bool) {
	history, _ := n.at("status", "history").([]any)
	if n.word != kube.OwnerApplication || len(history) < 2 {
		return "", "", false
	}
	source := func(i int) (m map[string]any) {
		h, _ := history[i].(map[string]any)
		m, _ = h["source"].(map[string]any)
		return m
	}
	a, b := source(len(history)-2), source(len(history)-1)
	if a == nil || b == nil || same(raw(a), raw(b)) {
		return "", "", false
	}
	words := func(m map[string]any) string {
		return providers.Clean(strings.TrimSpace(text(m, "targetRevision") + " of " + text(m, "repoURL")))
	}
	was, now = words(a), words(b)
	if was == now {
		now += " with other parameters"
	}
	return was, now, true
}
