package kube

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
)

// Scope is what every provider of a cluster lets people set: which cluster, which part of it, and what its parts are called.
// A provider's settings hold it inline.
type Scope struct {
	Kubeconfig   string            `yaml:"kubeconfig"`
	Context      string            `yaml:"context"`
	Namespaces   []string          `yaml:"namespaces"`
	Exclude      []string          `yaml:"exclude_namespaces"`
	Environments map[string]string `yaml:"environments"`
	Timeout      time.Duration     `yaml:"timeout"`
}

// Fields describe the settings of a Scope, with those of the provider's own among them. The namespaces to exclude are those
// that are left out where nothing else is set.
func Fields(exclude []string, own ...providers.Field) []providers.Field {
	leave := providers.Field{Name: "exclude_namespaces", Type: providers.FieldStrings, Help: "what to leave out"}
	if len(exclude) > 0 {
		leave.Default = exclude
	}
	all := []providers.Field{
		{Name: "kubeconfig", Type: providers.FieldString, Help: "a kubeconfig file; default: as kubectl, $KUBECONFIG, ~/.kube/config or the pod's own account"},
		{Name: "context", Type: providers.FieldString, Help: "a context of the kubeconfig; default: the current one"},
		{Name: "namespaces", Type: providers.FieldStrings, Help: "what to look at; default: every namespace, which needs the right to list them all"},
		leave,
		{Name: "environments", Type: providers.FieldMap, Help: "the environment by namespace, or by context where no namespace matches; * at the end of a name matches any rest"},
	}
	all = append(all, own...)
	return append(all, providers.Field{Name: "timeout", Type: providers.FieldDuration, Default: defaultTimeout.String(), Help: "how long one request may take"})
}

// Reach is a cluster as far as a provider's settings go. It may be used from several goroutines.
type Reach struct {
	*Cluster
	scope       Scope
	environment string // where nothing names a better one
}

// Reach opens the cluster of the settings, and asks nothing of it. One whose configuration cannot be read is there all the
// same, to tell why: it answers every question with that. The agent is what the API server's log calls the provider.
func (s Scope) Reach(env providers.Environment, agent string) (*Reach, error) {
	if s.Timeout < 0 {
		return nil, errors.New("timeout must not be negative")
	}
	s.Timeout = cmp.Or(s.Timeout, defaultTimeout)
	if s.Kubeconfig != "" && !filepath.IsAbs(s.Kubeconfig) {
		s.Kubeconfig = filepath.Join(env.Dir, s.Kubeconfig)
	}
	o := Options{Kubeconfig: s.Kubeconfig, Context: s.Context, Timeout: s.Timeout, UserAgent: agent}
	cluster, err := Open(o)
	if err != nil {
		if cluster, err = Unopened(o, err); err != nil {
			return nil, err
		}
	}
	return &Reach{Cluster: cluster, scope: s, environment: env.Environment}, nil
}

// Kubeconfig is the path of the kubeconfig that the settings name; "" where they name none.
func (r *Reach) Kubeconfig() string { return r.scope.Kubeconfig }

// Timeout is how long one request may take that is no watch.
func (r *Reach) Timeout() time.Duration { return r.scope.Timeout }

// Namespaces are the namespaces to list: a single "" where that is all of them.
func (r *Reach) Namespaces() []string {
	if len(r.scope.Namespaces) == 0 {
		return []string{""}
	}
	return r.scope.Namespaces
}

// Limited reports whether the settings name the namespaces.
func (r *Reach) Limited() bool { return len(r.scope.Namespaces) > 0 }

// Covers reports whether a namespace is to be looked at.
func (r *Reach) Covers(namespace string) bool {
	if r.Limited() {
		return slices.Contains(r.scope.Namespaces, namespace)
	}
	return !slices.Contains(r.scope.Exclude, namespace)
}

// EnvironmentOf is the environment of a namespace.
func (r *Reach) EnvironmentOf(namespace string) string {
	for _, name := range []string{namespace, r.Context()} {
		if e := r.scope.Environments[name]; e != "" {
			return e
		}
		best := ""
		for pattern := range r.scope.Environments {
			if rest, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(name, rest) && len(pattern) > len(best) {
				best = pattern
			}
		}
		if best != "" {
			return r.scope.Environments[best]
		}
	}
	return r.environment
}

// ServiceLabel are the labels that name an object's service; the first that it has counts.
type ServiceLabel []string

// DefaultServiceLabel are those that count where nothing else is set.
func DefaultServiceLabel() ServiceLabel { return ServiceLabel{"app.kubernetes.io/name", "app"} }

// Field describes the setting.
func (ServiceLabel) Field() providers.Field {
	return providers.Field{
		Name: "service_label", Type: providers.FieldStrings, Default: []string(DefaultServiceLabel()),
		Help: "labels that name the service; the first that an object has counts, else its name",
	}
}

// Of is the service of an object with these labels, otherwise what is given.
func (l ServiceLabel) Of(labels map[string]string, otherwise string) string {
	if len(l) == 0 {
		l = DefaultServiceLabel()
	}
	for _, name := range l {
		if s := labels[name]; s != "" {
			return s
		}
	}
	return otherwise
}
