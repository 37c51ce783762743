package rollback

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/migration"
)

const ruleReaders = "D2 readers"

// asking is the repositories, asked within ctx.
type asking struct {
	ctx   context.Context //nolint:containedctx // it lives as long as one plan is worked out
	from  *passages
	limit time.Duration // for each question
}

func (a *asking) between(older, newer string) *passage {
	return a.from.between(a.ctx, a.limit, older, newer)
}

// answered is what was found once in a commit, which does not change.
type answered struct {
	effects []migration.Effect
	files   []providers.FileAt
	source  string
}

// once answers a question from what was found before, else asks it. Nothing found and what failed is asked again.
func (p *passages) once(question string, ask func() (answered, error)) (answered, error) {
	p.mu.Lock()
	known, ok := p.looked[question]
	p.mu.Unlock()
	if ok {
		return known, nil
	}
	found, err := ask()
	if err != nil || found.source == "" {
		return found, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.looked) >= passagesKept {
		clear(p.looked)
	}
	p.looked[question] = found
	return found, nil
}

// downs are the ways down of the migrations of a commit that are above one version and not above another. No source: nobody has it.
func (a *asking) downs(commit string, above, upTo *big.Int) ([]migration.Effect, string, error) {
	found, err := a.from.once(fmt.Sprintf("downs %s %s %s", commit, above, upTo), func() (answered, error) { return a.readDowns(commit, above, upTo) })
	return found.effects, found.source, err
}

func (a *asking) readDowns(commit string, above, upTo *big.Int) (out answered, err error) {
	ctx, cancel := context.WithTimeout(a.ctx, a.limit)
	defer cancel()
	within := func(f migration.File) bool {
		v, ok := new(big.Int).SetString(f.Version, 10)
		return ok && v.Cmp(above) > 0 && v.Cmp(upTo) <= 0
	}
	for _, name := range slices.Sorted(maps.Keys(a.from.sources)) {
		c := a.from.sources[name]
		files, err := c.Files(ctx, commit, func(p string) bool { f, is := migration.Recognise(p, nil); return is && within(f) })
		if errors.Is(err, providers.ErrNotFound) {
			continue
		}
		if err != nil {
			return answered{source: name}, err
		}
		ids := make([]string, len(files))
		for i := range files {
			ids[i] = files[i].ID
		}
		held, err := c.Read(ctx, ids)
		if err != nil {
			return answered{source: name}, err
		}
		for _, at := range files {
			f, _ := migration.Recognise(at.Path, nil)
			if e := a.from.reader.Down(ctx, f, held[at.ID]); e.Class != migration.None {
				out.effects = append(out.effects, e)
			}
		}
		out.source = name
		return out, ctx.Err()
	}
	return answered{}, nil
}

// mentions are the files of a commit, other than migrations and texts for people, that name all the words.
func (a *asking) mentions(commit string, words []string) ([]providers.FileAt, string, error) {
	found, err := a.from.once("mentions "+commit+" "+strings.Join(words, " "), func() (answered, error) { return a.readMentions(commit, words) })
	return slices.Clone(found.files), found.source, err
}

func (a *asking) readMentions(commit string, words []string) (answered, error) {
	ctx, cancel := context.WithTimeout(a.ctx, a.limit)
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(a.from.sources)) {
		m, ok := a.from.sources[name].(providers.Mentioner)
		if !ok {
			continue
		}
		found, err := m.Mentions(ctx, commit, words)
		if errors.Is(err, providers.ErrNotFound) {
			continue
		}
		files := slices.DeleteFunc(found, func(f providers.FileAt) bool {
			_, is := migration.Recognise(f.Path, nil)
			return is || strings.HasSuffix(f.Path, ".md") || strings.HasSuffix(f.Path, ".sum")
		})
		return answered{files: files, source: name}, err
	}
	return answered{}, nil
}

// readers is rule D2: a schema goes down only where nobody is known to use what goes, and everybody was looked at.
func (w *world) readers(id UnitID, ch choice) []Finding {
	if w.unit(id).Kind != KindSchema || w.asks == nil {
		return nil
	}
	target := ch.revs[ch.target]
	from, to, numbers := versions(ch.revs[0].Label, target.Label)
	if numbers && to.Cmp(from) >= 0 {
		return nil // it goes up
	}
	unknown := func(format string, args ...any) []Finding {
		f := w.broken(Finding{Rule: ruleReaders, Verdict: Unknown, Source: fromHistory, SeenAt: w.now}, id, oldest(ch))
		f.Text = providers.Clean(fmt.Sprintf(format, args...))
		return []Finding{f}
	}
	if !numbers {
		return unknown("whether %s goes down to %s, and what that takes away, cannot be told by its versions", id, name(target))
	}
	gone, source, why := w.goes(id, to, from)
	if why != "" {
		return unknown("what the way down to %s takes away is not known, so neither is who uses it: %s", name(target), why)
	}
	out := w.declaredReaders(id, gone)
	for _, v := range w.units {
		if v.Kind == KindSchema || w.obs[v.ID].Flag != nil || !sameEnvironment(v.Environment, w.unit(id).Environment) {
			continue // neither a schema nor a flag reads anything
		}
		if f := w.uses(v, gone); f.Rule != "" {
			out = append(out, w.broken(f, id, oldest(ch)))
		}
	}
	if len(out) == 0 {
		out = append(out, Finding{
			Rule: ruleReaders, Verdict: Independent, Source: source, SeenAt: w.now, Evidence: strings.Join(gone, ", "),
			Text: "no unit here is known to use what the way down takes away",
		})
	}
	return out
}

// versions are two labels as numbers, where both are.
func versions(a, b string) (x, y *big.Int, ok bool) {
	x, isNumber := new(big.Int).SetString(a, 10)
	y, alsoNumber := new(big.Int).SetString(b, 10)
	return x, y, isNumber && alsoNumber
}

// goes are the tables and columns that the ways down take away, by the migrations in the repository of the service that the schema is
// for; and why that is not known.
func (w *world) goes(id UnitID, above, upTo *big.Int) (gone []string, source, why string) {
	why = "no unit of its service names a commit that a repository here has"
	for _, v := range w.units {
		commit := w.obs[v.ID].Current.Commit
		if v.ID == id || v.Kind == KindSchema || v.Service == "" || v.Service != w.unit(id).Service || commit == "" {
			continue
		}
		effects, from, err := w.asks.downs(commit, above, upTo)
		switch {
		case err != nil:
			return nil, from, err.Error()
		case from == "":
			continue
		case len(effects) == 0:
			why = fmt.Sprintf("%s holds no way down of them at %s", from, brief(commit))
			continue
		}
		source, why = from, ""
		for i := range effects {
			e := &effects[i]
			for _, s := range e.Statements {
				gone = append(gone, s.Takes...)
				if s.Class == migration.Unknown {
					return nil, from, fmt.Sprintf("%s:%d %s", e.File.Path, s.Line, s.Text)
				}
			}
		}
	}
	slices.Sort(gone)
	return slices.Compact(gone), source, why
}

// uses looks for what goes in what a unit serves; the zero Finding where it does not use it.
func (w *world) uses(v Unit, gone []string) Finding {
	f := Finding{Rule: ruleReaders, Verdict: Unknown, Source: fromHistory, SeenAt: w.now, Units: nil}
	declared := slices.ContainsFunc(w.facts, func(s providers.Service) bool {
		return s.Name == v.Service && len(s.Reads) > 0 && sameEnvironment(s.Environment, v.Environment)
	})
	o, seen := w.obs[v.ID]
	for _, what := range gone {
		words := strings.Split(what, ".")
		words = words[max(0, len(words)-2):]
		if seen && o.Current.Commit != "" {
			files, source, err := w.asks.mentions(o.Current.Commit, words)
			files = slices.DeleteFunc(files, func(at providers.FileAt) bool { return at.Service != "" && at.Service != v.Service })
			switch {
			case err != nil:
				f.Text = providers.Clean(fmt.Sprintf("whether %s uses %s could not be looked up: %v", v.ID, what, err))
				return f
			case len(files) > 0:
				f.Verdict, f.Source = Blocked, source
				f.Evidence = fmt.Sprintf("%s at %s", providers.Few(paths(files), 3), brief(o.Current.Commit))
				f.Text = fmt.Sprintf("the way down is forbidden: %s at %s names %s, which goes (%s)", v.ID, name(o.Current), what, f.Evidence)
				return f
			case source != "":
				continue
			}
		}
		if !declared {
			f.Text = fmt.Sprintf("whether %s uses %s, which goes, is not known: it names no commit that a repository here has; declare what it reads", v.ID, what)
			return f
		}
	}
	return Finding{}
}

func paths(files []providers.FileAt) []string {
	out := make([]string, len(files))
	for i := range files {
		out[i] = providers.Clean(files[i].Path)
	}
	return out
}

// declaredReaders are the services that are declared to read what goes.
func (w *world) declaredReaders(id UnitID, gone []string) []Finding {
	var out []Finding
	for i := range w.facts {
		s := &w.facts[i]
		if !sameEnvironment(s.Environment, w.unit(id).Environment) {
			continue
		}
		for _, what := range gone {
			at := slices.IndexFunc(s.Reads, func(r string) bool { return overlap(r, what) })
			if at < 0 {
				continue
			}
			out = append(out, Finding{
				Rule: ruleReaders, Verdict: Blocked, Source: "catalogue", SeenAt: w.now, Evidence: providers.Clean(s.Reads[at]),
				Text: providers.Clean(fmt.Sprintf("the way down is forbidden: %s is declared to read %s, and %s goes", s.Name, s.Reads[at], what)),
			})
			break
		}
	}
	return out
}

// overlap reports whether two names of tables or columns may mean the same, or one a part of the other. A schema before them is no difference.
func overlap(a, b string) bool {
	x, y := strings.Split(strings.ToLower(a), "."), strings.Split(strings.ToLower(b), ".")
	if len(x) > len(y) {
		x, y = y, x
	}
	for i := 0; i+len(x) <= len(y); i++ {
		if slices.Equal(y[i:i+len(x)], x) {
			return true
		}
	}
	return false
}
