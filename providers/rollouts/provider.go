// Package rollouts is the provider for Argo Rollouts: which revision of a Rollout was exposed to how much of its traffic and
// when, what went wrong with it, and the way back, which is the abort of a rollout that is under way and the earlier template
// otherwise. Every write is conditional on what the plan saw, and what came of it is compared in full.
package rollouts

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/kube"
	"github.com/backout-dev/backout/rollback"
)

// Provider is the Rollouts of one cluster, or of some namespaces of it. It implements providers.ChangeSource, AlertSource,
// AlertStates and Watcher, and rollback.Reverser. It is safe for use by several goroutines.
type Provider struct {
	*providers.Vitals
	name        string
	environment string
	set         settings
	cluster     *kube.Cluster
	now         func() time.Time
	archive     providers.Archive
}

type settings struct {
	Kubeconfig   string            `yaml:"kubeconfig"`
	Context      string            `yaml:"context"`
	Namespaces   []string          `yaml:"namespaces"`
	Exclude      []string          `yaml:"exclude_namespaces"`
	Environments map[string]string `yaml:"environments"`
	ServiceLabel []string          `yaml:"service_label"`
	PromoteFull  bool              `yaml:"promote_full"`
	MinSoak      time.Duration     `yaml:"min_soak"`
	Timeout      time.Duration     `yaml:"timeout"`
}

const (
	defaultSoak    = 10 * time.Minute
	defaultTimeout = 15 * time.Second
)

func defaultLabels() []string { return []string{"app.kubernetes.io/name", "app"} }

// Factory makes providers of the type "argo-rollouts".
func Factory() providers.Factory {
	return providers.Factory{
		Type: "argo-rollouts", Help: "Argo Rollouts of a Kubernetes cluster: history with exposed share, alerts, abort and rollback",
		Fields: []providers.Field{
			{Name: "kubeconfig", Type: providers.FieldString, Help: "a kubeconfig file; default: as kubectl, $KUBECONFIG, ~/.kube/config or the pod's own account"},
			{Name: "context", Type: providers.FieldString, Help: "a context of the kubeconfig; default: the current one"},
			{Name: "namespaces", Type: providers.FieldStrings, Help: "what to look at; default: every namespace, which needs the right to list them all"},
			{Name: "exclude_namespaces", Type: providers.FieldStrings, Help: "what to leave out"},
			{Name: "environments", Type: providers.FieldMap, Help: "the environment by namespace, or by context where no namespace matches; * at the end of a name matches any rest"},
			{Name: "service_label", Type: providers.FieldStrings, Default: defaultLabels(), Help: "labels that name the service; the first that a Rollout has counts, else its name"},
			{Name: "promote_full", Type: providers.FieldBool, Default: false, Help: "a rollback that would replay canary steps gets a second step that skips them, which the plan shows"},
			{Name: "min_soak", Type: providers.FieldDuration, Default: defaultSoak.String(), Help: "how long a revision must have been the stable one to count as known good"},
			{Name: "timeout", Type: providers.FieldDuration, Default: defaultTimeout.String(), Help: "how long one request may take"},
		},
		New: create,
	}
}

func create(env providers.Environment, decode func(into any) error) (providers.Provider, error) {
	var s settings
	if err := decode(&s); err != nil {
		return nil, err
	}
	if s.MinSoak < 0 || s.Timeout < 0 {
		return nil, errors.New("min_soak and timeout must not be negative")
	}
	s.MinSoak, s.Timeout = cmp.Or(s.MinSoak, defaultSoak), cmp.Or(s.Timeout, defaultTimeout)
	if len(s.ServiceLabel) == 0 {
		s.ServiceLabel = defaultLabels()
	}
	if s.Kubeconfig != "" && !filepath.IsAbs(s.Kubeconfig) {
		s.Kubeconfig = filepath.Join(env.Dir, s.Kubeconfig)
	}
	o := kube.Options{Kubeconfig: s.Kubeconfig, Context: s.Context, Namespaces: s.Namespaces, Timeout: s.Timeout, UserAgent: "backout/rollouts"}
	cluster, err := kube.Open(o)
	if err != nil { // it has to be there to tell why
		if cluster, err = kube.Unopened(o, err); err != nil {
			return nil, err
		}
	}
	return &Provider{
		Vitals: providers.NewVitals(env.Name, env.Now, 0), name: env.Name, environment: env.Environment, set: s,
		cluster: cluster, now: env.Now, archive: env.Archive,
	}, nil
}

// Name implements providers.Provider.
func (p *Provider) Name() string { return p.name }

// Close implements io.Closer: it closes the connections that nobody uses.
func (p *Provider) Close() error { return p.cluster.Close() }

// scopes are the namespaces to list: "" where that is all of them.
func (p *Provider) scopes() []string {
	if len(p.set.Namespaces) == 0 {
		return []string{""}
	}
	return p.set.Namespaces
}

// covers reports whether a namespace is to be looked at.
func (p *Provider) covers(namespace string) bool {
	if len(p.set.Namespaces) > 0 {
		return slices.Contains(p.set.Namespaces, namespace)
	}
	return !slices.Contains(p.set.Exclude, namespace)
}

// environmentOf is the environment of a namespace, by the settings.
func (p *Provider) environmentOf(namespace string) string {
	for _, name := range []string{namespace, p.cluster.Context()} {
		if e := p.set.Environments[name]; e != "" {
			return e
		}
		best := ""
		for pattern := range p.set.Environments {
			if rest, ok := strings.CutSuffix(pattern, "*"); ok && strings.HasPrefix(name, rest) && len(pattern) > len(best) {
				best = pattern
			}
		}
		if best != "" {
			return p.set.Environments[best]
		}
	}
	return p.environment
}

func (p *Provider) describe(o *object) rollback.Unit {
	service := o.Meta.Name
	for _, l := range p.set.ServiceLabel {
		if s := o.Meta.Labels[l]; s != "" {
			service = s
			break
		}
	}
	return rollback.Unit{
		ID: p.unitID(o), Kind: "rollout", Service: providers.Clean(service), Environment: p.environmentOf(o.Meta.Namespace), CAS: rollback.CASAtomic,
	}
}

func (p *Provider) unitID(o *object) rollback.UnitID {
	return rollback.UnitID(p.name + ":" + o.Meta.Namespace + "/" + o.Meta.Name)
}

// locate splits a unit's id into namespace and name.
func (p *Provider) locate(id rollback.UnitID) (namespace, name string, err error) {
	rest, ours := strings.CutPrefix(string(id), p.name+":")
	namespace, name, whole := strings.Cut(rest, "/")
	if !ours || !whole || namespace == "" || name == "" || strings.Contains(name, "/") {
		return "", "", fmt.Errorf("%s: %w: a unit of provider %s is called %s:namespace/name", id, rollback.ErrNotFound, p.name, p.name)
	}
	if !p.covers(namespace) {
		return "", "", fmt.Errorf("%s: %w: provider %s does not look at namespace %s", id, rollback.ErrNotFound, p.name, namespace)
	}
	return namespace, name, nil
}
