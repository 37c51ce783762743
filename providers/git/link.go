package git

import (
	"net/url"
	"regexp"
	"strings"
)

// forge builds addresses of pages. The zero value has none.
type forge struct {
	base, commit, tag, ask string
}

type forgeKind struct{ commit, tag, ask string }

var forges = map[string]forgeKind{
	"github":    {"/commit/", "/releases/tag/", "/compare/{into}...{from}?expand=1"},
	"gitlab":    {"/-/commit/", "/-/tags/", "/-/merge_requests/new?merge_request%5Bsource_branch%5D={from}&merge_request%5Btarget_branch%5D={into}"},
	"gitea":     {"/commit/", "/src/tag/", "/compare/{into}...{from}"},
	"bitbucket": {"/commits/", "/src/", "/pull-requests/new?source={from}&dest={into}"},
}

func forgeNames() []string { return []string{"github", "gitlab", "gitea", "bitbucket", "none"} }

// scpAddress is user@host:path, as ssh takes it.
var scpAddress = regexp.MustCompile(`^(?:[\w.-]+@)?([\w.-]+\.[\w-]+):([^/].*|/.+)$`)

// forgeOf finds the pages of a remote. A host that is not known has none unless the user says what runs there: a wrong
// link is worse than no link. User names, passwords and tokens in the address are dropped.
func forgeOf(kind, remote string) forge {
	scheme, host, path := "https", "", ""
	if m := scpAddress.FindStringSubmatch(remote); m != nil && !strings.Contains(remote, "://") {
		host, path = m[1], m[2]
	} else if u, err := url.Parse(remote); err == nil {
		switch u.Scheme {
		case "https", "http":
			scheme, host = u.Scheme, u.Host
		case "ssh", "git", "git+ssh":
			host = u.Hostname()
		}
		path = u.Path
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	if host == "" || path == "" || strings.Contains(path, "..") {
		return forge{}
	}
	if kind == "" {
		kind = kindOfHost(strings.ToLower(host))
	}
	k, ok := forges[kind]
	if !ok {
		return forge{}
	}
	base := url.URL{Scheme: scheme, Host: host, Path: "/" + path}
	return forge{base.String(), k.commit, k.tag, k.ask}
}

// request is the page on which a merge of one branch into another is asked for; "" where none is known.
func (f forge) request(into, from string) string {
	if f.base == "" {
		return ""
	}
	return f.base + strings.NewReplacer("{into}", url.PathEscape(into), "{from}", url.PathEscape(from)).Replace(f.ask)
}

func kindOfHost(host string) string {
	switch {
	case host == "github.com", strings.HasPrefix(host, "github."):
		return "github"
	case host == "gitlab.com", strings.HasPrefix(host, "gitlab."):
		return "gitlab"
	case host == "bitbucket.org":
		return "bitbucket"
	case host == "codeberg.org", strings.HasPrefix(host, "gitea."), strings.HasPrefix(host, "forgejo."):
		return "gitea"
	default:
		return ""
	}
}

// Link implements [providers.Linker]. It is "" until the repository was read once.
func (p *Provider) Link(id string) string {
	p.mu.Lock()
	web := p.web
	p.mu.Unlock()
	if web.base == "" || id == "" {
		return ""
	}
	if name, ok := strings.CutPrefix(id, tagPrefix); ok {
		return web.base + web.tag + (&url.URL{Path: name}).EscapedPath()
	}
	return web.base + web.commit + url.PathEscape(id)
}
