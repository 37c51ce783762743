package kube

import (
	"cmp"
	"maps"
	"slices"
)

// Reference is a ConfigMap or Secret that a pod template uses. Its content is not versioned with the template.
type Reference struct {
	Secret bool
	Name   string
	// Keys are those without which a pod does not start, sorted.
	Keys []string
	// Optional: a pod starts also where the whole object is not there.
	Optional bool
	// AtStart: it is read when a container starts, and not again. Mounted: what changes in it comes to pods that run.
	AtStart, Mounted bool
}

// String is how observations call it: "configmap/NAME" or "secret/NAME".
func (r Reference) String() string {
	if r.Secret {
		return "secret/" + r.Name
	}
	return "configmap/" + r.Name
}

// Title is how people call it.
func (r Reference) Title() string {
	if r.Secret {
		return "Secret " + r.Name
	}
	return "ConfigMap " + r.Name
}

// References are the ConfigMaps and Secrets that the containers of a pod template read, each once, sorted.
func References(template map[string]any) []Reference {
	found := found{}
	spec := inner(template, "spec")
	whole, parts := mounts(spec)
	for _, c := range containers(spec) {
		for _, e := range Items(c["envFrom"]) {
			found.add(false, inner(e, "configMapRef"), "name", use{start: true})
			found.add(true, inner(e, "secretRef"), "name", use{start: true})
		}
		for _, e := range Items(c["env"]) {
			from := inner(e, "valueFrom")
			for secret, ref := range map[bool]map[string]any{false: inner(from, "configMapKeyRef"), true: inner(from, "secretKeyRef")} {
				key, _ := ref["key"].(string)
				found.add(secret, ref, "name", use{start: true, keys: []string{key}})
			}
		}
	}
	for _, v := range Items(spec["volumes"]) {
		name, _ := v["name"].(string)
		u := use{start: parts[name], mounted: whole[name] || !parts[name]}
		found.add(false, inner(v, "configMap"), "name", u)
		found.add(true, inner(v, "secret"), "secretName", u)
		for _, s := range Items(inner(v, "projected")["sources"]) {
			found.add(false, inner(s, "configMap"), "name", u)
			found.add(true, inner(s, "secret"), "name", u)
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b Reference) int { return cmp.Compare(a.String(), b.String()) })
}

// use is one place at which an object is used.
type use struct {
	start, mounted bool
	keys           []string
}

type found map[string]Reference

func (f found) add(secret bool, ref map[string]any, field string, u use) {
	name, _ := ref[field].(string)
	if name == "" {
		return
	}
	optional, _ := ref["optional"].(bool)
	r := Reference{Secret: secret, Name: name, Optional: true}
	if old, ok := f[r.String()]; ok {
		r = old
	}
	r.Optional = r.Optional && optional
	r.AtStart, r.Mounted = r.AtStart || u.start, r.Mounted || u.mounted
	for _, i := range Items(ref["items"]) {
		key, _ := i["key"].(string)
		u.keys = append(u.keys, key)
	}
	if !optional {
		for _, key := range u.keys {
			if key != "" && !slices.Contains(r.Keys, key) {
				r.Keys = append(slices.Clip(r.Keys), key)
			}
		}
		slices.Sort(r.Keys)
	}
	f[r.String()] = r
}

// mounts are the volumes that some container mounts whole, and those of which one mounts a part: that one is never renewed.
func mounts(spec map[string]any) (whole, parts map[string]bool) {
	whole, parts = map[string]bool{}, map[string]bool{}
	for _, c := range containers(spec) {
		for _, m := range Items(c["volumeMounts"]) {
			name, _ := m["name"].(string)
			path, _ := m["subPath"].(string)
			expression, _ := m["subPathExpr"].(string)
			if path != "" || expression != "" {
				parts[name] = true
			} else {
				whole[name] = true
			}
		}
	}
	return whole, parts
}

func containers(spec map[string]any) []map[string]any {
	return slices.Concat(Items(spec["initContainers"]), Items(spec["containers"]))
}

func inner(of map[string]any, field string) map[string]any {
	m, _ := of[field].(map[string]any)
	return m
}

// Items are the objects in a list of an object.
func Items(of any) []map[string]any {
	list, _ := of.([]any)
	var out []map[string]any
	for _, i := range list {
		if m, ok := i.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
