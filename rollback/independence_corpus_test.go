package rollback_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/rollback"
)

// example is one labelled case; testdata/independence.yaml says what its fields mean.
type example struct {
	Name, Why, Unit, To, Truth, Rule     string
	Blind                                bool
	Units                                map[string][]string
	Env, Unseen, Frozen, Delivers        map[string]string
	Unlooked                             map[string]string
	InFlight                             map[string]string `yaml:"in_flight"`
	Owners, Emits, Missing, Short, Reads map[string][]string
	Exposes                              map[string][]string
	Advisories                           []exampleAdvisory
	Flags                                map[string]exampleFlag
	Files                                map[string][]string // the flags that the files name, by commit
	ListError                            string              `yaml:"list_error"`
	Unread                               []string
	Changes                              []exampleChange
	Edges                                []exampleEdge
	Ties                                 map[string][]exampleTie
	Repo                                 []exampleCommit
	RepoError                            string `yaml:"repo_error"`
	Schema                               []string
}

type exampleChange struct {
	ID, Kind, Service, Commit, Set string
	On                             string // the unit that says so of itself
	Paths                          []string
	Landed, Effective              int
}

type exampleEdge struct {
	From, To, Kind string
	FromVersions   string `yaml:"from_versions"`
	ToVersions     string `yaml:"to_versions"`
}

type exampleAdvisory struct {
	ID, Package, Versions string
	Exploited             bool
}

// exampleFlag is a unit that is a feature flag; made is how many minutes ago one of its name began.
type exampleFlag struct {
	On   bool
	Made int
}

type exampleTie struct{ Verdict, Unit, Text string }

// corpusTarget is the target in memory, with what a case says of it.
type corpusTarget struct {
	*fake
	c *example
}

func (x corpusTarget) Observe(ctx context.Context, id rollback.UnitID) (rollback.Observation, error) {
	o, err := x.fake.Observe(ctx, id)
	if why := x.c.Unseen[o.Unit.Service]; why != "" {
		return rollback.Observation{}, errors.New(why)
	}
	o.Frozen = x.c.Frozen[o.Unit.Service]
	_, flag, _ := strings.Cut(string(id), "/")
	if f, ok := x.c.Flags[flag]; ok {
		o.Flag = &rollback.FlagState{Name: flag, On: f.On, Created: ago(f.Made)}
	}
	return o, err
}

func (x corpusTarget) Plan(ctx context.Context, o rollback.Observation, to rollback.Revision) (rollback.Proposal, error) {
	p, err := x.fake.Plan(ctx, o, to)
	p.Missing = x.c.Missing[o.Unit.Service]
	for _, what := range x.c.Short[o.Unit.Service] {
		p.Short = append(p.Short, rollback.Shortage{What: what, First: "scale it"})
	}
	for _, what := range x.c.Exposes[o.Unit.Service] {
		p.Exposes = append(p.Exposes, rollback.Exposure{What: what})
	}
	if why := x.c.Unlooked[o.Unit.Service]; why != "" {
		p.Unseen = []string{why}
	}
	return p, err
}

func (x corpusTarget) Ties(_ context.Context, o rollback.Observation, _ rollback.Revision) ([]rollback.Tie, error) {
	var out []rollback.Tie
	for _, t := range x.c.Ties[o.Unit.Service] {
		tie := rollback.Tie{Verdict: rollback.Verdict(t.Verdict), Text: t.Text}
		if t.Unit != "" {
			tie.Unit = rollback.UnitID("fake:prod/" + t.Unit)
		}
		out = append(out, tie)
	}
	return out, nil
}

func commitNamed(name string) string {
	if name == "" || name == "-" {
		return ""
	}
	return digest("commit " + name)[7:47]
}

func ago(minutes int) time.Time {
	if minutes == 0 {
		return time.Time{}
	}
	return t0.Add(-time.Duration(minutes) * time.Minute)
}

// revisionsOf reads the revisions of a unit; each stopped serving when the next one began.
func revisionsOf(t *testing.T, unit string, texts []string) []rollback.Revision {
	t.Helper()
	var out []rollback.Revision
	for _, text := range texts {
		f := strings.Fields(text)
		minutes, err := strconv.Atoi(f[len(f)-1])
		if len(f) != 3 || err != nil {
			t.Fatalf("revision %q: %v", text, err)
		}
		label, bad := strings.CutSuffix(f[0], "!")
		r := rollback.Revision{Digest: digest(unit + " " + label), Label: label, Commit: commitNamed(f[1]), Since: ago(minutes)}
		if !bad {
			r.Good = []string{"served well"}
		}
		if len(out) > 0 {
			r.Until = out[len(out)-1].Since
		}
		out = append(out, r)
	}
	return out
}

// build puts a case into a world.
func (c *example) build(t *testing.T) (*rollback.Engine, rollback.Request) {
	t.Helper()
	b := newBench(t)
	for _, name := range sortedNames(c.Units) {
		u := b.target.add(name, revisionsOf(t, name, c.Units[name])...)
		if _, ok := c.Flags[name]; ok {
			u.unit.Kind, u.unit.Service = "flag", ""
		}
		u.owners, u.inFlight, u.delivers = c.Owners[name], c.InFlight[name], c.Delivers[name]
		if env := c.Env[name]; env != "" {
			u.unit.Environment = env
		}
	}
	if c.ListError != "" {
		b.target.listErr = errors.New(c.ListError)
	}
	b.cfg.Reversers = map[string]rollback.Reverser{"fake": corpusTarget{b.target, c}}
	b.cfg.Mentions = c.mentions
	req := rollback.Request{Unit: "fake:prod/shop", To: c.To, Unread: c.Unread}
	if c.Unit != "" {
		req.Unit = rollback.UnitID("fake:prod/" + c.Unit)
	}
	for _, x := range c.Changes {
		on := ""
		if x.On != "" {
			on = "fake:prod/" + x.On
		}
		req.Context = append(req.Context, providers.Change{
			ID: x.ID, Unit: on, Provider: "git", Kind: providers.Kind(x.Kind), Service: x.Service, Environment: "prod", Title: x.ID,
			Commit: commitNamed(x.Commit), ChangeSet: x.Set, Paths: x.Paths, LandedAt: ago(x.Landed), EffectiveFrom: ago(x.Effective),
		})
	}
	for _, e := range c.Edges {
		req.Edges = append(req.Edges, providers.Edge{
			From: e.From, To: e.To, Kind: providers.EdgeKind(e.Kind), FromVersions: e.FromVersions, ToVersions: e.ToVersions, Source: "catalog",
		})
	}
	for _, a := range c.Advisories {
		req.Advisories = append(req.Advisories, rollback.Advisory{ID: a.ID, Package: a.Package, Versions: a.Versions, Exploited: a.Exploited, Source: "advisories"})
	}
	for _, name := range sortedNames(c.Emits) {
		req.Services = append(req.Services, providers.Service{Name: name, Emits: c.Emits[name]})
	}
	for _, name := range sortedNames(c.Reads) {
		req.Services = append(req.Services, providers.Service{Name: name, Reads: c.Reads[name]})
	}
	if len(c.Schema) > 0 {
		u := b.target.add("shop-db", revisionsOf(t, "shop-db", c.Schema)...)
		u.unit.Kind, u.unit.Service = rollback.KindSchema, "shop"
	}
	if len(c.Repo) > 0 {
		b.cfg.Contents = map[string]providers.Contents{"git": &repository{commits: c.Repo, broken: c.RepoError}}
	}
	return b.another(t), req
}

// mentions are the flags that the files of a commit name; of a commit that the case says nothing of, nobody knows.
func (c *example) mentions(_ context.Context, _, commit string, _ []string) ([]string, error) {
	for name, found := range c.Files {
		if commitNamed(name) == commit {
			return found, nil
		}
	}
	return nil, providers.ErrNotFound
}

func sortedNames[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// judge is the verdict and the findings on the unit of a case, by the engine's own planning.
func (c *example) judge(t *testing.T) (verdict rollback.Verdict, findings []rollback.Finding) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e, req := c.build(t)
		p, err := e.Plan(t.Context(), req)
		if errors.Is(err, rollback.ErrNoTarget) {
			verdict, findings = rollback.Blocked, []rollback.Finding{{Rule: "target", Verdict: rollback.Blocked}}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range p.Units {
			if u.Unit.ID == req.Unit {
				verdict, findings = u.Verdict, u.Findings
			}
		}
	})
	return verdict, findings
}

// A unit that is called independent and is not is the one mistake that must not happen. The corpus counts it, and what caution costs.
func TestCorpusOfIndependence(t *testing.T) {
	data, err := os.ReadFile("testdata/independence.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cases []example
	if err := yaml.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	n := map[string]int{}
	names := map[string]bool{}
	for i := range cases {
		c := &cases[i]
		if names[c.Name] || !slices.Contains([]string{"alone", "conditions", "not"}, c.Truth) {
			t.Fatalf("case %q: there twice, or its label is %q", c.Name, c.Truth)
		}
		names[c.Name] = true
		t.Run(c.Name, func(t *testing.T) { c.count(t, n) })
	}
	if n["cases"] < 60 {
		t.Errorf("%d cases", n["cases"])
	}
	share := func(k string) string {
		return fmt.Sprintf("%d of %d (%.1f %%)", n[k], n["cases"], 100*float64(n[k])/float64(n["cases"]))
	}
	t.Logf("false independent: %s; only a condition where it must not go alone: %s; unknown: %s; more cautious than true: %s; blind spots: %d, of which called independent: %d",
		share("false independent"), share("false conditional"), share("unknown"), share("cautious"), n["blind"], n["blind independent"])
}

// count judges a case and says what it was.
func (c *example) count(t *testing.T, n map[string]int) {
	t.Helper()
	v, findings := c.judge(t)
	if c.Blind {
		n["blind"]++
		if v == rollback.Independent {
			n["blind independent"]++
		}
		return
	}
	n["cases"]++
	may := v == rollback.Independent || v == rollback.Conditional
	switch {
	case v == rollback.Independent && c.Truth != "alone":
		n["false independent"]++
		t.Errorf("called independent, and it is %q", c.Truth)
	case v == rollback.Conditional && c.Truth == "not":
		n["false conditional"]++
		t.Errorf("called conditional, and it must not go back alone: %+v", findings)
	case c.Truth != "not" && !may, c.Truth == "alone" && v != rollback.Independent:
		n["cautious"]++
		t.Logf("called %s, and it is %q: %+v", v, c.Truth, findings)
	}
	if v == rollback.Unknown {
		n["unknown"]++
	}
	against := func(f rollback.Finding) bool { return f.Rule == c.Rule && f.Verdict != rollback.Independent }
	if c.Rule != "" && !slices.ContainsFunc(findings, against) {
		t.Errorf("called %s, but not by rule %q: %+v", v, c.Rule, findings)
	}
}
