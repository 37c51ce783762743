package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

const appliedAnnotation = "kubectl.kubernetes.io/last-applied-configuration"

// stranded warns of what the way back brings that the next kubectl apply will leave where it is. That apply takes away only
// what was applied last and is no longer in its manifest; what the bad version had dropped was not applied last, so nobody
// takes it away any more once it is back.
func (l *look) stranded(target held, prop *rollback.Proposal) {
	var last map[string]any
	if json.Unmarshal([]byte(l.object.GetAnnotations()[appliedAnnotation]), &last) != nil {
		return // it was never applied, or not by kubectl
	}
	applied, back := object(last, "spec", "template", "spec"), object(target.template, "spec")
	if applied == nil {
		return
	}
	out := beyond("volume", back, applied, "volumes", "")
	for _, kind := range []string{"containers", "initContainers"} {
		out = append(out, beyond("container", back, applied, kind, "")...)
		before := byName(applied, kind)
		for _, c := range list(back, kind) {
			was, ok := before[text(c, "name")]
			if !ok {
				continue
			}
			of := " of container " + text(c, "name")
			out = append(out, beyond("environment variable", c, was, "env", of)...)
			out = append(out, beyond("mount", c, was, "volumeMounts", of)...)
			for _, field := range []string{"command", "args"} {
				if c[field] != nil && was[field] == nil {
					out = append(out, field+of)
				}
			}
		}
	}
	if len(out) > 0 {
		prop.Warnings = append(prop.Warnings, providers.Clean(fmt.Sprintf("the next kubectl apply of a manifest without them may leave these where they are, because what was applied last does not have them: %s; take them out by hand, or use kubectl replace",
			strings.Join(slices.Compact(out), ", "))))
	}
}

// beyond names the items of a list that the other side has not.
func beyond(what string, a, b map[string]any, field, of string) []string {
	there := byName(b, field)
	var out []string
	for _, item := range list(a, field) {
		if name := text(item, "name"); name != "" && there[name] == nil {
			out = append(out, what+" "+name+of)
		}
	}
	return out
}

func byName(o map[string]any, field string) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, item := range list(o, field) {
		out[text(item, "name")] = item
	}
	return out
}
