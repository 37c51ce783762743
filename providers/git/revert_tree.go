package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/backout-dev/backout/providers"
	"github.com/backout-dev/backout/providers/process"
	"github.com/backout-dev/backout/rollback"
)

// mostLess is how many of the newest changes of a service are offered to be taken out from between.
const mostLess = 8

// less is what stands now without one of its changes. With conflicts it is no content that could be pushed: later changes
// touch the same lines, and digest is that of the files with git's conflict marks in them.
type less struct {
	out       standing
	digest    string
	conflicts []string
}

func (l less) revision() rollback.Revision {
	return rollback.Revision{
		Digest: l.digest, Label: "without-" + abbreviated(l.out.commit), Staged: true, Without: []string{l.out.digest},
	}
}

// lessOne are the contents that a revert of one single change from between would give. What is on top needs none: it is
// what stood before.
func (v *Reverter) lessOne(ctx context.Context, s *sight, service string) ([]less, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.less[service]; ok {
		return known, nil
	}
	if err := v.stock(ctx, s); err != nil {
		return nil, err
	}
	line := s.lines[service]
	var all []less
	seen := map[string]bool{}
	for _, st := range line {
		seen[st.digest] = true
	}
	for _, st := range line[1:min(len(line), mostLess+1)] {
		if st.commit == "" {
			continue
		}
		_, l, err := v.without(ctx, s, service, st)
		if err != nil {
			return nil, fmt.Errorf("take %s out of what stands: %w", abbreviated(st.commit), s.repo.explain(err))
		}
		if !seen[l.digest] {
			seen[l.digest] = true
			all = append(all, l)
		}
	}
	s.less[service] = all
	return all, nil
}

// without merges the tree of the branch with one change taken back, a merge against its first parent: git revert's own way,
// without a work tree. Of the result only the service's files count; other files of the same change stay.
func (v *Reverter) without(ctx context.Context, s *sight, service string, st standing) (found content, l less, err error) {
	if found, ok := s.plainly(service, st); ok {
		return found, less{out: st, digest: found.digest()}, nil
	}
	before, err := v.before(ctx, s, st)
	if err != nil {
		return nil, l, err
	}
	// These commits exist only to be merged, and only in the room: git 2.38 takes the base from where they fork.
	base, err := v.scratch(ctx, s, st.commit+"^{tree}", "")
	if err != nil {
		return nil, l, err
	}
	ours, err := v.scratch(ctx, s, s.tip+"^{tree}", base)
	if err != nil {
		return nil, l, err
	}
	theirs, err := v.scratch(ctx, s, before, base)
	if err != nil {
		return nil, l, err
	}
	out, err := s.merge(ctx, ours, theirs)
	if err != nil {
		return nil, l, err
	}
	names := strings.Split(strings.TrimRight(out, "\x00"), "\x00")
	if !isHash(names[0]) {
		return nil, l, fmt.Errorf("git merge-tree says %q, which is no tree", providers.Clean(names[0]))
	}
	for _, path := range names[1:] {
		if v.serviceOfPath(s.repo, path) == service && !slices.Contains(l.conflicts, path) {
			l.conflicts = append(l.conflicts, path)
		}
	}
	got, err := v.contents(ctx, s.repo, s.room, names[0])
	if err != nil {
		return nil, l, err
	}
	l.out, l.digest = st, got[service].digest()
	return got[service], l, nil
}

// merge gives the tree of a merge and the files in which it conflicts, as git merge-tree prints them. Programs of the
// repository's own merge nothing: what they would merge is a conflict.
func (s *sight) merge(ctx context.Context, ours, theirs string) (string, error) {
	args := []string{"-c", "merge.directoryRenames=false"}
	for key := range s.repo.config {
		if strings.HasPrefix(key, "merge.") {
			args = append(args, "-c", key+"=false")
		}
	}
	out, err := s.room.run(ctx, append(args, "merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)...)
	var exit *process.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		err = nil // conflicts
	}
	return out, err
}

// plainly takes a change back file by file, where none of its files was changed by something else since: then there is
// nothing to merge.
func (s *survey) plainly(service string, st standing) (content, bool) {
	found := maps.Clone(s.files[service])
	if found == nil {
		found = content{}
	}
	for _, d := range st.deltas {
		now := found[d.path]
		switch {
		case now == d.before: // it is back already
		case now != d.after:
			return nil, false
		case d.before == "":
			delete(found, d.path)
		default:
			found[d.path] = d.before
		}
	}
	return found, true
}

// before is the tree that a change stands on: of the first commit, the empty one.
func (v *Reverter) before(ctx context.Context, s *sight, st standing) (string, error) {
	if len(st.parents) > 0 {
		return st.parents[0] + "^{tree}", nil
	}
	return s.room.feed(ctx, "", "mktree")
}

// scratch makes a commit of a tree.
func (v *Reverter) scratch(ctx context.Context, s *sight, tree, parent string) (string, error) {
	args := []string{"-c", "user.name=backout", "-c", "user.email=backout", "commit-tree", tree, "-m", "."}
	if parent != "" {
		args = append(args, "-p", parent)
	}
	return s.room.run(ctx, args...)
}

// compose writes the tree of the branch with other files of one service. All others stay, byte by byte.
func (v *Reverter) compose(ctx context.Context, s *sight, service string, want content) (string, error) {
	if _, err := s.room.run(ctx, "read-tree", s.tip); err != nil {
		return "", err
	}
	have := s.files[service]
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(have)) {
		if _, stays := want[path]; !stays {
			b.WriteString("0 " + strings.Repeat("0", len(s.tip)) + "\t" + path + "\x00")
		}
	}
	for _, path := range slices.Sorted(maps.Keys(want)) {
		if have[path] != want[path] {
			b.WriteString(want[path] + "\t" + path + "\x00")
		}
	}
	if b.Len() > 0 {
		if _, err := s.room.feed(ctx, b.String(), "update-index", "-z", "--index-info"); err != nil {
			return "", err
		}
	}
	return s.room.run(ctx, "write-tree", "--missing-ok")
}

// way is how a unit gets to a content.
type way struct {
	service   string
	digest    string
	commits   []standing // that are taken back, newest first
	to        standing   // where it goes back to; the zero value where one change is taken out from between
	conflicts []string
}

// wayTo finds what has to be taken back for a service to have a content; false where nothing here leads there.
func (v *Reverter) wayTo(ctx context.Context, s *sight, service, digest string) (way, bool, error) {
	line := s.lines[service]
	for i, st := range line {
		if i > 0 && st.digest == digest {
			return way{service: service, digest: digest, commits: line[:i], to: st}, true, nil
		}
	}
	all, err := v.lessOne(ctx, s, service)
	for _, l := range all {
		if l.digest == digest {
			return way{service: service, digest: digest, commits: []standing{l.out}, conflicts: l.conflicts}, true, nil
		}
	}
	return way{}, false, err
}

// build writes the tree that the way leads to and makes sure of it: the service's files are the target's, and nothing
// else differs from what stands.
func (v *Reverter) build(ctx context.Context, s *sight, w way) (tree string, err error) {
	if err := v.stock(ctx, s); err != nil {
		return "", err
	}
	var want content
	if w.to.tree == "" {
		want, _, err = v.without(ctx, s, w.service, w.commits[0])
	} else {
		var then map[string]content
		then, err = v.contents(ctx, s.repo, s.room, w.to.tree)
		want = then[w.service]
	}
	if err == nil {
		tree, err = v.compose(ctx, s, w.service, want)
	}
	if err != nil {
		return "", s.repo.explain(err)
	}
	got, err := v.contents(ctx, s.repo, s.room, tree)
	if err != nil {
		return "", s.repo.explain(err)
	}
	if got[w.service].digest() != w.digest {
		return "", errMixed
	}
	for service, files := range s.files {
		if service != w.service && !maps.Equal(files, got[service]) {
			return "", errMixed
		}
	}
	return tree, nil
}

// errMixed: a path is a file in one content and a directory of another service in the other.
var errMixed = errors.New("files of other services stand in the way of what stood then: revert it by hand")

func (w way) hashes() []string {
	out := make([]string, len(w.commits))
	for i, c := range w.commits {
		out[i] = c.commit
	}
	return out
}

// files are those that the commits touched, each once.
func (w way) files() []string {
	var all []string
	for _, c := range w.commits {
		for _, d := range c.deltas {
			all = append(all, d.path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// stock makes sure that the branch is in this look's room: the survey may be remembered from an earlier one.
func (v *Reverter) stock(ctx context.Context, s *sight) error {
	if err := s.room.bring(ctx, s.address, v.set.Revert.ref(), s.tip); err != nil {
		return v.unreached(ctx, err)
	}
	return nil
}
