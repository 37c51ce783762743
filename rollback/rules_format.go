package rollback

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/contract"
)

// protobufFile is how the files end whose contracts are compared.
const protobufFile = ".proto"

// crossedFormat is one difference of what is written and read, with whose file tells it.
type crossedFormat struct {
	service string
	contract.Difference
}

// compare holds the contracts of the two commits against each other, as far as anything between them touched their files.
func (p *passages) compare(ctx context.Context, source string, b providers.Between, older, newer string) ([]crossedFormat, error) {
	touched := touchedFiles(b, func(path string) bool { return strings.HasSuffix(path, protobufFile) })
	if len(touched) == 0 {
		return nil, nil
	}
	owners := map[string]string{}
	var texts [2]map[string]string
	for i, commit := range []string{older, newer} {
		var err error
		if texts[i], err = p.texts(ctx, source, commit, touched, owners); err != nil {
			return nil, err
		}
	}
	found, err := contract.Protobuf(texts[0], texts[1])
	if err != nil {
		return nil, err
	}
	out := make([]crossedFormat, len(found))
	for i, d := range found {
		out[i] = crossedFormat{owners[d.Path], d}
	}
	return out, nil
}

// touchedFiles are the files of that name that anything between the commits touched, on either side.
func touchedFiles(b providers.Between, is func(path string) bool) map[string]bool {
	out := map[string]bool{}
	for _, t := range slices.Concat(b.Touched, b.Missed) {
		if is(t.Path) {
			out[t.Path] = true
		}
	}
	return out
}

// texts are the contents of those of the files that a commit has.
func (p *passages) texts(ctx context.Context, source, commit string, wanted map[string]bool, owners map[string]string) (map[string]string, error) {
	c := p.sources[source]
	files, err := c.Files(ctx, commit, func(path string) bool { return wanted[path] })
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(files))
	for i := range files {
		ids[i] = files[i].ID
	}
	held, err := c.Read(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, f := range files {
		text, ok := held[f.ID]
		if !ok {
			return nil, fmt.Errorf("what %s holds is not here, or too large", providers.Clean(f.Path))
		}
		out[f.Path], owners[f.Path] = text, f.Service
	}
	return out, nil
}

// understanding is what a way says of formats. Read: there were contracts on it.
type understanding struct {
	breaking, careful []string
	unclear           []string
	read              bool
	failed            error
}

// understood gathers what is said of the files of one service, and of nobody's.
func (t *travel) understood(service string) understanding {
	var u understanding
	for _, p := range t.ways {
		if p == nil || p.err != nil {
			continue
		}
		if p.formatErr != nil {
			u.failed = p.formatErr
		}
		u.read = u.read || p.contracts
		for _, d := range p.formats {
			if d.service != "" && d.service != service {
				continue
			}
			list := &u.careful
			switch {
			case d.Breaking:
				list = &u.breaking
			case d.Unclear:
				list = &u.unclear
			}
			if where := providers.Clean(d.Path) + ": " + d.Text; !slices.Contains(*list, where) {
				*list = append(*list, where)
			}
		}
	}
	return u
}

// formats is rule E from what the files say: does the target understand what is in use with what came after it, and the other way round?
func (w *world) formats(id UnitID, ch choice, t travel) []Finding {
	u := t.understood(w.unit(id).Service)
	target := name(ch.revs[ch.target])
	f := w.broken(Finding{Rule: ruleFormat, Source: t.source(), SeenAt: w.now}, id, oldest(ch))
	switch {
	case u.failed != nil:
		f.Verdict = Unknown
		f.Text = providers.Clean(fmt.Sprintf("whether %s understands what is in use since is not known: %v", target, u.failed))
	case len(u.breaking) > 0:
		var out []Finding
		if len(u.unclear) > 0 {
			out = append(out, notTold(f, target, u.unclear))
		}
		f.Evidence = providers.Few(u.breaking, 3)
		return append(out, w.consumers(id, ch, f)...)
	case len(u.unclear) > 0:
		return []Finding{notTold(f, target, u.unclear)}
	case len(u.careful) > 0:
		f.Verdict, f.Evidence = Conditional, providers.Few(u.careful, 3)
		f.Text = fmt.Sprintf("%s reads what is in use since, but not all of it: know that nothing counts on %s", target, f.Evidence)
	case u.read && t.whole:
		f.Verdict, f.Broke, f.Change, f.Since = Independent, "", "", time.Time{}
		f.Text = fmt.Sprintf("what is described in files between the two (.proto, OpenAPI, JSON Schema), %s understands", target)
	default:
		return nil
	}
	return []Finding{f}
}

// notTold is what differs in a way that is not compared.
func notTold(f Finding, target string, unclear []string) Finding {
	f.Verdict, f.Evidence = Unknown, providers.Few(unclear, 3)
	f.Text = fmt.Sprintf("whether %s understands what is in use since is not known: %s", target, f.Evidence)
	return f
}

// consumers lays what the target does not understand to those that use it. One that has served since before what would be taken back
// has worked with the target.
func (w *world) consumers(id UnitID, ch choice, f Finding) []Finding {
	target := name(ch.revs[ch.target])
	u := w.unit(id)
	var out []Finding
	known := false
	seen := map[UnitID]bool{}
	for _, e := range w.edges {
		if !couples(e.Kind) && e.Kind != providers.EdgeCalls || !slices.Contains(w.ends(e.To, u.Environment), id) {
			continue
		}
		others := w.ends(e.From, u.Environment)
		known = known || len(others) > 0
		for _, v := range others {
			if v == id || seen[v] {
				continue
			}
			seen[v] = true
			g := w.across(e, id, v, ch)
			if g.Verdict == Coupled {
				f.Verdict, f.Units = Coupled, []UnitID{v}
				f.Text = fmt.Sprintf("%s, which may use it, was deployed since, and %s does not understand it: %s", v, target, f.Evidence)
				out = append(out, f)
				continue
			}
			g.Rule = ruleFormat
			out = append(out, g)
		}
	}
	if known {
		// What the unit itself wrote since may still lie somewhere; only who reads it can say.
		f.Verdict, f.Units = Conditional, nil
		f.Text = fmt.Sprintf("know that nothing which was written since waits to be read (queues, caches): %s does not understand %s", target, f.Evidence)
		return append(out, f)
	}
	f.Verdict = Unknown
	f.Text = fmt.Sprintf("%s does not understand what may be in use since, and who uses it is not known: %s", target, f.Evidence)
	return []Finding{f}
}
