package culprit

import (
	"path"
	"regexp"
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
func familyOf(c *providers.Change) (family, bool) {
	if f, ok := familyOfPaths(c.Paths); ok {
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
func familyOfPaths(paths []string) (family, bool) {
	if len(paths) == 0 {
		return family{}, false
	}
	counts := map[family]int{}
	for _, p := range paths {
		counts[familyOfPath(strings.ToLower(p))]++
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

func familyOfPath(p string) family {
	base, ext := path.Base(p), path.Ext(p)
	has := func(parts ...string) bool {
		for _, s := range parts {
			if strings.HasPrefix(p, s) || strings.Contains(p, "/"+s) {
				return true
			}
		}
		return false
	}
	switch {
	case has("test/", "tests/", "spec/", "docs/", "doc/", ".github/") || ext == ".md" || ext == ".rst" ||
		strings.HasSuffix(base, "_test.go") || base == "license" || base == "readme" || base == "rakefile":
		return family{"tests or documents only", -3}
	case has("static/", "logos/", "images/") || ext == ".png" || ext == ".svg" || strings.Contains(base, "throttle") ||
		strings.Contains(base, "-labs.") || strings.Contains(p, "beta"):
		return family{"static files, throttles or a test site only", -0.8}
	case base == "wikiversions.json":
		return family{"a release train", 0.6}
	case strings.HasPrefix(base, "values") && strings.HasPrefix(ext, ".y"), has("helmfile.d/services/"):
		return family{"a service's values", 0.4}
	case has("charts/"):
		return family{"a chart", -0.7}
	case has("hieradata/", "config/", "settings/", "wmf-config/"):
		return family{"configuration data", 0.5}
	case has("templates/") || ext == ".erb" || ext == ".tpl":
		return family{"a template", -0.2}
	case has("manifests/"):
		return family{"a manifest", -0.2}
	}
	return family{}
}

func weighKind(s *scene, c *candidate) (float64, string) {
	f, ok := familyOf(c.Change)
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
