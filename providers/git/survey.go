package git

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backout-dev/backout/providers"
)

// mostLandings is how far back the branch is read for the contents of its services.
const mostLandings = 2000

// content is the files of one service: mode and object by path.
type content map[string]string

// digest identifies a content: equal files under equal paths, whatever commit holds them.
func (c content) digest() string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(c)) {
		_, _ = io.WriteString(h, c[path]+" "+path+"\x00")
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// standing is one content of a service and the landing that brought it; commit is "" where that lies too far back.
type standing struct {
	digest  string
	commit  string
	tree    string // a commit that holds the content
	parents []string
	subject string
	op      string // the operation whose revert it is
	since   time.Time
	until   time.Time
	undone  string // the later landing that says that it reverts this one
	deltas  []delta
	also    []string // other services that the same landing touched
	moves   bool     // it holds a migration
}

// survey is what the branch holds at one commit: for each service its files and the contents that it had, newest first.
type survey struct {
	tip   string
	files map[string]content
	lines map[string][]standing
	cut   string // where history is not here, and why

	mu   sync.Mutex
	less map[string][]less // what stands less one change, once it was asked for
}

func (s *survey) now(service string) standing { return s.lines[service][0] }

// token is what a compare-and-set compares: the landing that brought what stands now. The same content that was brought
// once more is another token; what lands on other services leaves it as it is.
func (s standing) token() string {
	if s.commit == "" {
		return "content " + s.digest
	}
	return s.commit + " " + s.digest
}

func (s standing) label() string {
	if s.commit == "" {
		return "before-" + abbreviated(s.tree)
	}
	return abbreviated(s.commit)
}

// serviceOfPath is the unit that a path belongs to.
func (p *Provider) serviceOfPath(r *repo, path string) string {
	if s := p.paths.service(path); s != "" {
		return s
	}
	return p.serviceOf(r)
}

// survey reads the branch from one commit back.
func (v *Reverter) survey(ctx context.Context, r *repo, rm *room, tip string) (*survey, error) {
	s := &survey{tip: tip, lines: map[string][]standing{}, less: map[string][]less{}}
	var err error
	if s.files, err = v.contents(ctx, r, rm, tip); err != nil {
		return nil, err
	}
	b := &backwards{v: v, r: r, s: s, at: map[string]content{}}
	for service, files := range s.files {
		b.at[service] = maps.Clone(files)
	}
	mark := newMark()
	p := rm.local(
		ctx, "-c", "log.showRoot=true", "log", "--format=%x00"+mark+"%x00%H%x00%P%x00%ct%x00%B%x00", "--no-notes", "--first-parent", "-m", "--raw",
		"--no-renames", "--no-abbrev", "-n", strconv.Itoa(mostLandings), "--no-color", "--no-show-signature", "--encoding=UTF-8", "-z", tip, "--",
	)
	p.MaxOutput = 1 << 30
	err = p.Stream(ctx, func(from io.Reader) error {
		return b.read(&records{in: bufio.NewReaderSize(from, 64<<10), mark: mark})
	})
	if err != nil {
		return nil, err
	}
	b.end()
	return s, v.stamp(ctx, rm, s)
}

// contents are the files at a commit by service.
func (v *Reverter) contents(ctx context.Context, r *repo, rm *room, commit string) (map[string]content, error) {
	out, err := rm.run(ctx, "ls-tree", "-r", "-z", "--full-tree", commit)
	if err != nil {
		return nil, err
	}
	all := map[string]content{}
	for entry := range strings.SplitSeq(out, "\x00") {
		meta, path, ok := strings.Cut(entry, "\t")
		f := strings.Fields(meta)
		if !ok || len(f) != 3 {
			continue
		}
		service := v.serviceOfPath(r, path)
		if all[service] == nil {
			all[service] = content{}
		}
		all[service][path] = f[0] + " " + f[2]
	}
	return all, nil
}

// backwards takes one landing after the other off the files, newest first, and notes what stood.
type backwards struct {
	v     *Reverter
	r     *repo
	s     *survey
	at    map[string]content
	ended bool // the first commit, or where history is not here
	later []undoing
}

// undoing is a landing that says that it reverts others.
type undoing struct {
	by   string
	what []string
}

// delta is one file of one landing: mode and object, "" for none.
type delta struct{ path, before, after string }

func entry(mode, object string) string {
	if mode == "000000" {
		return ""
	}
	return mode + " " + object
}

func (b *backwards) read(in *records) error {
	var now *landed
	meta := ""
	field := func(f string) error {
		if meta == "" {
			if f = strings.TrimPrefix(f, "\n"); strings.HasPrefix(f, ":") {
				meta = f
			}
			return nil
		}
		if parts := strings.Fields(meta); len(parts) == 5 && now != nil {
			now.deltas = append(now.deltas, delta{f, entry(parts[0][1:], parts[2]), entry(parts[1], parts[3])})
		}
		meta = ""
		return nil
	}
	for {
		found, err := in.find(field)
		if err != nil {
			return err
		}
		if now != nil && !b.ended {
			b.landing(*now)
		}
		if !found {
			return nil
		}
		if now, err = readLanded(in); err != nil {
			return err
		}
		meta = ""
	}
}

// landed is one commit of the first-parent history with the files that it changed.
type landed struct {
	hash    string
	parents []string
	at      time.Time
	message string
	deltas  []delta
}

func readLanded(in *records) (*landed, error) {
	var f [4]string
	for i := range f {
		var err error
		if f[i], err = in.next(keepHead, keepTail); err != nil {
			return nil, fmt.Errorf("read a commit: %w", err)
		}
	}
	seconds, err := strconv.ParseInt(f[2], 10, 64)
	if err != nil || !isHash(f[0]) {
		return nil, fmt.Errorf("git says that commit %q is of %q", providers.Clean(f[0]), providers.Clean(f[2]))
	}
	return &landed{hash: f[0], parents: strings.Fields(f[1]), at: time.Unix(seconds, 0).UTC(), message: f[3]}, nil
}

func (b *backwards) landing(l landed) {
	if b.r.shallow[l.hash] {
		b.ended, b.s.cut = true, "history before "+l.at.Format(time.DateOnly)+" is not here: shallow clone, see `git fetch --unshallow`"
		return
	}
	touched := map[string][]delta{}
	for _, d := range l.deltas {
		service := b.v.serviceOfPath(b.r, d.path)
		touched[service] = append(touched[service], d)
	}
	names := slices.Sorted(maps.Keys(touched))
	for _, service := range names {
		b.stood(service, l, touched[service], names)
		b.takeOff(service, touched[service])
	}
	if what := revertsIn(l.message); len(what) > 0 {
		b.later = append(b.later, undoing{l.hash, what})
	}
	b.ended = len(l.parents) == 0
}

// stood notes the content that a landing brought.
func (b *backwards) stood(service string, l landed, deltas []delta, touched []string) {
	line := b.s.lines[service]
	if len(line) > b.v.set.Revert.History {
		return
	}
	subject, _, _ := strings.Cut(strings.TrimSpace(l.message), "\n")
	st := standing{
		digest: b.at[service].digest(), commit: l.hash, tree: l.hash, parents: l.parents, subject: providers.Clean(subject),
		op: operationIn(l.message), since: l.at, deltas: deltas,
	}
	if len(line) > 0 {
		st.until = line[len(line)-1].since
	}
	for _, d := range deltas {
		st.moves = st.moves || sortOf(d.path) == isMigration
	}
	st.also = slices.DeleteFunc(slices.Clone(touched), func(n string) bool { return n == service })
	for _, u := range b.later {
		if slices.ContainsFunc(u.what, func(hash string) bool { return strings.HasPrefix(l.hash, hash) }) {
			st.undone = u.by
		}
	}
	b.s.lines[service] = append(line, st)
}

func (b *backwards) takeOff(service string, deltas []delta) {
	files := b.at[service]
	if files == nil {
		files = content{}
		b.at[service] = files
	}
	for _, d := range deltas {
		if d.before == "" {
			delete(files, d.path)
		} else {
			files[d.path] = d.before
		}
	}
}

// end notes what stood before all that was read, where that is not the beginning.
func (b *backwards) end() {
	for service, files := range b.at {
		line := b.s.lines[service]
		switch last := len(line) - 1; {
		case len(files) == 0 || len(line) > b.v.set.Revert.History:
		case last < 0:
			b.s.lines[service] = []standing{{digest: files.digest(), tree: b.s.tip}}
		case len(line[last].parents) > 0 && !b.r.shallow[line[last].commit]:
			b.s.lines[service] = append(line, standing{digest: files.digest(), tree: line[last].parents[0], until: line[last].since})
		}
	}
}

var operationLine = regexp.MustCompile(`(?m)^Backout-Op: ([A-Za-z0-9_-]{1,80})\s*$`)

// operationIn is the operation that a message names in its trailers; the last one counts.
func operationIn(message string) string {
	all := operationLine.FindAllStringSubmatch(message, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}

// stamp looks into merges that brought what stands now: a proposal that was merged carries its operation inside.
func (v *Reverter) stamp(ctx context.Context, rm *room, s *survey) error {
	for _, line := range s.lines {
		now := &line[0]
		if now.op != "" || len(now.parents) < 2 {
			continue
		}
		out, err := rm.run(ctx, "log", "-n", "50", "--no-show-signature", "--format=%B", now.parents[0]+".."+now.commit)
		if err != nil {
			return err
		}
		now.op = operationIn(out)
	}
	return nil
}
