// Package git shows what landed on the tracked branch of a git repository: merges, squashes, direct commits, reverts and
// tags, in first-parent order. It reads with the user's own git program, so that work trees, notes, shallow and partial
// clones are read as the user's git reads them, and it changes nothing in the repository unless it is told to fetch.
//
// Git does not record when something landed. The committer date of the first-parent commit stands in and is marked
// approximate; such dates may run backwards.
package git

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/attribution"
)

type settings struct {
	Path        string        `yaml:"path"`
	Ref         string        `yaml:"ref"`
	Environment string        `yaml:"environment"`
	Kind        string        `yaml:"kind"`
	Service     string        `yaml:"service"`
	Services    []serviceRule `yaml:"services"`
	Tags        *bool         `yaml:"tags"`
	TagKind     string        `yaml:"tag_kind"`
	Notes       string        `yaml:"notes"`
	Identities  string        `yaml:"identities"`
	MaxFiles    int           `yaml:"max_files"`
	Forge       string        `yaml:"forge"`
	Poll        time.Duration `yaml:"poll"`
	Timeout     time.Duration `yaml:"timeout"`
	Fetch       bool          `yaml:"fetch"`

	Revert *revertSettings `yaml:"revert"`
}

// Factory makes git providers.
func Factory() providers.Factory {
	return providers.Factory{
		Type: "git",
		Help: "what landed on a branch of a git repository: merges, squashes, direct commits, tags, reverts",
		Fields: []providers.Field{
			{Name: "path", Type: providers.FieldString, Help: "a directory inside the work tree, or a bare repository; default: where backout was started"},
			{Name: "ref", Type: providers.FieldString, Help: "the branch to follow; default: the remote's default branch, else main or master, else HEAD"},
			{Name: "environment", Type: providers.FieldString, Help: "the environment that landings are shown in"},
			{Name: "kind", Type: providers.FieldString, Enum: kindNames(), Help: "the kind of every landing; default: by the paths that it touches"},
			{Name: "service", Type: providers.FieldString, Help: "the service where no rule matches; default: the repository's name"},
			{Name: "services", Type: providers.FieldObjects, Help: "which paths belong to which service; the first match holds", Fields: []providers.Field{
				{Name: "path", Type: providers.FieldString, Required: true, Help: "a directory, or a glob with *, ** and ?"},
				{Name: "service", Type: providers.FieldString, Required: true, Help: "the service; $1 is what the first * of the glob matched"},
			}},
			{Name: "tags", Type: providers.FieldBool, Default: true, Help: "show tags"},
			{Name: "tag_kind", Type: providers.FieldString, Default: string(providers.KindOperation), Enum: kindNames(), Help: "the kind of a tag; deploy where a tag is what goes live"},
			{Name: "notes", Type: providers.FieldString, Default: defaultNotes, Help: "the notes that record AI assistance; none: do not read them"},
			{Name: "identities", Type: providers.FieldString, Help: "a file that adds to the table of AI tools and bots"},
			{Name: "max_files", Type: providers.FieldInt, Default: defaultMaxFiles, Help: "how many paths of one landing are kept; all are counted"},
			{Name: "forge", Type: providers.FieldString, Enum: forgeNames(), Help: "what the remote is, for links; default: by its host name"},
			{Name: "poll", Type: providers.FieldDuration, Default: defaultPoll.String(), Help: "how often the branch is looked at"},
			{Name: "timeout", Type: providers.FieldDuration, Default: defaultTimeout.String(), Help: "how long git may stay silent"},
			{Name: "fetch", Type: providers.FieldBool, Default: false, Help: "fetch from the remote while watching; otherwise nothing leaves this machine"},
			{Name: "revert", Type: providers.FieldObject, Help: "take changes back by a revert commit that is pushed; without it, this provider only reads", Fields: revertFields()},
		},
		New: newProvider,
	}
}

const (
	defaultNotes    = "refs/notes/ai"
	defaultMaxFiles = 500
	defaultPoll     = 5 * time.Second
	defaultTimeout  = 30 * time.Second
)

// Provider reads one repository. It is a [providers.ChangeSource], [providers.Watcher] and [providers.Linker].
type Provider struct {
	env    providers.Environment
	set    settings
	rules  *attribution.Rules
	paths  *pathRules
	vitals *providers.Vitals

	mu   sync.Mutex
	seen *snapshot // what the last read began with, so that a watch leaves no gap
	web  forge
}

// snapshot is where the tracked branch and the tags stood.
type snapshot struct {
	head string
	tags map[string]string // name -> object; nil: not looked at
}

func newProvider(env providers.Environment, decode func(into any) error) (providers.Provider, error) {
	p := &Provider{env: env}
	if err := decode(&p.set); err != nil {
		return nil, err
	}
	if err := p.defaults(); err != nil {
		return nil, fmt.Errorf("git provider %s: %w", env.Name, err)
	}
	p.vitals = providers.NewVitals(env.Name, env.Now, 0)
	if p.set.Revert == nil {
		return p, nil
	}
	if err := p.set.Revert.check(); err != nil {
		return nil, fmt.Errorf("git provider %s: %w", env.Name, err)
	}
	return newReverter(p), nil
}

func (p *Provider) defaults() (err error) {
	s := &p.set
	s.Path = p.absolute(s.Path)
	if s.MaxFiles <= 0 {
		s.MaxFiles = defaultMaxFiles
	}
	if s.Poll <= 0 {
		s.Poll = defaultPoll
	}
	if s.Timeout <= 0 {
		s.Timeout = defaultTimeout
	}
	if s.Environment == "" {
		s.Environment = p.env.Environment
	}
	if s.TagKind == "" {
		s.TagKind = string(providers.KindOperation)
	}
	switch s.Notes {
	case "":
		s.Notes = defaultNotes
	case "none":
		s.Notes = ""
	}
	for _, ref := range []string{s.Ref, s.Notes} {
		if strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, "\x00\n ") {
			return fmt.Errorf("%q is no name of a ref", ref)
		}
	}
	if p.paths, err = compilePaths(s.Services); err != nil {
		return err
	}
	p.rules = attribution.Default()
	if s.Identities != "" {
		p.rules, err = loadIdentities(p.absolute(s.Identities))
	}
	return err
}

func (p *Provider) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.env.Dir, path)
}

func loadIdentities(path string) (rules *attribution.Rules, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("identities: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if rules, err = attribution.Load(f); err != nil {
		return nil, fmt.Errorf("identities %s: %w", path, err)
	}
	return rules, nil
}

// Name implements [providers.Provider].
func (p *Provider) Name() string { return p.env.Name }

// Health implements [providers.Provider].
func (p *Provider) Health() providers.Health { return p.vitals.Health() }

func (p *Provider) tags() bool { return p.set.Tags == nil || *p.set.Tags }

func kindNames() []string {
	var names []string
	for _, k := range providers.Kinds() {
		names = append(names, string(k))
	}
	return slices.Clip(names)
}
