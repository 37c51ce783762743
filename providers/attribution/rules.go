package attribution

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"
)

//go:embed rules.yaml
var builtin []byte

// Rules is a table of identities, words and patterns. It is immutable after [Load] and safe for concurrent use.
type Rules struct {
	version string

	tools      []tool
	words      map[string]*tool // lower case, a whole phrase
	phrases    []string         // the keys of words, longest first
	company    map[string]bool  // words that make a value a claim of AI
	models     []string
	ids        map[string][]*identity
	logins     map[string]*identity
	emails     map[string]*identity
	automation map[string]bool
	branches   []pattern
	sessions   []pattern
	trailers   map[string]vendorTrailer
	notAI      map[string]bool
	testTools  map[string]bool
	prose      prosePatterns
}

type tool struct {
	Name     string   `yaml:"name"`
	Words    []string `yaml:"words"`
	Names    []string `yaml:"names"`
	Human    bool     `yaml:"human"`
	Everyday bool     `yaml:"everyday"`

	names []*regexp.Regexp
}

type identity struct {
	Tool       string   `yaml:"tool"`
	IDs        []string `yaml:"ids"`
	Logins     []string `yaml:"logins"`
	Emails     []string `yaml:"emails"`
	As         string   `yaml:"as"`
	Strict     bool     `yaml:"strict"`
	Since      day      `yaml:"since"`
	Until      day      `yaml:"until"`
	Unreliable []span   `yaml:"unreliable"`
}

type span struct {
	From day    `yaml:"from"`
	To   day    `yaml:"to"` // inclusive
	Ref  string `yaml:"ref"`
}

type pattern struct {
	Tool    string `yaml:"tool"`
	Pattern string `yaml:"pattern"`

	re *regexp.Regexp
}

type vendorTrailer struct {
	Key    string   `yaml:"key"`
	Tool   string   `yaml:"tool"`
	Role   string   `yaml:"role"`
	Values []string `yaml:"values"`
}

type document struct {
	Version         string          `yaml:"version"`
	Tools           []tool          `yaml:"tools"`
	Models          []string        `yaml:"models"`
	General         []string        `yaml:"general"`
	Identities      []identity      `yaml:"identities"`
	AutomationNames []string        `yaml:"automation_names"`
	Branches        []pattern       `yaml:"branches"`
	Sessions        []pattern       `yaml:"sessions"`
	Trailers        []vendorTrailer `yaml:"trailers"`
	NotAI           []string        `yaml:"not_ai"`
	TestTools       []string        `yaml:"test_tools"`
}

// day is a date (UTC) in the table.
type day struct{ time.Time }

// UnmarshalYAML reads YYYY-MM-DD.
func (d *day) UnmarshalYAML(n *yaml.Node) error {
	t, err := time.Parse(time.DateOnly, n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is no date (YYYY-MM-DD)", n.Line, n.Value)
	}
	d.Time = t
	return nil
}

var defaultRules = sync.OnceValue(func() *Rules {
	r, err := Load(nil)
	if err != nil {
		panic(err) // the embedded table is checked by a test
	}
	return r
})

// Default is the built-in table.
func Default() *Rules { return defaultRules() }

// Version names the table, with "+" and the version of what was added to it. It belongs into every record of a verdict.
func (r *Rules) Version() string { return r.version }

// Load reads the built-in table and then extra (nil for none), a YAML document of the same shape, whose entries are
// added and win where both know an id or an address.
func Load(extra io.Reader) (*Rules, error) {
	doc, err := decode(bytes.NewReader(builtin))
	if err != nil {
		return nil, fmt.Errorf("built-in attribution table: %w", err)
	}
	if extra != nil {
		more, err := decode(io.LimitReader(extra, 4<<20))
		if err != nil {
			return nil, fmt.Errorf("read attribution table: %w", err)
		}
		doc.extend(more)
	}
	return compile(doc)
}

func decode(from io.Reader) (*document, error) {
	dec := yaml.NewDecoder(from)
	dec.KnownFields(true)
	doc := &document{}
	if err := dec.Decode(doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return doc, nil
}

func (d *document) extend(more *document) {
	version := more.Version
	if version == "" {
		version = "local"
	}
	d.Version += "+" + version
	d.Tools = append(d.Tools, more.Tools...)
	d.Models = append(d.Models, more.Models...)
	d.General = append(d.General, more.General...)
	d.Identities = append(d.Identities, more.Identities...)
	d.AutomationNames = append(d.AutomationNames, more.AutomationNames...)
	d.Branches = append(d.Branches, more.Branches...)
	d.Sessions = append(d.Sessions, more.Sessions...)
	d.Trailers = append(d.Trailers, more.Trailers...)
	d.NotAI = append(d.NotAI, more.NotAI...)
	d.TestTools = append(d.TestTools, more.TestTools...)
}

func compile(d *document) (*Rules, error) {
	r := &Rules{
		version: d.Version, tools: d.Tools, models: lowered(d.Models), branches: d.Branches, sessions: d.Sessions,
		words: map[string]*tool{}, company: set(d.General), automation: set(d.AutomationNames),
		notAI: set(d.NotAI), testTools: set(d.TestTools), trailers: map[string]vendorTrailer{},
	}
	for _, m := range r.models {
		r.company[m] = true
	}
	for i := range r.tools {
		if err := r.compileTool(&r.tools[i]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(r.phrases, func(a, b string) int { return len(b) - len(a) })
	r.indexIdentities(d.Identities)
	for _, list := range [][]pattern{r.branches, r.sessions} {
		for i := range list {
			re, err := regexp.Compile(list[i].Pattern)
			if err != nil {
				return nil, fmt.Errorf("attribution table: pattern of %s: %w", list[i].Tool, err)
			}
			list[i].re = re
		}
	}
	for _, t := range d.Trailers {
		r.trailers[strings.ToLower(t.Key)] = t
	}
	var err error
	r.prose, err = r.compileProse()
	return r, err
}

func (r *Rules) compileTool(t *tool) error {
	if t.Name == "" {
		return errors.New("attribution table: a tool has no name")
	}
	for _, n := range t.Names {
		re, err := regexp.Compile(`(?i)^(?:` + n + `)$`)
		if err != nil {
			return fmt.Errorf("attribution table: name of %s: %w", t.Name, err)
		}
		t.names = append(t.names, re)
	}
	for _, w := range append([]string{t.Name}, t.Words...) {
		w = strings.ToLower(w)
		if _, ok := r.words[w]; !ok {
			r.phrases = append(r.phrases, w)
		}
		r.words[w] = t
	}
	return nil
}

func (r *Rules) indexIdentities(list []identity) {
	r.ids, r.logins, r.emails = map[string][]*identity{}, map[string]*identity{}, map[string]*identity{}
	for i := range list {
		id := &list[i]
		for _, n := range id.IDs {
			r.ids[n] = append([]*identity{id}, r.ids[n]...)
		}
		for _, l := range id.Logins {
			r.logins[strings.ToLower(l)] = id
		}
		for _, e := range id.Emails {
			r.emails[strings.ToLower(e)] = id
		}
	}
}

func set(list []string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, s := range list {
		m[strings.ToLower(s)] = true
	}
	return m
}

func lowered(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}
