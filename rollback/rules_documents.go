package rollback

import (
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/contract"
)

const (
	documentsMost  = 2_000 // files that are looked into between two commits
	documentsBatch = 25    // read at a time
)

// describes is how files are called that nobody can read and that may be documents none the less.
var describes = regexp.MustCompile(`(?i)(api|swagger|schema)[^/]*\.(json|ya?ml)$`)

// snapshot is what one commit has of the files that can be documents.
type snapshot struct {
	from   providers.Contents
	held   map[string]providers.FileAt
	texts  map[string]string
	looked map[string]bool
}

func (p *passages) snapshot(ctx context.Context, source, commit string) (*snapshot, error) {
	s := &snapshot{p.sources[source], map[string]providers.FileAt{}, map[string]string{}, map[string]bool{}}
	files, err := s.from.Files(ctx, commit, contract.MayDescribe)
	for _, f := range files {
		s.held[f.Path] = f
	}
	return s, err
}

// load reads those of the files that the commit has.
func (s *snapshot) load(ctx context.Context, files []string) error {
	for batch := range slices.Chunk(slices.DeleteFunc(slices.Clone(files), func(f string) bool { return s.held[f].ID == "" || s.looked[f] }), documentsBatch) {
		ids := make([]string, len(batch))
		for i, f := range batch {
			ids[i] = s.held[f].ID
		}
		texts, err := s.from.Read(ctx, ids)
		if err != nil {
			return err
		}
		for _, f := range batch {
			s.looked[f] = true
			if text, ok := texts[s.held[f].ID]; ok {
				s.texts[f] = text
			}
		}
	}
	return nil
}

// read is [contract.Files] of the commit.
func (s *snapshot) read(ctx context.Context) contract.Files {
	return func(name string) (string, bool, error) {
		if err := s.load(ctx, []string{name}); err != nil {
			return "", false, err
		}
		if s.held[name].ID != "" && !s.readable(name) {
			return "", false, fmt.Errorf("what %s holds is not here, or too large", providers.Clean(name))
		}
		text, ok := s.texts[name]
		return text, ok, nil
	}
}

func (s *snapshot) readable(name string) bool { _, ok := s.texts[name]; return ok }

func (s *snapshot) kind(name string) contract.Kind { return contract.Recognise(s.texts[name]) }

// documents compares the documents (OpenAPI, JSON Schema) that anything between the commits touched, by themselves or by a file that they
// refer to. Compared are the paths of all that was read for it.
func (p *passages) documents(ctx context.Context, source string, b providers.Between, older, newer string) (out []crossedFormat, compared map[string]bool, err error) {
	touched := slices.Sorted(maps.Keys(touchedFiles(b, contract.MayDescribe)))
	if len(touched) == 0 {
		return nil, nil, nil
	}
	if len(touched) > documentsMost {
		return nil, nil, fmt.Errorf("more than %d files between the two may describe a format", documentsMost)
	}
	var sides [2]*snapshot
	for i, commit := range []string{older, newer} {
		if sides[i], err = p.snapshot(ctx, source, commit); err == nil {
			err = sides[i].load(ctx, touched)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	found, err := p.concerned(ctx, source, newer, touched, sides)
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(found)
	was, is := paired(slices.Compact(found), sides)
	compared = map[string]bool{}
	for i := range was {
		d, looked := sides[1].against(ctx, sides[0], was[i], is[i])
		if !slices.ContainsFunc(touched, func(f string) bool { return looked[f] }) {
			continue // nothing of it was touched, so what is not understood of it says nothing
		}
		out = append(out, d...)
		for f := range looked {
			compared[providers.Clean(f)] = true
		}
	}
	return out, compared, ctx.Err()
}

// concerned are the documents among the files that were touched, and those that may have one of them as a part.
func (p *passages) concerned(ctx context.Context, source, newer string, touched []string, sides [2]*snapshot) ([]string, error) {
	var found []string
	parts := false
	for _, f := range touched {
		unread := slices.ContainsFunc(sides[:], func(s *snapshot) bool { return s.held[f].ID != "" && !s.readable(f) })
		if sides[0].kind(f) != "" || sides[1].kind(f) != "" || unread && describes.MatchString(f) {
			found = append(found, f)
		} else {
			parts = true
		}
	}
	if !parts {
		return found, nil
	}
	whole, err := p.referring(ctx, source, newer, sides[1])
	return append(found, whole...), err
}

// against compares one document with the older commit's. Looked are the files that were read for it.
func (s *snapshot) against(ctx context.Context, older *snapshot, was, is string) (out []crossedFormat, looked map[string]bool) {
	looked = map[string]bool{}
	reading := func(s *snapshot) contract.Files {
		read := s.read(ctx)
		return func(name string) (string, bool, error) {
			looked[name] = true
			return read(name)
		}
	}
	owner := s.held[is].Service
	if is == "" {
		owner = older.held[was].Service
		looked[was] = true
	}
	if was == "" {
		looked[is] = true
	}
	for _, d := range contract.Document(reading(older), reading(s), was, is) {
		out = append(out, crossedFormat{owner, d})
	}
	return out, looked
}

// referring are the documents of a commit that refer to anything.
func (p *passages) referring(ctx context.Context, source, commit string, s *snapshot) ([]string, error) {
	m, ok := p.sources[source].(providers.Mentioner)
	if !ok {
		return nil, fmt.Errorf("%s cannot tell which documents refer to the files between the two", source)
	}
	var names []string
	for _, words := range [][]string{{"openapi", "ref"}, {"schema", "ref"}} {
		files, err := m.Mentions(ctx, commit, words)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if contract.MayDescribe(f.Path) {
				names = append(names, f.Path)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > documentsMost {
		return nil, fmt.Errorf("more than %d files may refer to those between the two", documentsMost)
	}
	if err := s.load(ctx, names); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(f string) bool { return s.kind(f) == "" }), nil
}

// paired puts the documents of two commits side by side. One that is only on one side and has the name of exactly one on the other moved.
func paired(found []string, sides [2]*snapshot) (was, is []string) {
	var alone [2][]string
	for _, f := range found {
		switch a, b := sides[0].held[f].ID != "", sides[1].held[f].ID != ""; {
		case a && b:
			was, is = append(was, f), append(is, f)
		case a:
			alone[0] = append(alone[0], f)
		case b:
			alone[1] = append(alone[1], f)
		}
	}
	named := func(list []string, f string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(g string) bool { return path.Base(g) != path.Base(f) })
	}
	for _, f := range alone[1] {
		from := ""
		if before := named(alone[0], f); len(before) == 1 && len(named(alone[1], f)) == 1 {
			from = before[0]
		}
		was, is = append(was, from), append(is, f)
	}
	for _, f := range alone[0] {
		if !slices.Contains(was, f) {
			was, is = append(was, f), append(is, "")
		}
	}
	return was, is
}
