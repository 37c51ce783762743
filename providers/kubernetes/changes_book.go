package kubernetes

import (
	"maps"
	"slices"
	"sync"

	"github.com/backout-dev/backout/providers/kube"
)

// Kinds of objects that are read.
var (
	deployments         = kube.Resource{Group: "apps", Version: "v1", Resource: "deployments"}
	replicaSets         = kube.Resource{Group: "apps", Version: "v1", Resource: "replicasets"}
	statefulSets        = kube.Resource{Group: "apps", Version: "v1", Resource: "statefulsets"}
	daemonSets          = kube.Resource{Group: "apps", Version: "v1", Resource: "daemonsets"}
	controllerRevisions = kube.Resource{Group: "apps", Version: "v1", Resource: "controllerrevisions"}
	configMaps          = kube.Resource{Version: "v1", Resource: "configmaps"}
	secrets             = kube.Resource{Version: "v1", Resource: "secrets"}
	cronJobs            = kube.Resource{Group: "batch", Version: "v1", Resource: "cronjobs"}
	autoscalers         = kube.Resource{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"}
	pods                = kube.Resource{Version: "v1", Resource: "pods"}
	services            = kube.Resource{Version: "v1", Resource: "services"}
	namespaces          = kube.Resource{Version: "v1", Resource: "namespaces"}
)

// record is one object as it is kept: a *workload, *revision, *setting, *instance or *route.
type record interface{ id() (uid string, at place) }

func (m *meta) id() (string, place) { return m.uid, m.place }

// book holds the records of what was read. Records in it are never altered, only replaced.
type book struct {
	mu        sync.RWMutex
	workloads map[string]*workload // by uid
	byPlace   map[place]*workload
	revisions map[string]map[string]*revision // by the owner's uid, then by their own
	settings  map[place]*setting
	pods      map[place]map[string]*instance // by workload, then by uid
	routes    map[place]*route
}

func newBook() *book {
	return &book{
		workloads: map[string]*workload{}, byPlace: map[place]*workload{}, revisions: map[string]map[string]*revision{}, settings: map[place]*setting{},
		pods: map[place]map[string]*instance{}, routes: map[place]*route{},
	}
}

// put keeps a record and gives the one that it replaces, nil if there was none.
func (b *book) put(r record) (before record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch r := r.(type) {
	case *workload:
		old := b.workloads[r.uid]
		b.workloads[r.uid], b.byPlace[r.place] = r, r
		if old != nil {
			return old
		}
	case *revision:
		return putIn(b.revisions, r.owner, r.uid, r)
	case *setting:
		old := b.settings[r.place]
		b.settings[r.place] = r
		if old != nil {
			return old
		}
	case *instance:
		return putIn(b.pods, r.workload, r.uid, r)
	case *route:
		b.routes[r.place] = r
	}
	return nil
}

func putIn[K comparable, R record](in map[K]map[string]R, key K, uid string, r R) record {
	if in[key] == nil {
		in[key] = map[string]R{}
	}
	old, there := in[key][uid]
	in[key][uid] = r
	if !there {
		return nil
	}
	return old
}

// remove forgets an object that is gone and reports whether it was there.
func (b *book) remove(r record) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	there := false
	switch r := r.(type) {
	case *workload:
		_, there = b.workloads[r.uid]
		delete(b.workloads, r.uid)
		if now := b.byPlace[r.place]; now != nil && now.uid == r.uid {
			delete(b.byPlace, r.place)
		}
	case *revision:
		there = removeIn(b.revisions, r.owner, r.uid)
	case *setting:
		if old := b.settings[r.place]; old != nil && old.uid == r.uid {
			delete(b.settings, r.place)
			there = true
		}
	case *instance:
		there = removeIn(b.pods, r.workload, r.uid)
	case *route:
		delete(b.routes, r.place)
	}
	return there
}

func removeIn[K comparable, R any](in map[K]map[string]R, key K, uid string) bool {
	_, there := in[key][uid]
	delete(in[key], uid)
	if len(in[key]) == 0 {
		delete(in, key)
	}
	return there
}

// workload gives a workload by its uid with its revisions; nil if it is not there.
func (b *book) workload(uid string) (*workload, []*revision) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	w := b.workloads[uid]
	if w == nil {
		return nil, nil
	}
	revisions := slices.Collect(maps.Values(b.revisions[uid]))
	for i, r := range revisions {
		if digests := b.resolved(w.place, r.name); len(digests) > 0 {
			with := *r
			with.resolved = digests
			revisions[i] = &with
		}
	}
	return w, revisions
}

// resolved are the digests of the images that ready pods of a revision run, whatever their tags say by now.
func (b *book) resolved(at place, name string) []string {
	var out []string
	for _, n := range b.pods[at] {
		if n.ready && n.revision == name {
			out = append(out, n.images...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// uids are those of the workloads, so that they can be gone through without holding anything.
func (b *book) uids() []string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Sorted(maps.Keys(b.workloads))
}

// configuration are the settings that are there now.
func (b *book) configuration() []*setting {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return slices.Collect(maps.Values(b.settings))
}

// user is the service of the workloads that use a configuration, or that an autoscaler scales; "" where there is none, or several.
func (b *book) user(at place) string {
	b.mu.RLock()
	defer b.mu.RUnlock()
	found := ""
	for _, w := range b.workloads {
		if w.namespace != at.namespace || !slices.Contains(w.refs, at) {
			continue
		}
		if found != "" && found != w.service {
			return ""
		}
		found = w.service
	}
	return found
}
