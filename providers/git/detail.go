package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/backout-dev/backout/providers/attribution"
)

// header is what is read of every commit, landed or merged.
type header struct {
	hash    string
	parents []string
	commit  attribution.Commit
}

// landing is one commit of the first-parent history with what it changed.
type landing struct {
	step
	header
	touched touched
	side    merged
}

const fieldFormat = "%x00%H%x00%P%x00%an%x00%ae%x00%cn%x00%ce%x00%B%x00"

// format asks for a mark and the fields of header. Names and addresses come as they were written, without a mailmap. The
// note is asked for only where there are any: git prints the bare placeholder where it shows none.
func format(mark, note string) string { return "--format=%x00" + mark + fieldFormat + note + "%x00" }

// textFlags keep a user's or a repository's configuration from changing what is printed.
var textFlags = []string{"--no-color", "--no-show-signature", "--no-ext-diff", "--no-textconv", "--encoding=UTF-8", "-z"}

func (r *repo) logArgs(mark string, more ...string) []string {
	notes, note := []string{"--no-notes"}, ""
	if r.notes != "" {
		notes, note = append(notes, "--notes="+r.notes), "%N"
	}
	args := append([]string{"log", format(mark, note)}, notes...)
	return append(append(args, textFlags...), more...)
}

// readHeader reads the fields that follow a mark.
func (r *repo) readHeader(in *records) (header, error) {
	var h header
	var parents string
	for _, field := range []*string{&h.hash, &parents, &h.commit.AuthorName, &h.commit.AuthorEmail, &h.commit.CommitterName, &h.commit.CommitterEmail} {
		var err error
		if *field, err = in.next(64<<10, 0); err != nil {
			return h, fmt.Errorf("read a commit: %w", err)
		}
	}
	var err error
	if h.commit.Message, err = in.next(keepHead, keepTail); err != nil {
		return h, fmt.Errorf("read the message of %s: %w", h.hash, err)
	}
	if h.commit.Note, err = in.next(keepNote, keepNote); err != nil {
		return h, fmt.Errorf("read the note of %s: %w", h.hash, err)
	}
	h.parents = strings.Fields(parents)
	h.commit.Merge = len(h.parents) > 1
	h.commit.NoteLooked = r.notes != ""
	return h, nil
}

// details reads the wanted commits of a segment, in their order.
func (p *Provider) details(ctx context.Context, r *repo, seg segment) ([]*landing, error) {
	var all []*landing
	byHash := map[string]*landing{}
	var whole, cut []byte
	for _, s := range seg {
		if !s.wanted {
			continue
		}
		l := &landing{step: s}
		all, byHash[s.hash] = append(all, l), l
		if r.shallow[s.hash] {
			cut = append(cut, s.hash+"\n"...) // against the parent that is not here, every file would look added
		} else {
			whole = append(whole, s.hash+"\n"...)
		}
	}
	if err := p.readDetails(ctx, r, whole, true, byHash); err != nil {
		if !r.partial || ctx.Err() != nil {
			return nil, err
		}
		if err := p.readDetails(ctx, r, whole, false, byHash); err != nil { // not even the trees are here
			return nil, err
		}
	}
	if err := p.readDetails(ctx, r, cut, false, byHash); err != nil {
		return nil, err
	}
	return all, nil
}

func (p *Provider) readDetails(ctx context.Context, r *repo, hashes []byte, diff bool, byHash map[string]*landing) error {
	if len(hashes) == 0 {
		return nil
	}
	mark := newMark()
	args := r.logArgs(mark, "--no-walk=unsorted", "--stdin", "-m", "--first-parent")
	switch {
	case !diff:
		args = append(args, "--no-patch")
	case r.partial:
		args = append(args, "--raw", "--no-renames")
	default:
		args = append(args, "--numstat", "-M", "-l400")
	}
	return r.stream(ctx, hashes, func(from *bufio.Reader) error {
		in := &records{in: from, mark: mark}
		var now *landing
		stat := &diffReader{paths: p.paths, most: p.set.MaxFiles}
		for {
			found, err := in.find(func(field string) error { stat.field(field); return nil })
			if err != nil {
				return err
			}
			if now != nil {
				now.touched = stat.done()
			}
			if !found {
				return nil
			}
			h, err := r.readHeader(in)
			if err != nil {
				return err
			}
			if now = byHash[h.hash]; now == nil {
				return errors.New("git spoke of a commit that nobody asked for")
			}
			h.commit.When = now.at
			now.header = h
		}
	}, args...)
}

// touched is what a landing changed.
type touched struct {
	files, lines int
	paths        []string
	services     map[string]int // files by service; "" for those that no rule knows
	migrations   int
	infra        int
	config       int
}

// diffReader reads the fields of `--numstat -z` and `--raw -z`.
type diffReader struct {
	paths *pathRules
	most  int

	now     touched
	pending int // fields that are still to come of one entry
}

func (d *diffReader) field(f string) {
	f = strings.TrimPrefix(f, "\n")
	switch {
	case d.pending > 0:
		d.pending--
		if d.pending == 0 {
			d.path(f)
		}
	case f == "":
	case strings.HasPrefix(f, ":"):
		d.pending = 1 // the path follows
	default:
		added, rest, _ := strings.Cut(f, "\t")
		removed, path, ok := strings.Cut(rest, "\t")
		if !ok {
			return
		}
		d.now.lines += number(added) + number(removed)
		if path == "" {
			d.pending = 2 // renamed: the old path and the new one follow
			return
		}
		d.path(path)
	}
}

// number reads a count of lines; "-" of a binary file counts nothing.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func (d *diffReader) path(path string) {
	t := &d.now
	t.files++
	if len(t.paths) < d.most {
		t.paths = append(t.paths, path)
	}
	if t.services == nil {
		t.services = map[string]int{}
	}
	t.services[d.paths.service(path)]++
	switch sortOf(path) {
	case isMigration:
		t.migrations++
	case isInfra:
		t.infra++
	case isConfig:
		t.config++
	case isOther:
	}
}

func (d *diffReader) done() touched {
	t := d.now
	d.now, d.pending = touched{}, 0
	return t
}
