package culprit

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// family is what sort of thing a change touches, finer than its kind, with the log of how often such changes are taken
// back against the mean of all.
type family struct {
	name   string
	weight float64
}

// The families, counted over the public histories of a wiki farm's configuration, deployment charts and host
// configuration (111,888 changes); the other kinds are estimates near zero.
func (s *scene) familyOf(c *providers.Change) (family, bool) {
	if f, ok := s.familyOfPaths(c.Paths); ok {
		return f, true
	}
	title := strings.ToLower(c.Title)
	if strings.Contains(title, "release train") || trainPattern.MatchString(title) {
		return family{"a release train", 0.6}, true
	}
	switch c.Kind {
	case providers.KindConfig:
		return family{"configuration", 0.5}, true
	case providers.KindFlag:
		return family{"a flag", 0.5}, true
	case providers.KindMigration:
		return family{"a migration", 0.3}, true
	case providers.KindInfra:
		return family{"infrastructure", -0.2}, true
	case providers.KindScale:
		return family{"a change of scale", -0.4}, true
	case providers.KindOperation:
		return family{"an operation by hand", 0}, true
	case providers.KindDeploy:
		return family{"a release", 0}, true
	default:
		return family{}, false
	}
}

var trainPattern = regexp.MustCompile(`^(group ?\d|all) wikis? to|^(roll|promote)\w* .* to (group|ring|stage) ?\d`)

// familyOfPaths looks at the files; they must all agree on the harmless families.
func (s *scene) familyOfPaths(paths []string) (family, bool) {
	if len(paths) == 0 {
		return family{}, false
	}
	counts := map[family]int{}
	for _, p := range paths {
		counts[familyOfPath(s.families, strings.ToLower(p))]++
	}
	none := family{}
	var best family
	for f, n := range counts {
		switch {
		case f == none:
		case f.weight < 0 && n < len(paths): // harmless only when nothing else is touched
		case best == none || f.weight > best.weight || f.weight == best.weight && f.name < best.name:
			best = f
		}
	}
	return best, best != none
}

// pathFamily says by which directories, extensions and names of files a family is known.
type pathFamily struct {
	family
	dirs, extensions, names []string // names may stand anywhere in the file's name
}

// pathFamilies are tried in order.
func pathFamilies() []pathFamily {
	return []pathFamily{
		{
			family{"tests or documents only", -3},
			[]string{"/test/", "/tests/", "/spec/", "/docs/", "/doc/", "/.github/"},
			[]string{".md", ".rst"},
			[]string{"_test.", "license", "readme", "rakefile"},
		},
		{
			family{"static files, throttles or a test site only", -0.8},
			[]string{"/static/", "/logos/", "/images/", "/beta/"},
			[]string{".png", ".svg"},
			[]string{"throttle", "-labs.", "-beta."},
		},
		{family{"a release train", 0.6}, nil, nil, []string{"wikiversions.json"}},
		{family{"a service's values", 0.4}, []string{"/helmfile.d/services/"}, nil, []string{"values.y", "values-"}},
		{family{"a chart", -0.7}, []string{"/charts/"}, nil, nil},
		{family{"configuration data", 0.5}, []string{"/hieradata/", "/config/", "/settings/", "/wmf-config/"}, nil, nil},
		{family{"a template", -0.2}, []string{"/templates/"}, []string{".erb", ".tpl"}, nil},
		{family{"a manifest", -0.2}, []string{"/manifests/"}, nil, nil},
	}
}

// familyOfPath finds the family of one file, in lower case; none of them: the zero family.
func familyOfPath(families []pathFamily, p string) family {
	base, ext, rooted := path.Base(p), path.Ext(p), "/"+p
	for i := range families {
		f := &families[i]
		inside := func(dir string) bool { return strings.Contains(rooted, dir) }
		named := func(part string) bool { return strings.Contains(base, part) }
		if slices.ContainsFunc(f.dirs, inside) || slices.Contains(f.extensions, ext) || slices.ContainsFunc(f.names, named) {
			return f.family
		}
	}
	return family{}
}

func weighKind(s *scene, c *candidate) (float64, string) {
	f, ok := s.familyOf(c.Change)
	switch {
	case !ok && c.Kind == "":
		return 0, "unknown: what kind of change it is"
	case !ok:
		return 0, ""
	case f.weight > 0:
		return s.kindShare * f.weight, f.name + ": taken back more often than most"
	case f.weight < 0:
		return s.kindShare * f.weight, f.name + ": taken back less often than most"
	}
	return 0, ""
}
