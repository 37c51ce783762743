package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
)

// What Backstage has no field for stands in annotations with this prefix.
const annotation = "backout.dev/"

// component is what is read of a Component. Other fields are Backstage's own business.
type component struct {
	Metadata struct {
		Name        string            `yaml:"name"`
		Annotations map[string]string `yaml:"annotations"`
	} `yaml:"metadata"`
	Spec struct {
		Owner        string   `yaml:"owner"`
		DependsOn    []string `yaml:"dependsOn"`
		ProvidesAPIs []string `yaml:"providesApis"`
		ConsumesAPIs []string `yaml:"consumesApis"`
	} `yaml:"spec"`
}

// consumption is one API that a service uses, of whoever provides it.
type consumption struct {
	service, api string
	edge         func(providers.Edge, string)
}

// backstage takes a Component in; other kinds say nothing that a rollback depends on.
func (c *contents) backstage(doc *yaml.Node, kind string) error {
	if !strings.EqualFold(kind, "Component") {
		return nil
	}
	var x component
	if err := doc.Decode(&x); err != nil {
		return err
	}
	note := func(key string) string { return strings.TrimSpace(x.Metadata.Annotations[annotation+key]) }
	name := cmp.Or(note("service"), x.Metadata.Name)
	if name == "" {
		return errors.New("a Component has no name")
	}
	var dependsOn []string
	for _, ref := range x.Spec.DependsOn {
		dependsOn = append(dependsOn, bare(ref))
	}
	c.put(providers.Service{
		Name: name, Owner: bare(x.Spec.Owner), Tier: note("tier"), Environment: note("environment"), DependsOn: dependsOn,
		Emits: strings.Split(note("emits"), ","), Reads: strings.Split(note("reads"), ","),
	})
	if c.provides == nil {
		c.provides = map[string][]string{}
	}
	for _, api := range x.Spec.ProvidesAPIs {
		c.provides[bare(api)] = append(c.provides[bare(api)], name)
	}
	shown, at := c.shown, c.at
	for _, api := range x.Spec.ConsumesAPIs {
		c.consumes = append(c.consumes, consumption{name, bare(api), func(e providers.Edge, text string) {
			c.shown, c.at = shown, at
			c.edge(e, text)
		}})
	}
	for _, need := range strings.Split(note("requires"), ";") {
		if need = strings.TrimSpace(need); need == "" {
			continue
		}
		to, versions, ok := strings.Cut(need, " ")
		if !ok {
			return fmt.Errorf("component %s: %srequires: %q is not a service and a range of versions, such as \"pricing >= 1.2\"", name, annotation, need)
		}
		if err := c.requires(name, to, strings.TrimSpace(versions)); err != nil {
			return err
		}
	}
	return nil
}

// join ties who uses an API to who provides it, when all files were read.
func (c *contents) join() {
	for _, use := range c.consumes {
		for _, provider := range c.provides[use.api] {
			if provider != use.service {
				use.edge(providers.Edge{From: use.service, To: provider, Kind: providers.EdgeContract}, use.service+" consumes API "+use.api+" of "+provider)
			}
		}
	}
	c.consumes = nil
	slices.SortStableFunc(c.services, func(a, b providers.Service) int { return cmp.Compare(a.Name, b.Name) })
}

// bare is the name of an entity reference ([kind:][namespace/]name).
func bare(ref string) string {
	ref = ref[strings.LastIndex(ref, ":")+1:]
	return strings.TrimSpace(ref[strings.LastIndex(ref, "/")+1:])
}
