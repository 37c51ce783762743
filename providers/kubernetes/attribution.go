package kubernetes

import (
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/attribution"
	"github.com/backout-dev/backout/providers/kube"
)

// told is what a pipeline says of a change by annotations and labels. All of it is untrusted text.
type told struct {
	author, commit, changeSet, url, cause string
	assisted, assistedKey                 string
}

// toldBy reads it from what is nearest to the change first: the annotations and labels of the object, then of its template.
func (a *annotations) toldBy(sources ...map[string]string) told {
	find := func(keys []string) (value, key string) {
		for _, m := range sources {
			for _, k := range keys {
				if v := m[k]; v != "" {
					return providers.Clean(v), k
				}
			}
		}
		return "", ""
	}
	var t told
	t.author, _ = find(a.Author)
	t.changeSet, _ = find(a.ChangeSet)
	t.url, _ = find(a.URL)
	t.cause, _ = find(a.Cause)
	t.assisted, t.assistedKey = find(a.Assisted)
	commit, _ := find(a.Commit)
	t.commit = commitOf(commit)
	return t
}

// commitOf is a commit in the form that all sources share, "" if it is none.
func commitOf(text string) string {
	c := strings.ToLower(text)
	if len(c) < 7 || len(c) > 64 || strings.Trim(c, "0123456789abcdef") != "" {
		return ""
	}
	return c
}

// assistance judges what the annotations declare. Where they declare nothing, nobody has looked: the commit may still tell.
func (t *told) assistance(at time.Time) providers.Assistance {
	message := "release"
	if t.assisted != "" {
		message += "\n\nAssisted-by: " + t.assisted
	}
	verdict := attribution.Judge(attribution.Commit{AuthorName: t.author, Message: message, When: at})
	switch {
	case verdict.State != "" && verdict.State != providers.AssistanceNone:
	case t.assisted == "":
		return providers.Assistance{}
	default: // a name that no table knows is a declaration all the same
		verdict = providers.Assistance{
			State: providers.AssistanceAssisted, Tools: []string{t.assisted}, Ruleset: verdict.Ruleset,
			Evidence: []providers.Evidence{{Role: "assisted", Strength: "declared", Tool: t.assisted, Raw: t.assisted}},
		}
	}
	source := "author of the rollout"
	if t.assisted != "" {
		source = "annotation:" + t.assistedKey
	}
	for i := range verdict.Evidence {
		verdict.Evidence[i].Source = source
	}
	verdict.Checked = []string{"annotations and labels of the object"}
	return verdict
}

// writer is who the API server wrote down for some fields of an object, and when they last wrote.
type writer struct {
	name  string
	at    time.Time
	scale bool // through the subresource that holds nothing but the replicas
}

// writerOf is the last writer of the field that the path names, such as spec, template. The API server keeps it by manager
// and in whole seconds; the time is when the manager last wrote any of its fields.
func writerOf(o *kube.Object, path ...string) writer {
	var last writer
	for _, m := range kube.Managers(o) {
		if (m.Subresource != "" && m.Subresource != "scale") || !m.Owns(path...) {
			continue
		}
		next := writer{name: providers.Clean(m.Name), scale: m.Subresource == "scale", at: m.At} // scale keeps no time
		if last.name == "" || next.at.After(last.at) {
			last = next
		}
	}
	return last
}

// author says who it was as far as that is known: a manager is a program, and which person used it nobody says.
func (w writer) author(t told) providers.Author {
	if t.author != "" {
		return providers.Author{Name: t.author}
	}
	a := providers.Author{Name: w.name}
	for _, reconciler := range []string{"argocd", "kustomize-controller", "helm-controller", "kube-controller-manager", "vpa-", "keda", "rollouts-controller", "gotk"} {
		if strings.HasPrefix(w.name, reconciler) {
			a.Kind = "automation"
		}
	}
	return a
}
