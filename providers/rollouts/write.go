package rollouts

import (
	"cmp"
	"strings"

	"github.com/backout-dev/backout/providers/kube"
)

// patch collects the operations of one JSON patch.
type patch struct {
	ops []kube.Operation
}

func (p *patch) add(op, path string, value any) {
	p.ops = append(p.ops, kube.Operation{Op: op, Path: path, Value: kube.Value(value)})
}

// causeSuffix is what a rollback adds to the change-cause of the revision that it goes back to.
const causeSuffix = " (backout operation "

// pointer is the path of an annotation.
func pointer(annotation string) string {
	return kube.Pointer("metadata", "annotations", annotation)
}

// same makes the patch fail unless an object is what was seen: itself, its template, and these annotations.
func (p *patch) same(o *kube.Object, annotations ...string) {
	p.add("test", "/metadata/uid", o.GetUID())
	if o.GetKind() == "PodTemplate" {
		p.add("test", "/template", o.Object["template"])
	} else if s, ok := o.Object["spec"].(map[string]any); ok && s["template"] != nil {
		p.add("test", "/spec/template", s["template"])
	}
	p.untouched(o, annotations...)
}

// untouched makes it fail unless the annotations are what was seen. What is not there is tested as null.
func (p *patch) untouched(o *kube.Object, annotations ...string) {
	now := o.GetAnnotations()
	if now == nil {
		p.add("test", "/metadata/annotations", nil)
		return
	}
	for _, key := range annotations {
		if v, there := now[key]; there {
			p.add("test", pointer(key), v)
		} else {
			p.add("test", pointer(key), nil)
		}
	}
}

// annotate sets single annotations and drops none.
func (p *patch) annotate(o *kube.Object, pairs ...string) {
	if o.GetAnnotations() == nil {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = pairs[i+1]
		}
		p.add("add", "/metadata/annotations", m)
		return
	}
	for i := 0; i < len(pairs); i += 2 {
		p.add("add", pointer(pairs[i]), pairs[i+1])
	}
}

// undo is the patch that puts a template back, on the condition that everything is as it was seen.
func (s *sight) undo(target *set, t stamp) []kube.Operation {
	var p patch
	o := s.holder()
	p.same(o, stampAnnotation, causeAnnotation)
	if s.workload == nil {
		p.untouched(o, revisionAnnotation)
	}
	path := "/spec/template"
	if o.GetKind() == "PodTemplate" {
		path = "/template"
	}
	p.add("replace", path, target.template)
	p.annotate(o, opAnnotation, t.Op, stampAnnotation, t.text())
	if o.GetAnnotations()[causeAnnotation] != "" && s.workload == nil {
		// The controller copies it to the revision, whose own it would replace.
		was, _, _ := strings.Cut(target.cause, causeSuffix)
		p.annotate(o, causeAnnotation, cmp.Or(was, "back to "+target.label())+causeSuffix+t.Op+")")
	}
	return p.ops
}

// asSeen makes a patch fail unless the Rollout is what was seen and stands where it stood.
func (s *sight) asSeen(p *patch) {
	p.same(s.raw, stampAnnotation, causeAnnotation, revisionAnnotation)
	now, _ := s.raw.Object["status"].(map[string]any)
	p.add("test", "/status/currentPodHash", s.Status.CurrentPodHash)
	p.add("test", "/status/stableRS", s.Status.StableRS)
	p.add("test", "/status/abort", now["abort"]) // null where it is not there
}

// intend is the patch that says what an abort, a retry or a promotion is about to do.
func (s *sight) intend(t stamp) []kube.Operation {
	var p patch
	s.asSeen(&p)
	p.annotate(s.raw, intentAnnotation, t.text())
	return p.ops
}

// setStatus is the patch of the status that does it, on the condition that nobody came in between.
func (s *sight) setStatus(t stamp, path string, value bool) []kube.Operation {
	var p patch
	s.asSeen(&p)
	p.add("test", pointer(intentAnnotation), t.text())
	p.add("add", path, value)
	return p.ops
}

// finish is the patch that makes the intent a stamp.
func (s *sight) finish(t stamp) []kube.Operation {
	var p patch
	p.add("test", "/metadata/uid", s.raw.GetUID())
	p.add("test", pointer(intentAnnotation), t.text())
	p.annotate(s.raw, opAnnotation, t.Op, stampAnnotation, t.text())
	p.add("remove", pointer(intentAnnotation), nil)
	return p.ops
}
