package gitops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/httpapi"
	"github.com/backout-dev/backout/providers/kube"
)

// rendered compares what an application's source renders now with what it rendered when it was taken back, and with what runs.
// Argo CD itself may not have seen the newest revision yet, and would then deploy the one that it knows: both have to be good.
func (p *Provider) rendered(ctx context.Context, leaf *node, w workload, live *kube.Object, bad string) (bool, string, error) {
	v := &view{p: p, leaf: leaf, w: w, live: live, bad: bad, source: p.source(ctx, leaf), now: flat(at(live, w.content...))}
	holds, detail, err := v.judge(ctx, "")
	if err == nil && !holds {
		err = p.moved(ctx, leaf)
	}
	if !holds || err != nil {
		return false, detail, err
	}
	switch known, _ := leaf.compared(); known {
	case bad:
		return false, fmt.Sprintf("%s, but %s has not looked at that yet, and still would deploy %s: refresh it, or wait until it does", detail, leaf, short(bad)), nil
	case "":
		return false, "", fmt.Errorf("%s was never compared with its source", leaf)
	default:
		seen, why, err := v.judge(ctx, known)
		if !seen || err != nil {
			return false, fmt.Sprintf("%s, but %s knows only %s yet: %s", detail, leaf, short(known), why), err
		}
	}
	return true, detail, nil
}

// moved tells of an application whose parent gives it another source by now than it has: as long as the parent is held back, what
// the application renders says nothing of what it will.
func (p *Provider) moved(ctx context.Context, leaf *node) error {
	up, err := p.parents(ctx, leaf)
	if err != nil {
		return err
	}
	self := workload{resource: leaf.resource, kind: leaf.kind.object, namespace: leaf.object.GetNamespace(), name: leaf.object.GetName(), content: []string{"spec"}}
	for _, parent := range up {
		if parent.word != kube.OwnerApplication {
			continue
		}
		o, err := p.manifest(ctx, parent, self, "")
		if errors.Is(err, providers.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		next := &node{leaf.kind, o}
		if !same(raw(next.sources()), raw(leaf.sources())) {
			return fmt.Errorf("%s gives %s another source by now (%s), which it gets when the former is let go: lift the highest measure first, with --force", parent, leaf, p.source(ctx, next))
		}
	}
	return nil
}

// view is one look at what an application's source renders of a unit.
type view struct {
	p      *Provider
	leaf   *node
	w      workload
	live   *kube.Object
	bad    string
	source string
	now    map[string]string // what runs
}

// judge tells whether a revision is free of what was taken back; "" is what the source holds now.
func (v *view) judge(ctx context.Context, revision string) (bool, string, error) {
	head, err := v.p.manifest(ctx, v.leaf, v.w, revision)
	if errors.Is(err, providers.ErrNotFound) {
		return true, fmt.Sprintf("%s does not hold %s any more (lifting may remove it, if pruning is on)", v.source, v.w), nil
	}
	if err != nil {
		return false, "", err
	}
	was, err := v.p.manifest(ctx, v.leaf, v.w, v.bad)
	if err == nil && same(raw(at(was, v.w.content...)), raw(at(head, v.w.content...))) {
		return false, fmt.Sprintf("%s still renders %s as it was at %s", v.source, v.w, short(v.bad)), nil
	}
	if err != nil {
		was = nil // the old revision may be gone from the repository: then only what runs is left to compare with
	}
	if head, err = v.p.defaulted(ctx, v.w, v.live, head); err != nil {
		return false, "", err
	}
	want := flat(at(head, v.w.content...))
	differs := kube.Differing(want, v.now)
	if len(differs) == 0 {
		return true, fmt.Sprintf("%s renders %s as it runs", v.source, v.w), nil
	}
	if was == nil {
		return false, "", fmt.Errorf("%s renders %s unlike it runs (%s), and what it was at %s cannot be rendered", v.source, v.w, some(differs), short(v.bad))
	}
	if was, err = v.p.defaulted(ctx, v.w, v.live, was); err != nil {
		return false, "", err
	}
	// What differs between then and what runs was taken back. None of that may be there as it was then.
	old := flat(at(was, v.w.content...))
	left := slices.DeleteFunc(kube.Differing(old, v.now), func(path string) bool { return old[path] != want[path] })
	if len(left) > 0 {
		return false, fmt.Sprintf("%s still has of what was taken back: %s", v.source, some(left)), nil
	}
	return true, fmt.Sprintf("%s has another version of %s, with nothing of what was taken back (it changes %s)", v.source, v.w, some(differs)), nil
}

// manifest asks Argo CD to render one object; revision "" is what its source holds now.
func (p *Provider) manifest(ctx context.Context, leaf *node, w workload, revision string) (*kube.Object, error) {
	query := url.Values{"appNamespace": {leaf.object.GetNamespace()}}
	switch several := strings.Fields(revision); {
	case revision == "":
		query.Set("noCache", "true") // a branch may have moved since it was rendered last
	case len(several) == 1 && len(leaf.sources()) == 1:
		query.Set("revision", revision)
	default:
		for i, r := range several {
			query.Add("revisions", r)
			query.Add("sourcePositions", strconv.Itoa(i+1))
		}
	}
	var answer struct {
		Manifests []string `json:"manifests"`
	}
	path := "/api/v1/applications/" + url.PathEscape(leaf.object.GetName()) + "/manifests"
	if _, err := p.argocd.Get(ctx, path, query, func(r io.Reader) error { return httpapi.JSON(r, &answer) }); err != nil {
		return nil, fmt.Errorf("ask Argo CD what %s renders: %w", leaf, err)
	}
	for _, text := range answer.Manifests {
		o := &kube.Object{}
		if err := json.Unmarshal([]byte(text), &o.Object); err != nil {
			return nil, fmt.Errorf("read what %s renders: %w", leaf, err)
		}
		group, _, versioned := strings.Cut(o.GetAPIVersion(), "/")
		if !versioned {
			group = ""
		}
		if group == w.resource.Group && o.GetKind() == w.kind && o.GetName() == w.name && (o.GetNamespace() == w.namespace || o.GetNamespace() == "") {
			return o, nil
		}
	}
	return nil, fmt.Errorf("%s does not render %s: %w", leaf, w, providers.ErrNotFound)
}

// defaulted is what the cluster would make of rendered content: it is tried out on the live object without being kept.
func (p *Provider) defaulted(ctx context.Context, w workload, live, rendered *kube.Object) (*kube.Object, error) {
	content := at(rendered, w.content...)
	if content == nil {
		content = map[string]any{}
	}
	if w.kind == "ConfigMap" {
		return &kube.Object{Object: map[string]any{"data": content}}, nil
	}
	ops := []kube.Operation{{Op: "replace", Path: kube.Pointer(w.content...), Value: raw(content)}}
	o, err := p.cluster.Patch(ctx, w.resource, w.namespace, live.GetName(), ops, kube.Write{DryRun: true})
	if err != nil {
		return nil, fmt.Errorf("try out what the cluster makes of it: %w", err)
	}
	return o, nil
}

// flat is content by path, with the elements of lists that have names by these.
func flat(v any) map[string]string {
	out := map[string]string{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, e := range v {
				walk(path+"/"+key, e)
			}
		case []any:
			for i, e := range v {
				m, _ := e.(map[string]any)
				if name := text(m, "name"); name != "" {
					walk(path+"/"+name, e)
				} else {
					walk(path+"/"+strconv.Itoa(i), e)
				}
			}
		default:
			out[path] = string(raw(v))
		}
	}
	walk("", v)
	return out
}

// some names a few paths, and no values: these may be secret.
func some(paths []string) string {
	return providers.Clean(providers.Few(paths, 4))
}
