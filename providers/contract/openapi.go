package contract

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// api compares what is served. Clients were written for the newer version and are answered by the older one.
func (c *documents) api(was, is place) {
	c.unread(was, is, "", func(k string) bool {
		switch k {
		case "openapi", "info", "paths", "components", "servers", "security":
			return true
		}
		return documenting(k)
	})
	c.servers(was.at("servers"), is.at("servers"), "")
	x := &exchange{documents: c, was: was, is: is, asks: sending(true), answers: answering(true)}
	before := map[string]string{}
	for _, p := range keys(get(was.node, "paths")) {
		if _, twice := before[shape(p)]; twice {
			c.unclear(p, "is there twice, by other names of what stands in it")
		}
		before[shape(p)] = p
	}
	for _, p := range keys(get(is.node, "paths")) {
		if strings.HasPrefix(p, "/") {
			x.item(p, was.at("paths").at(before[shape(p)]), is.at("paths").at(p), before[shape(p)])
		}
	}
	c.unread(was.at("paths"), is.at("paths"), "", func(k string) bool { return strings.HasPrefix(k, "/") })
}

// unread tells of keys that are not understood and that the two have not alike.
func (c *documents) unread(was, is place, where string, understood func(string) bool) {
	for _, k := range both(was.node, is.node) {
		if !understood(k) && !c.sameWord(k, was.at(k), is.at(k)) {
			c.unclear(where, "%s differs, which is not compared", k)
		}
	}
}

var parts = regexp.MustCompile(`\{[^{}]*\}`)

// shape is a path without the names in it.
func shape(p string) string { return parts.ReplaceAllString(p, "{}") }

// servers compares where it is served. Another host is somebody's to know, another path is not there.
func (c *documents) servers(was, is place, where string) {
	had := map[string]bool{}
	paths := map[string]bool{}
	for _, s := range items(was.node) {
		had[value(get(s, "url"))] = true
		paths[basePath(value(get(s, "url")))] = true
	}
	if len(had) == 0 {
		had["/"], paths[""] = true, true
	}
	now := items(is.node)
	switch {
	case len(now) > 0 || had["/"]:
	case paths[""]:
		c.careful(where, "is served from /, which was not said before")
	default:
		c.breaking(where, "is served from /, which was not there")
	}
	for _, s := range now {
		switch u := value(get(s, "url")); {
		case had[u]:
		case strings.Contains(u, "{"):
			c.unclear(where, "is served from %s, which was not said before", u)
		case !paths[basePath(u)]:
			c.breaking(where, "is served from %s, which was not there", u)
		default:
			c.careful(where, "is served from %s, which was not said before", u)
		}
	}
}

func basePath(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	return strings.TrimSuffix(u.Path, "/")
}

// exchange compares operations. Each pair of schemas is compared once for what is asked and once for what is answered.
type exchange struct {
	*documents
	was, is       place
	asks, answers *direction
}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// item compares what one path serves.
func (x *exchange) item(path string, was, is place, had string) {
	for _, p := range []*place{&was, &is} {
		if !p.is() {
			continue
		}
		to, err := p.side.resolve(*p)
		if err != nil {
			x.unclear(path, "%v", err)
			return
		}
		*p = to
	}
	if was.is() {
		x.unread(was, is, path, func(k string) bool {
			return documenting(k) || k == "parameters" || k == "servers" || slices.Contains(methods, k)
		})
		x.servers(was.at("servers"), is.at("servers"), path)
	}
	for _, m := range methods {
		where := strings.ToUpper(m) + " " + path
		now, old := is.at(m), was.at(m)
		switch {
		case !now.is():
		case !old.is():
			x.breaking(where, "was not there")
		default:
			x.operation(where, operation{old, was.at("parameters"), had}, operation{now, is.at("parameters"), path})
		}
	}
}

// operation is one of a path, with what all of that path take.
type operation struct {
	place
	shared place
	path   string
}

func (x *exchange) operation(where string, was, is operation) {
	x.unread(was.place, is.place, where, func(k string) bool {
		switch k {
		case "parameters", "requestBody", "responses", "security", "servers":
			return true
		}
		return documenting(k)
	})
	x.servers(was.at("servers"), is.at("servers"), where)
	x.security(where, was, is)
	x.parameters(where, was, is)
	x.body(where, was.at("requestBody"), is.at("requestBody"))
	x.responses(where, was.at("responses"), is.at("responses"))
}

// security has to be alike, with the schemes that it names.
func (x *exchange) security(where string, was, is operation) {
	of := func(o operation, root place) place {
		if p := o.at("security"); p.is() {
			return p
		}
		return root.at("security")
	}
	old, now := of(was, x.was), of(is, x.is)
	same := old.is() == now.is() && plain(old.node) == plain(now.node)
	for _, n := range items(now.node) {
		for _, scheme := range keys(n) {
			path := []string{"components", "securitySchemes", scheme}
			a, b := x.was, x.is
			for _, k := range path {
				a, b = a.at(k), b.at(k)
			}
			same = same && x.sameWord("scheme", a, b)
		}
	}
	if !same && (len(items(old.node)) > 0 || len(items(now.node)) > 0) {
		x.unclear(where, "who may ask differs, which is not compared")
	}
}
