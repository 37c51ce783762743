package git

import (
	"bufio"
	"bytes"
	"context"
	"strings"

	"github.com/backout-dev/backout/providers"
)

// How many merged commits are judged of one merge, and looked at for one segment. A merge of a whole upstream history
// brings more than anybody would read.
const (
	mostJudged = 250
	mostRead   = 20_000
)

// merged is what a merge brought with it.
type merged struct {
	verdicts []providers.Assistance
	unread   int
	author   string // of the newest commit of the second parent: who made what was merged
	agent    string // that author's kind
	reverts  []string
	hashes   map[string]bool
}

// sides reads what the merges of a segment brought, in one run of git. A merge hides the trailers and the authors of
// its commits, so without this it would say nothing of who or what wrote the change.
//
// A commit belongs to the oldest landing that reaches it. In topological order every child comes before its parents, so
// the oldest of the children's landings is known when a commit comes.
func (p *Provider) sides(ctx context.Context, r *repo, seg segment, landings []*landing) error {
	byHash := map[string]*landing{}
	merges := false
	for _, l := range landings {
		byHash[l.step.hash] = l
		merges = merges || len(l.step.parents) > 1
	}
	if !merges {
		return nil
	}
	var ask bytes.Buffer
	ask.WriteString(seg[0].hash + "\n")
	if base := seg.base(); base != "" && !r.shallow[seg[len(seg)-1].hash] {
		ask.WriteString("^" + base + "\n")
	}
	owners := &ownership{seg: seg, landing: make([]*landing, len(seg)), place: map[string]int{}, owner: map[string]int{}}
	for i, s := range seg {
		owners.place[s.hash], owners.landing[i] = i, byHash[s.hash]
	}
	mark := newMark()
	read := 0
	err := r.stream(ctx, ask.Bytes(), func(from *bufio.Reader) error {
		in := &records{in: from, mark: mark}
		for {
			found, err := in.find(func(string) error { return nil })
			if err != nil || !found {
				return err
			}
			h, err := r.readHeader(in)
			if err != nil {
				return err
			}
			if read++; read > mostRead {
				owners.giveUp()
				return errEnough
			}
			p.side(owners.of(h), h)
		}
	}, r.logArgs(mark, "--topo-order", "--no-patch", "--stdin")...)
	for _, l := range landings {
		l.side.dropOwnReverts()
	}
	return err
}

// side adds one merged commit to the landing that brought it.
func (p *Provider) side(l *landing, h header) {
	if l == nil || l.step.hash == h.hash {
		return
	}
	m := &l.side
	if m.hashes == nil {
		m.hashes = map[string]bool{}
	}
	if len(m.hashes) < mostJudged {
		m.hashes[h.hash] = true
		m.reverts = append(m.reverts, revertsIn(h.commit.Message)...)
	}
	first := len(l.step.parents) > 1 && l.step.parents[1] == h.hash
	if h.commit.Merge && !first {
		return // joins the main line into the branch; nothing was written there
	}
	if len(m.verdicts) >= mostJudged {
		m.unread++
		return
	}
	h.commit.When = l.at
	verdict := p.rules.Judge(h.commit)
	m.verdicts = append(m.verdicts, verdict)
	if first || m.author == "" {
		m.author, m.agent = h.commit.AuthorName, authorKind(verdict.State)
	}
}

// dropOwnReverts forgets what a branch took back of itself before it landed.
func (m *merged) dropOwnReverts() {
	kept := m.reverts[:0]
	for _, r := range m.reverts {
		own := false
		for h := range m.hashes {
			own = own || strings.HasPrefix(h, r)
		}
		if !own {
			kept = append(kept, r)
		}
	}
	m.reverts, m.hashes = kept, nil
}

// ownership follows which landing brought a commit.
type ownership struct {
	seg     segment
	landing []*landing
	place   map[string]int // of the landings themselves; a greater place is older
	owner   map[string]int // of commits that are still to come
}

func (o *ownership) of(h header) *landing {
	at, ok := o.place[h.hash]
	if !ok {
		at = o.owner[h.hash]
		delete(o.owner, h.hash)
	}
	for _, parent := range h.parents {
		if old, ok := o.owner[parent]; !ok || at > old {
			o.owner[parent] = at
		}
	}
	return o.landing[at]
}

// giveUp marks every merge as not wholly read.
func (o *ownership) giveUp() {
	for _, l := range o.landing {
		if l != nil && len(l.step.parents) > 1 {
			l.side.unread++
		}
	}
}
