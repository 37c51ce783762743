package gitops

import (
	"encoding/json"

	"github.com/backout-dev/backout/providers/kube"
)

// patch collects the operations of one JSON patch of a reconciler.
type patch struct {
	n   *node
	ops []kube.Operation
}

func (p *patch) add(op string, value any, path ...string) {
	o := kube.Operation{Op: op, Path: kube.Pointer(path...)}
	if op != "remove" {
		o.Value = raw(value)
	}
	p.ops = append(p.ops, o)
}

// begin makes a patch that holds only for this very object with the stamp as it was read.
func (n *node) begin() *patch {
	p := &patch{n: n}
	p.add("test", n.object.GetUID(), "metadata", "uid")
	notes := n.object.GetAnnotations()
	if notes == nil {
		p.add("test", nil, "metadata", "annotations")
	} else if v, there := notes[stampKey]; there {
		p.add("test", v, "metadata", "annotations", stampKey)
	} else {
		p.add("test", nil, "metadata", "annotations", stampKey)
	}
	return p
}

// unchanged adds that a field is still what was read; what is not there is tested as null, its parents included.
func (p *patch) unchanged(path ...string) {
	for i := range path {
		if v := p.n.at(path[:i+1]...); v == nil || i == len(path)-1 {
			p.add("test", v, path[:i+1]...)
			return
		}
	}
}

// mark writes the stamp, or takes it away with its last holder.
func (p *patch) mark(s *stamp) {
	switch {
	case len(s.Holders) == 0:
		p.add("remove", nil, "metadata", "annotations", stampKey)
	case p.n.object.GetAnnotations() == nil:
		p.add("add", map[string]string{stampKey: string(raw(s))}, "metadata", "annotations")
	default:
		p.add("add", string(raw(s)), "metadata", "annotations", stampKey)
	}
}

// stop turns the reconciler off; for an ApplicationSet, lets it leave one application alone.
func (p *patch) stop(application string) {
	path := p.n.field
	p.unchanged(path...)
	switch p.n.word {
	case kube.OwnerApplication:
		p.add("remove", nil, path...)
		p.end()
	case ownerSet:
		if p.n.at(path...) == nil {
			p.add("add", []any{exemption(application)}, path...)
		} else {
			p.add("add", exemption(application), append(path[:len(path):len(path)], "-")...)
		}
	default:
		p.add("add", true, path...)
	}
}

// end ends a sync that runs: it goes by what the policy was, and would go on with what is to be taken back.
func (p *patch) end() {
	if p.n.at("operation") == nil {
		return
	}
	p.unchanged("operation")
	if phase := p.n.text("status", "operationState", "phase"); phase == "Running" {
		p.unchanged("status", "operationState", "phase")
		p.add("replace", "Terminating", "status", "operationState", "phase")
	} else if phase != "Terminating" {
		p.add("remove", nil, "operation") // it was not begun
	}
}

// start puts back what was there.
func (p *patch) start(was json.RawMessage, application string) {
	path := p.n.field
	p.unchanged(path...)
	switch {
	case p.n.word == ownerSet:
		list, i := p.n.exempted(application)
		if len(list) == 1 && same(was, raw(nil)) {
			p.add("remove", nil, path...)
		} else {
			p.add("remove", nil, append(path[:len(path):len(path)], itoa(i))...)
		}
	case same(was, raw(nil)):
		p.add("remove", nil, path...)
	case p.n.word == kube.OwnerApplication && p.n.at(path[:2]...) == nil:
		p.add("add", map[string]any{path[2]: was}, path[:2]...)
	default:
		p.add("add", was, path...)
	}
}

// exemption is what lets an ApplicationSet leave alone whether one of its applications syncs by itself, and what backout says
// there of it.
func exemption(application string) map[string]any {
	return map[string]any{"name": application, "jsonPointers": []any{"/spec/syncPolicy", kube.Pointer("metadata", "annotations", stampKey)}}
}

// exempted finds the exemption that backout gave an application; -1 where it has none.
func (n *node) exempted(application string) (list []any, at int) {
	list, _ = n.at(n.field...).([]any)
	want := raw(exemption(application))
	for i, e := range list {
		if same(raw(e), want) {
			return list, i
		}
	}
	return list, -1
}
