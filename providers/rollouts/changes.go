package rollouts

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
)

// Changes implements providers.ChangeSource: one change for each revision number that a Rollout's ReplicaSets have or had.
// A number that was given to a content that had one before is a rollback.
func (p *Provider) Changes(ctx context.Context, w providers.Window) iter.Seq2[providers.Change, error] {
	return func(yield func(providers.Change, error) bool) {
		for _, namespace := range p.cluster.Namespaces() {
			start := p.now()
			all, err := p.survey(ctx, namespace)
			if ctx.Err() != nil {
				yield(providers.Change{}, ctx.Err())
				return
			}
			p.Done(start, err)
			if err != nil {
				yield(providers.Change{}, err)
				return
			}
			heard := p.heard(ctx, namespace, "involvedObject.kind=Rollout")
			for _, s := range all {
				for _, c := range p.changes(s, p.remembered(ctx, s.raw, heard[s.Meta.UID])) {
					if ctx.Err() != nil {
						yield(providers.Change{}, ctx.Err())
						return
					}
					if w.Contains(c.At()) && !yield(c, nil) {
						return
					}
				}
			}
		}
	}
}

// survey reads all Rollouts of a namespace with their revisions.
func (p *Provider) survey(ctx context.Context, namespace string) (out []*sight, err error) {
	byUID := map[types.UID]*sight{}
	for raw, err := range p.cluster.List(ctx, rolloutsKind, namespace, kube.Selection{}) {
		if err != nil {
			return nil, explain(err)
		}
		if !p.cluster.Covers(raw.GetNamespace()) {
			continue
		}
		s, err := sighted(raw)
		if err != nil {
			return nil, err
		}
		byUID[raw.GetUID()] = s
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, nil
	}
	for rs, err := range p.cluster.List(ctx, setsKind, namespace, kube.Selection{Labels: hashLabel}) {
		if err != nil {
			return nil, err
		}
		owner := metav1.GetControllerOf(rs)
		if owner == nil || byUID[owner.UID] == nil {
			continue
		}
		if err := byUID[owner.UID].add(rs); err != nil {
			return nil, err
		}
	}
	for _, s := range out {
		s.sort()
	}
	return out, nil
}

// changes are all the revisions of a Rollout, the newest first within one content.
func (p *Provider) changes(s *sight, marks []mark) (out []providers.Change) {
	by := map[int64]*set{}
	var numbers []int64
	for _, x := range s.sets {
		for _, n := range x.numbers {
			if by[n] == nil {
				by[n] = x
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		before := int64(0)
		if i > 0 {
			before = numbers[i-1]
		}
		out = append(out, p.change(s, by[n], n, before, by[before], marks))
	}
	return out
}

func (p *Provider) change(s *sight, x *set, number, before int64, old *set, marks []mark) providers.Change {
	unit := p.describe(&s.object)
	c := providers.Change{
		ID: fmt.Sprintf("%s@%s.%s", unit.ID, s.Meta.UID, label(number)), Provider: p.name, Kind: providers.KindDeploy,
		Service: unit.Service, Environment: unit.Environment, Unit: string(unit.ID), To: label(number),
		EffectiveFrom: began(marks, x, number), Commit: commitOf(x.template), Artifacts: artifacts(x), Status: s.statusOf(x, number, marks),
	}
	now := images(x.template)
	c.Title = fmt.Sprintf("rollout %s to %s: %s", s.Meta.Name, label(number), strings.Join(now, ", "))
	if old != nil {
		c.From = label(before)
		if was := images(old.template); !slices.Equal(was, now) {
			c.Title = fmt.Sprintf("rollout %s to %s: %s, before %s", s.Meta.Name, label(number), strings.Join(now, ", "), strings.Join(was, ", "))
		} else {
			c.Title += ", with another configuration"
		}
	}
	if first := x.numbers[len(x.numbers)-1]; number != first {
		c.Kind = providers.KindRollback
		c.Title = fmt.Sprintf("rollout %s back to the content of %s, as %s", s.Meta.Name, label(first), label(number))
	}
	if number == x.numbers[0] && x.cause != "" {
		c.Title += " (" + x.cause + ")"
	}
	if who, _, err := unstructured.NestedString(x.template, "metadata", "annotations", "backout.dev/author"); err == nil {
		c.Author.Name = who
	}
	for _, m := range marks {
		if m.Revision != number {
			continue
		}
		switch m.What {
		case markShare:
			c.Rollout = append(c.Rollout, providers.RolloutStep{At: m.At, Share: m.Share})
		case markAborted:
			c.Rollout = append(c.Rollout, providers.RolloutStep{At: m.At})
		case markCompleted:
			c.EffectiveTo = m.At
			c.Rollout = append(c.Rollout, providers.RolloutStep{At: m.At, Share: 1})
		}
	}
	providers.CleanChange(&c)
	return c
}

// statusOf is what became of a revision, in one word; "" where nobody knows any more.
func (s *sight) statusOf(x *set, number int64, marks []mark) string {
	if number == x.numbers[0] && x.hash == s.Status.CurrentPodHash {
		switch reason, _ := s.degraded(); {
		case s.Status.Abort:
			return "aborted"
		case reason != "":
			return reason
		case x == s.stable():
			return "completed"
		case s.Status.ControllerPause || len(s.Status.PauseConditions) > 0:
			return "paused"
		}
		return "in progress"
	}
	out := ""
	for _, m := range marks {
		if m.Revision == number && (m.What == markCompleted || m.What == markAborted) {
			out = m.What
		}
	}
	return out
}

// images are those of a template's containers, by their last part.
func images(template map[string]any) (out []string) {
	containers, _, err := unstructured.NestedSlice(template, "spec", "containers")
	if err != nil {
		return nil
	}
	for _, c := range containers {
		m, _ := c.(map[string]any)
		if image, _ := m["image"].(string); image != "" {
			out = append(out, image[strings.LastIndex(image, "/")+1:])
		}
	}
	return out
}

var pinned = regexp.MustCompile(`@(sha256:[0-9a-f]{64})$`)

// artifacts are the content digests of a revision: its template's, and those of images that are named by digest.
func artifacts(x *set) []string {
	out := []string{x.digest}
	for _, image := range images(x.template) {
		if m := pinned.FindStringSubmatch(image); m != nil {
			out = append(out, m[1])
		}
	}
	return out
}
