package git

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// serviceRule says that what lies under a path belongs to a service.
type serviceRule struct {
	Path    string `yaml:"path"`
	Service string `yaml:"service"`
}

// pathRules finds services by path.
type pathRules struct {
	rules []compiledRule
}

type compiledRule struct {
	prefix  string // a directory, or ""
	re      *regexp.Regexp
	service string
	dynamic bool
}

func compilePaths(rules []serviceRule) (*pathRules, error) {
	p := &pathRules{}
	for _, r := range rules {
		if r.Path == "" || r.Service == "" {
			return nil, errors.New("services: each rule needs a path and a service")
		}
		c := compiledRule{service: r.Service, dynamic: strings.Contains(r.Service, "$")}
		if strings.ContainsAny(r.Path, "*?[") {
			re, err := glob(r.Path)
			if err != nil {
				return nil, fmt.Errorf("services: path %q: %w", r.Path, err)
			}
			c.re = re
		} else {
			c.prefix = strings.Trim(path.Clean("/"+r.Path), "/")
		}
		p.rules = append(p.rules, c)
	}
	return p, nil
}

// glob compiles *, ** and ?. A glob that matches a directory matches everything below it.
func glob(pattern string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString("^")
	pattern = strings.Trim(pattern, "/")
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case strings.HasPrefix(pattern[i:], "**/"):
			b.WriteString("(?:(.*)/)?")
			i += 2
		case strings.HasPrefix(pattern[i:], "**"):
			b.WriteString("(.*)")
			i++
		case c == '*':
			b.WriteString("([^/]*)")
		case c == '?':
			b.WriteString("[^/]")
		case c == '[':
			end := strings.IndexByte(pattern[i:], ']')
			if end < 0 {
				return nil, errors.New("a [ without ]")
			}
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, "[", `\[`, "!", "^").Replace(pattern[i+1:i+end]) + "]")
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString("(?:/.*)?$")
	return regexp.Compile(b.String())
}

// service is the service that a path belongs to by the first rule that matches; "" where none does.
func (p *pathRules) service(file string) string {
	for i := range p.rules {
		c := &p.rules[i]
		if c.re == nil {
			if file == c.prefix || c.prefix == "" || strings.HasPrefix(file, c.prefix+"/") {
				return c.service
			}
			continue
		}
		m := c.re.FindStringSubmatchIndex(file)
		if m == nil {
			continue
		}
		if !c.dynamic {
			return c.service
		}
		return string(c.re.ExpandString(nil, c.service, file, m))
	}
	return ""
}

// sort is what kind of file a path is, as far as a path tells.
type sort int

const (
	isOther sort = iota
	isMigration
	isInfra
	isConfig
)

var (
	migrationPath = regexp.MustCompile(`(?i)(^|/)(migrations?|migrate|db/migrate|alembic/versions|flyway|liquibase|changelogs?/db)/.*\.(sql|rb|py|go|ts|js|php|java|kt|cs|ex|exs|xml|ya?ml)$|(^|/)V\d+(_\d+)*__[^/]+\.sql$`)
	infraPath     = regexp.MustCompile(`(?i)\.(tf|tfvars|hcl|bicep)$|(^|/)(terraform|pulumi|cloudformation|ansible|cdk)/`)
	configFile    = regexp.MustCompile(`(?i)\.(ya?ml|toml|ini|conf|cfg|env|properties|json|jsonnet|cue)$|(^|/)\.env(\.|$)`)
	configDir     = regexp.MustCompile(`(?i)(^|/)(deploy(ments?)?|config|configs|configuration|conf|k8s|kubernetes|helm|charts?|manifests|environments?|overlays|values|settings|kustomize|argocd|flux)/|(^|/)(values[^/]*|kustomization)\.ya?ml$`)
)

func sortOf(file string) sort {
	switch {
	case migrationPath.MatchString(file):
		return isMigration
	case infraPath.MatchString(file):
		return isInfra
	case configFile.MatchString(file) && configDir.MatchString(file):
		return isConfig
	default:
		return isOther
	}
}

// kind is what sort of change a landing is: a migration as soon as it holds one, since that is what cannot simply be
// taken back; infrastructure or configuration where it touches nothing else; else a change of code.
func (t *touched) kind() providers.Kind {
	switch {
	case t.migrations > 0:
		return providers.KindMigration
	case t.files == 0:
		return providers.KindDeploy
	case t.infra == t.files:
		return providers.KindInfra
	case t.config == t.files, t.config+t.infra == t.files:
		return providers.KindConfig
	default:
		return providers.KindDeploy
	}
}

// service is the one that most of the files belong to; of equal ones, the first in the alphabet. Files that no rule
// knows count only where all are such.
func (t *touched) service(otherwise string) string {
	best := ""
	for name, n := range t.services {
		if name != "" && (best == "" || n > t.services[best] || (n == t.services[best] && name < best)) {
			best = name
		}
	}
	if best == "" {
		return otherwise
	}
	return best
}
