package nodeagent

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers/kube"
)

// environment is what a container's process gets: what every process needs of the machine, the ports, the Services of the
// namespace, and what the pod says, the later the stronger.
type environment struct {
	names  []string
	values map[string]string
}

func (e *environment) set(name, value string) {
	if _, there := e.values[name]; !there {
		e.names = append(e.names, name)
	}
	e.values[name] = value
}

func (e *environment) list() []string {
	out := make([]string, len(e.names))
	for i, n := range e.names {
		out[i] = n + "=" + e.values[n]
	}
	return out
}

var references = regexp.MustCompile(`\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)`)

// expand replaces $(NAME) as Kubernetes does: what is not known stays, and $$ is one $.
func (e *environment) expand(text string) string {
	return references.ReplaceAllStringFunc(text, func(m string) string {
		if m == "$$" {
			return "$"
		}
		if v, ok := e.values[m[2:len(m)-1]]; ok {
			return v
		}
		return m
	})
}

// environment puts together what a container's process gets.
func (w *worker) environment(ctx context.Context, c *container, ports map[int]int) (*environment, error) {
	e := &environment{values: map[string]string{}}
	for _, name := range []string{"PATH", "TMPDIR", "SYSTEMROOT", "GOCOVERDIR", "LD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			e.set(name, v)
		}
	}
	e.set("HOSTNAME", w.pod.Metadata.Name)
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		e.set(fmt.Sprintf("PORT_%d", port), strconv.Itoa(ports[port]))
	}
	services, err := w.agent.services.of(ctx, w.pod.Metadata.Namespace)
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		host, port, _ := strings.Cut(s.address, ":")
		name := strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
		e.set(name+"_SERVICE_HOST", host)
		e.set(name+"_SERVICE_PORT", port)
	}
	for _, from := range c.EnvFrom {
		if err := w.whole(ctx, e, from); err != nil {
			return nil, err
		}
	}
	for i := range c.Env {
		if err := w.variable(ctx, e, &c.Env[i]); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// whole sets every key of a ConfigMap or Secret.
func (w *worker) whole(ctx context.Context, e *environment, from envSource) error {
	ref, resource := from.ConfigMap, configResource
	if ref == nil {
		ref, resource = from.Secret, secretResource
	}
	if ref == nil {
		return nil
	}
	data, err := w.content(ctx, resource, ref)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		e.set(from.Prefix+key, data[key])
	}
	return nil
}

func (w *worker) variable(ctx context.Context, e *environment, v *variable) error {
	if v.From == nil {
		e.set(v.Name, e.expand(v.Value))
		return nil
	}
	ref, resource := v.From.ConfigMap, configResource
	switch {
	case ref != nil:
	case v.From.Secret != nil:
		ref, resource = v.From.Secret, secretResource
	case v.From.Field != nil:
		value, err := w.field(v.From.Field.Path)
		if err != nil {
			return fmt.Errorf("variable %s: %w", v.Name, err)
		}
		e.set(v.Name, value)
		return nil
	default:
		return fmt.Errorf("variable %s: %w", v.Name, errNotRun)
	}
	data, err := w.content(ctx, resource, ref)
	if err != nil {
		return err
	}
	value, there := data[ref.Key]
	switch {
	case there:
		e.set(v.Name, value)
	case !ref.Optional:
		return fmt.Errorf("variable %s: there is no key %s in %s %s", v.Name, ref.Key, resource.Resource, ref.Name)
	}
	return nil
}

// content reads a ConfigMap or a Secret.
func (w *worker) content(ctx context.Context, r kube.Resource, ref *keyOf) (map[string]string, error) {
	o, err := w.agent.cluster.Get(ctx, r, w.pod.Metadata.Namespace, ref.Name)
	if err != nil {
		if ref.Optional {
			return nil, nil
		}
		return nil, err
	}
	var object struct {
		Data map[string]string `json:"data"`
	}
	if err := decode(o, &object); err != nil {
		return nil, err
	}
	if r == secretResource {
		for k, v := range object.Data {
			b, err := base64.StdEncoding.DecodeString(v)
			if err != nil {
				return nil, fmt.Errorf("read key %s of secret %s: %w", k, ref.Name, err)
			}
			object.Data[k] = string(b)
		}
	}
	return object.Data, nil
}

func (w *worker) field(path string) (string, error) {
	m := &w.pod.Metadata
	switch path {
	case "metadata.name":
		return m.Name, nil
	case "metadata.namespace":
		return m.Namespace, nil
	case "metadata.uid":
		return m.UID, nil
	case "spec.nodeName":
		return w.agent.Node, nil
	case "status.podIP":
		return w.ip, nil
	}
	for prefix, of := range map[string]map[string]string{"metadata.labels['": m.Labels, "metadata.annotations['": m.Annotations} {
		if key, ok := strings.CutPrefix(path, prefix); ok {
			return of[strings.TrimSuffix(key, "']")], nil
		}
	}
	return "", fmt.Errorf("field %s: %w", path, errNotRun)
}
