package kube

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// ChangedFields says which fields of a pod template differ between two, in words that are the same for the same kind of change:
// "image", "env, image", "volumes". It is empty where nothing differs.
func ChangedFields(from, to map[string]any) string {
	changed := map[string]bool{}
	for _, part := range []string{"metadata", "spec"} {
		compareFields(fieldsOf(from[part]), fieldsOf(to[part]), changed)
	}
	return strings.Join(slices.Sorted(maps.Keys(changed)), ", ")
}

func compareFields(from, to map[string]any, changed map[string]bool) {
	for name := range union(from, to) {
		switch {
		case reflect.DeepEqual(from[name], to[name]):
		case name == "containers" || name == "initContainers":
			compareContainers(name, from[name], to[name], changed)
		default:
			changed[name] = true
		}
	}
}

// compareContainers compares containers of one name. Where one came or went the list itself is what changed.
func compareContainers(list string, from, to any, changed map[string]bool) {
	before, after := named(from), named(to)
	same := true
	for name := range union(before, after) {
		old, was := before[name]
		now, is := after[name]
		if reflect.DeepEqual(old, now) && was == is {
			continue
		}
		same = false
		if !was || !is {
			changed[list] = true
			continue
		}
		compareFields(fieldsOf(old), fieldsOf(now), changed)
	}
	if same {
		changed[list] = true // their order
	}
}

func named(list any) map[string]any {
	out := map[string]any{}
	all, _ := list.([]any)
	for _, c := range all {
		name, _ := fieldsOf(c)["name"].(string)
		out[name] = c
	}
	return out
}

func fieldsOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func union(a, b map[string]any) map[string]bool {
	out := map[string]bool{}
	for k := range a {
		out[k] = true
	}
	for k := range b {
		out[k] = true
	}
	return out
}
