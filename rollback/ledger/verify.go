package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sort"
)

// Damage says what was done to an entry.
type Damage string

// Kinds of damage that the chain shows. Rewritten: the record disagrees with a head that was kept beside or outside.
const (
	Altered   Damage = "altered"
	Dropped   Damage = "dropped"
	Reordered Damage = "reordered"
	Malformed Damage = "malformed"
	Truncated Damage = "truncated"
	Rewritten Damage = "rewritten"
	Unbound   Damage = "payload missing or altered"
	Disputed  Damage = "the journal says otherwise"
)

// Problem is one thing that is wrong with a ledger. Seq is the entry that it is about.
type Problem struct {
	Seq    int64  `json:"seq"`
	Damage Damage `json:"damage"`
	Text   string `json:"text"`
}

// Report is what a verification found. Limits says what the record by itself can never show. Head is its end as it is now;
// of a record that is not OK it is no checkpoint to keep.
type Report struct {
	OK       bool      `json:"ok"`
	Entries  int64     `json:"entries"`
	Head     Head      `json:"head"`
	Problems []Problem `json:"problems,omitempty"`
	Limits   []string  `json:"limits"`
}

// Add puts a problem on the report, which then is not OK.
func (r *Report) Add(seq int64, d Damage, format string, args ...any) {
	r.OK = false
	r.Problems = append(r.Problems, Problem{Seq: seq, Damage: d, Text: fmt.Sprintf(format, args...)})
}

// link is what of a line the chain needs.
type link struct {
	Seq  int64  `json:"seq"`
	Prev string `json:"prev"`
	hash string
}

// Verify walks the lines in their stored order and finds every entry that was altered, dropped or reordered. Heads are
// checkpoints: heads of this ledger that were noted at some time. Without one that was kept elsewhere nobody can tell
// whether entries are missing at the end, or whether all was rewritten; Limits says so.
func Verify(lines iter.Seq[[]byte], heads ...Head) Report {
	r := Report{OK: true}
	var links []link
	position := int64(0)
	for line := range lines {
		position++
		l := link{hash: Hash(line)}
		if err := json.Unmarshal(line, &l); err != nil || l.Seq == 0 {
			r.Add(position, Malformed, "line %d is not a ledger entry", position)
			l.Seq = 0
		} else if canon, err := Canonical(line); err != nil || !bytes.Equal(canon, line) {
			r.Add(l.Seq, Altered, "entry %d is not in canonical form: it was altered", l.Seq)
		}
		links = append(links, l)
	}
	r.Entries = int64(len(links))
	if len(links) > 0 {
		r.Head = Head{Seq: links[len(links)-1].Seq, Hash: links[len(links)-1].hash}
	}
	r.order(links)
	r.chain(links)
	for _, h := range heads {
		r.checkpoint(links, h)
	}
	sort.SliceStable(r.Problems, func(i, j int) bool { return r.Problems[i].Seq < r.Problems[j].Seq })
	r.Limits = limits(r.Head)
	return r
}

// order finds what stands in the wrong place and what is not there at all.
func (r *Report) order(links []link) {
	seen := map[int64]bool{}
	var highest int64
	for _, l := range links {
		switch {
		case l.Seq == 0:
			continue
		case seen[l.Seq]:
			r.Add(l.Seq, Reordered, "entry %d is there more than once", l.Seq)
		case l.Seq < highest:
			r.Add(l.Seq, Reordered, "entry %d stands after entry %d", l.Seq, highest)
		}
		seen[l.Seq] = true
		highest = max(highest, l.Seq)
	}
	malformed := slices.ContainsFunc(links, func(l link) bool { return l.Seq == 0 })
	missing, first := int64(0), int64(0)
	flush := func() {
		if missing == 0 || (malformed && missing == 1) {
			missing = 0
			return
		}
		if missing == 1 {
			r.Add(first, Dropped, "entry %d is missing", first)
		} else {
			r.Add(first, Dropped, "entries %d to %d are missing", first, first+missing-1)
		}
		missing = 0
	}
	present := make([]int64, 0, len(seen))
	for s := range seen {
		present = append(present, s)
	}
	slices.Sort(present)
	want := int64(1)
	for _, s := range present {
		if s > want {
			first, missing = want, s-want
			flush()
		}
		want = s + 1
	}
}

// chain compares each entry's link with the line that carries the number before it, wherever that stands.
func (r *Report) chain(links []link) {
	bySeq := make(map[int64]link, len(links))
	for _, l := range links {
		bySeq[l.Seq] = l
	}
	for _, l := range links {
		if l.Seq == 0 {
			continue
		}
		if l.Seq == 1 {
			if l.Prev != "" {
				r.Add(1, Altered, "entry 1 names an entry before it: it was altered, or what came before was dropped")
			}
			continue
		}
		before, ok := bySeq[l.Seq-1]
		if ok && before.hash != l.Prev {
			r.Add(before.Seq, Altered, "entry %d was altered, or the link of entry %d to it", before.Seq, l.Seq)
		}
	}
}

// checkpoint compares the ledger with a head that was noted earlier.
func (r *Report) checkpoint(links []link, h Head) {
	if h.Seq == 0 {
		return
	}
	for _, l := range links {
		if l.Seq == h.Seq {
			if l.hash != h.Hash {
				r.Add(h.Seq, Rewritten, "entry %d is not the one that the noted head %s names: it was altered or the record was rewritten",
					h.Seq, short(h.Hash))
			}
			return
		}
	}
	if len(links) == 0 || r.Head.Seq < h.Seq {
		r.Add(h.Seq, Truncated, "the record ends at entry %d, but a head was noted at entry %d: entries at the end are missing", r.Head.Seq, h.Seq)
	}
}

func limits(h Head) []string {
	if h.Seq == 0 {
		return []string{"an empty record and one whose entries were all removed look the same without a head noted elsewhere"}
	}
	return []string{
		"whoever can write the database can cut entries off the end and rewrite the head beside them, or rewrite the whole chain; " +
			"only a head that was kept elsewhere shows it",
	}
}

func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}
