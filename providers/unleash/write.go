package unleash

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// tag puts the tag of an operation on a flag, and takes off those that others could not.
func (p *Provider) tag(ctx context.Context, s *state, op string) error {
	there := false
	for _, value := range left(s.log) {
		if value == stampPrefix+op {
			there = true
			continue
		}
		if err := p.api.Send(ctx, http.MethodDelete, tagsPath(s.flag)+"/simple/"+value, nil); err != nil {
			return err
		}
	}
	if there {
		return nil
	}
	return p.api.Send(ctx, http.MethodPost, tagsPath(s.flag), tag{Type: "simple", Value: stampPrefix + op})
}

// untag takes it off again, from the flag and from the list of tags. That it could not alters nothing: the log says what was done,
// and the next operation takes it off.
func (p *Provider) untag(ctx context.Context, s *state, op string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	value := "/simple/" + stampPrefix + op
	if err := p.api.Send(ctx, http.MethodDelete, tagsPath(s.flag)+value, nil); err != nil {
		p.env.Log.Warn("a tag of backout stays on a flag until the next change", "flag", s.flag, "tag", stampPrefix+op, "error", err)
		return
	}
	if err := p.api.Send(ctx, http.MethodDelete, "/api/admin/tags"+value, nil); err != nil {
		p.env.Log.Warn("a tag of backout stays in the list of tags", "tag", stampPrefix+op, "error", err)
	}
}

func tagsPath(flag string) string { return "/api/admin/features/" + flag + "/tags" }

// call is one change of a flag in an environment.
type call struct {
	method, path string
	body         any
}

// write brings a unit from what it is to a configuration, one call after the other, and says how many were done. What is on for
// more people than before comes last, and off comes first.
func (p *Provider) write(ctx context.Context, s *state, target configuration) (done int, err error) {
	base := featurePath(s.project, s.flag) + "/environments/" + s.env
	for _, c := range calls(s.now, target) {
		if err := p.api.Send(ctx, c.method, base+c.path, c.body); err != nil {
			return done, err
		}
		done++
	}
	return done, nil
}

// calls are what leads from one configuration to another. A strategy that is there stays where it can; one is added before another
// is taken away, because Unleash switches a flag off that has none left.
func calls(from, to configuration) []call {
	var out []call
	if from.Enabled && !to.Enabled {
		out = append(out, call{http.MethodPost, "/off", nil})
	}
	rest := slices.Clone(from.Strategies)
	take := func(is func(strategy) bool) (strategy, bool) {
		i := slices.IndexFunc(rest, is)
		if i < 0 {
			return strategy{}, false
		}
		s := rest[i]
		rest = slices.Delete(rest, i, i+1)
		return s, true
	}
	wanted := to.ordered()
	var fresh []call
	for i, w := range wanted {
		w.SortOrder = i
		is, ok := take(func(s strategy) bool { return s.ID != "" && s.ID == w.ID })
		switch {
		case !ok:
			fresh = append(fresh, call{http.MethodPost, "/strategies", w.body()})
		case !is.same(w) || is.SortOrder != i && len(wanted) > 1:
			out = append(out, call{http.MethodPut, "/strategies/" + is.ID, w.body()})
		}
	}
	out = append(out, fresh...)
	for _, s := range rest {
		out = append(out, call{http.MethodDelete, "/strategies/" + s.ID, nil})
	}
	if !from.Enabled && to.Enabled {
		out = append(out, call{http.MethodPost, "/on", nil})
	}
	return out
}

// body is a strategy as Unleash takes it.
func (s strategy) body() map[string]any {
	var title any
	if s.Title != "" {
		title = s.Title
	}
	s = s.whole()
	return map[string]any{
		"name": s.Name, "title": title, "disabled": s.Disabled, "parameters": s.Parameters, "constraints": s.Constraints,
		"variants": s.Variants, "segments": s.Segments, "sortOrder": s.SortOrder,
	}
}
