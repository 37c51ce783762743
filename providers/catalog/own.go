package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
)

// contents is what the files say so far.
type contents struct {
	source, environment string
	services            []providers.Service
	edges               []providers.Edge
	provides            map[string][]string // API → services
	consumes            []consumption

	shown string    // the file that is being read, as people name it
	at    time.Time // when it was written
}

// ownForm is a document of backout's own form.
type ownForm struct {
	Services []ownService `yaml:"services"`
}

type ownService struct {
	Name        string            `yaml:"name"`
	Owner       string            `yaml:"owner"`
	Tier        string            `yaml:"tier"`
	Environment string            `yaml:"environment"`
	DependsOn   []string          `yaml:"depends_on"`
	Requires    map[string]string `yaml:"requires"`
	Emits       []string          `yaml:"emits"`
	Reads       []string          `yaml:"reads"`
	Tried       []ownTrial        `yaml:"tried"`
	Independent []string          `yaml:"independent_of"`
	Flags       map[string]string `yaml:"flags"` // by name: which own versions ask for it, "" those since somebody wrote it here
}

// ownTrial is what came of trying a service with what it calls.
type ownTrial struct {
	With        string `yaml:"with"`
	Versions    string `yaml:"versions"`
	OwnVersions string `yaml:"own_versions"`
	Works       *bool  `yaml:"works"`
	Evidence    string `yaml:"evidence"`
}

// file reads all documents of a file.
func (c *contents) file(path, shown string) error {
	data, info, err := load(path)
	if err != nil {
		return err
	}
	c.shown, c.at = shown, info.ModTime().UTC()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	said := false
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("is not valid YAML: %w", err)
		}
		if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" {
			continue
		}
		if err := c.document(&doc); err != nil {
			return err
		}
		said = true
	}
	if !said {
		return errors.New("holds nothing")
	}
	return nil
}

func (c *contents) document(doc *yaml.Node) error {
	var what struct {
		APIVersion string    `yaml:"apiVersion"`
		Kind       string    `yaml:"kind"`
		Services   yaml.Node `yaml:"services"`
	}
	if err := doc.Decode(&what); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(what.APIVersion, "backstage.io/"):
		return c.backstage(doc, what.Kind)
	case !what.Services.IsZero():
		return c.own(doc)
	default:
		return fmt.Errorf("line %d: holds neither services nor something of Backstage (apiVersion: backstage.io/...)", doc.Line)
	}
}

func (c *contents) own(doc *yaml.Node) error {
	raw, err := yaml.Marshal(doc)
	if err != nil {
		return err
	}
	var own ownForm
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	dec.KnownFields(true) // a misspelt key would say that nothing is declared
	if err := dec.Decode(&own); err != nil {
		return err
	}
	for i := range own.Services {
		if err := c.service(&own.Services[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c *contents) service(s *ownService) error {
	if s.Name == "" {
		return errors.New("a service has no name")
	}
	c.put(providers.Service{Name: s.Name, Owner: s.Owner, Tier: s.Tier, Environment: s.Environment, DependsOn: s.DependsOn, Emits: s.Emits, Reads: s.Reads})
	for _, to := range slices.Sorted(maps.Keys(s.Requires)) {
		if err := c.requires(s.Name, to, s.Requires[to]); err != nil {
			return err
		}
	}
	for _, flag := range slices.Sorted(maps.Keys(s.Flags)) {
		if err := checkRange(s.Flags[flag]); err != nil {
			return fmt.Errorf("service %s: asks for the flag %s: %w", s.Name, flag, err)
		}
		text := strings.TrimSpace(fmt.Sprintf("%s %s", s.Name, s.Flags[flag])) + " asks for the flag " + flag
		c.edge(providers.Edge{From: s.Name, To: flag, Kind: providers.EdgeFlag, FromVersions: s.Flags[flag]}, text)
	}
	for _, other := range s.Independent {
		c.edge(providers.Edge{From: s.Name, To: other, Kind: providers.EdgeIndependent}, s.Name+" is independent of "+other)
	}
	for _, t := range s.Tried {
		if t.With == "" {
			return fmt.Errorf("service %s: tried: with whom is not said", s.Name)
		}
		e := providers.Edge{From: s.Name, To: t.With, Kind: providers.EdgeVerified, FromVersions: t.OwnVersions, ToVersions: t.Versions}
		word := "works"
		if t.Works != nil && !*t.Works {
			e.Kind, word = providers.EdgeRefuted, "does not work"
		}
		for _, r := range []string{t.OwnVersions, t.Versions} {
			if err := checkRange(r); err != nil {
				return fmt.Errorf("service %s: tried with %s: %w", s.Name, t.With, err)
			}
		}
		text := fmt.Sprintf("%s %s %s with %s %s", s.Name, t.OwnVersions, word, t.With, t.Versions)
		if t.Evidence != "" {
			text += ": " + t.Evidence
		}
		c.edge(e, text)
	}
	return nil
}

func (c *contents) requires(from, to, versions string) error {
	if versions == "" {
		return fmt.Errorf("service %s: requires %s: which version is not said, such as \">= 1.2\"", from, to)
	}
	if err := checkRange(versions); err != nil {
		return fmt.Errorf("service %s: requires %s: %w", from, to, err)
	}
	c.edge(providers.Edge{From: from, To: to, Kind: providers.EdgeMinVersion, ToVersions: versions}, from+" requires "+to+" "+versions)
	return nil
}

func checkRange(versions string) error {
	if versions == "" {
		return nil
	}
	if _, err := semver.NewConstraint(versions); err != nil {
		return fmt.Errorf("%q is no range of versions such as \">= 1.2, < 2\": %w", versions, err)
	}
	return nil
}

func (c *contents) put(s providers.Service) {
	if s.Environment == "" {
		s.Environment = c.environment
	}
	s.Name, s.Owner, s.Tier, s.Environment = providers.Clean(s.Name), providers.Clean(s.Owner), providers.Clean(s.Tier), providers.Clean(s.Environment)
	s.DependsOn, s.Emits, s.Reads = cleaned(s.DependsOn), cleaned(s.Emits), cleaned(s.Reads)
	c.services = append(c.services, s)
}

func (c *contents) edge(e providers.Edge, evidence string) {
	e.From, e.To = providers.Clean(e.From), providers.Clean(e.To)
	e.FromVersions, e.ToVersions = providers.Clean(e.FromVersions), providers.Clean(e.ToVersions)
	e.Evidence, e.Source, e.SeenAt = providers.Clean(c.shown+": "+strings.Join(strings.Fields(evidence), " ")), c.source, c.at
	c.edges = append(c.edges, e)
}

func cleaned(texts []string) []string {
	var out []string
	for _, t := range texts {
		if t = providers.Clean(strings.TrimSpace(t)); t != "" {
			out = append(out, t)
		}
	}
	return out
}
