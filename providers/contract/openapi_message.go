package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// taken are the parameters of an operation by where and how they are called; those in the path by their place in it.
func (x *exchange) taken(where string, o operation) map[string]place {
	out := map[string]place{}
	for _, list := range []place{o.shared, o.at("parameters")} {
		for _, n := range items(list.node) {
			p, err := list.side.resolve(list.here(n))
			if err != nil {
				x.unclear(where, "%v", err)
				continue
			}
			name := value(get(p.node, "name"))
			switch in := value(get(p.node, "in")); in {
			case "path":
				at := slices.Index(parts.FindAllString(o.path, -1), "{"+name+"}")
				out[fmt.Sprintf("path parameter %d", at+1)] = p
			case "header":
				out["header parameter "+strings.ToLower(name)] = p
			default:
				out[in+" parameter "+name] = p
			}
		}
	}
	return out
}

func (x *exchange) parameters(where string, was, is operation) {
	had, has := x.taken(where, was), x.taken(where, is)
	for _, name := range union(had, has) {
		old, now := had[name], has[name]
		needed := isTrue(get(old.node, "required")) && !strings.HasPrefix(name, "path ")
		at := where + " " + name
		switch {
		case !old.is():
			x.breaking(at, "was not there")
		case !now.is() && needed:
			x.breaking(at, "had to be there, and is no longer sent")
		case !now.is():
		default:
			if needed && !isTrue(get(now.node, "required")) {
				x.breaking(at, "had to be there, and may now be left out")
			}
			x.unread(old, now, at, func(k string) bool {
				return documenting(k) || k == "name" || k == "in" || k == "required" || k == "schema"
			})
			x.schema(now, old, x.asks, at)
		}
	}
}

// schema compares what two places say of a value; one without a schema allows everything.
func (x *exchange) schema(w, r place, d *direction, where string) {
	from, to := w.at("schema"), r.at("schema")
	switch {
	case !to.is():
	case !from.is():
		x.unclear(where, "has a schema on one side only")
	default:
		x.within(from, to, d, where)
	}
}

func (x *exchange) body(where string, was, is place) {
	at := where + " request"
	old, now, ok := x.pair(at, was, is)
	switch {
	case !ok:
	case !old.is() && now.is():
		x.breaking(at, "was not there")
	case old.is() && isTrue(get(old.node, "required")) && !isTrue(get(now.node, "required")):
		x.breaking(at, "had to be there, and may now be left out")
	}
	if !ok || !old.is() || !now.is() {
		return
	}
	x.unread(old, now, at, func(k string) bool { return documenting(k) || k == "content" || k == "required" })
	sent := kinds(now)
	for _, media := range slices.Sorted(maps.Keys(sent)) {
		x.media(at+" "+media, accepting(old, media), sent[media], true)
	}
}

// pair follows the references of both.
func (x *exchange) pair(where string, was, is place) (old, now place, ok bool) {
	for _, p := range []*place{&was, &is} {
		if !p.is() {
			continue
		}
		to, err := p.side.resolve(*p)
		if err != nil {
			x.unclear(where, "%v", err)
			return was, is, false
		}
		*p = to
	}
	return was, is, true
}

// kinds are the media types of a message.
func kinds(p place) map[string]place {
	out := map[string]place{}
	for _, k := range keys(get(p.node, "content")) {
		out[strings.ToLower(strings.ReplaceAll(k, " ", ""))] = p.at("content").at(k)
	}
	return out
}

// accepting is what a message says of a media type, by itself or by a range.
func accepting(p place, media string) place {
	known := kinds(p)
	main, _, _ := strings.Cut(media, "/")
	for _, k := range []string{media, main + "/*", "*/*"} {
		if m, ok := known[k]; ok {
			return m
		}
	}
	return place{}
}

// media compares one media type that the newer version has.
func (x *exchange) media(where string, old, now place, request bool) {
	if !old.is() {
		x.breaking(where, "was not there")
		return
	}
	x.unread(old, now, where, func(k string) bool { return documenting(k) || k == "schema" })
	if request {
		x.schema(now, old, x.asks, where)
	} else {
		x.schema(old, now, x.answers, where)
	}
}

// responses compares what is answered: the older version's has to be what the newer one's clients know.
func (x *exchange) responses(where string, was, is place) {
	for _, status := range keys(is.node) {
		if good(status) && !answered(was, status).is() {
			x.breaking(where+" "+status, "is not answered")
		}
	}
	for _, status := range keys(was.node) {
		at := where + " " + status
		known := answered(is, status)
		switch {
		case strings.HasPrefix(status, "x-"):
			continue
		case !known.is() && good(status):
			x.breaking(at, "may be answered, which nobody expects")
			continue
		case !known.is():
			x.careful(at, "may be answered, which nobody expects")
			continue
		}
		if old, now, ok := x.pair(at, was.at(status), known); ok {
			x.response(at, old, now)
		}
	}
}

func good(status string) bool { return strings.HasPrefix(status, "2") }

// answered is what is said of a status, by itself, by its hundred or by default.
func answered(p place, status string) place {
	for _, k := range []string{status, status[:min(len(status), 1)] + "XX", "default"} {
		if at := p.at(k); at.is() && (k != "default" || status == k || !good(status)) {
			return at
		}
	}
	return place{}
}

func (x *exchange) response(where string, old, now place) {
	x.unread(old, now, where, func(k string) bool { return documenting(k) || k == "content" || k == "headers" })
	had, has := kinds(old), kinds(now)
	for _, media := range slices.Sorted(maps.Keys(has)) {
		x.media(where+" "+media, had[media], has[media], false)
	}
	for _, media := range slices.Sorted(maps.Keys(had)) {
		if len(has) == 0 || !has[media].is() {
			x.careful(where+" "+media, "may be answered, which is not described any more")
		}
	}
	x.headers(where, old, now)
}

func (x *exchange) headers(where string, old, now place) {
	header := func(p place) map[string]place {
		out := map[string]place{}
		for _, k := range keys(get(p.node, "headers")) {
			out[strings.ToLower(k)] = p.at("headers").at(k)
		}
		return out
	}
	before, after := header(old), header(now)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		at := where + " header " + name
		was, is, ok := x.pair(at, before[name], after[name])
		switch {
		case !ok:
		case !was.is() && isTrue(get(is.node, "required")):
			x.breaking(at, "is counted on, and was not there")
		case !was.is():
			x.careful(at, "was not there: it is not given")
		case isTrue(get(is.node, "required")) && !isTrue(get(was.node, "required")):
			x.breaking(at, "is counted on, and may be left out")
		default:
			x.unread(was, is, at, func(k string) bool { return documenting(k) || k == "required" || k == "schema" })
			x.schema(was, is, x.answers, at)
		}
	}
}
