package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
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
	Foreign   Damage = "another ledger"
	Unsigned  Damage = "checkpoint not signed by a known key"
	Forged    Damage = "signature does not hold"
	Unheld    Damage = "anchor not compared"
	Nameless  Damage = "not signed by a known key"
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
	Origin   string    `json:"origin,omitempty"` // which ledger this is
	Entries  int64     `json:"entries"`
	Head     Head      `json:"head"`
	Redacted []int64   `json:"redacted,omitempty"` // entries that are not whole: what they said cannot be checked
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
	seq    int64
	hash   Digest
	prev   Digest
	linked bool // it names a line before it; not linked and not first is what no entry is
}

// walk is one verification under way.
type walk struct {
	Report
	links []link
	tree  tree
	plain bool             // each stands where its number says
	roots map[int64]string // of the sizes that a head was noted at
	cuts  cuts
}

// Verify walks the lines in their stored order and finds every entry that was altered, dropped or reordered. Heads are
// those of this ledger that were noted at some time, with or without a root. Without one that was kept elsewhere nobody can
// tell whether entries are missing at the end, or whether all was rewritten; Limits says so. A line is kept until the next is read.
func Verify(lines iter.Seq[[]byte], heads ...Head) Report {
	w := walk{Report: Report{OK: true}, roots: map[int64]string{}}
	for _, h := range heads {
		if h.Root != "" {
			w.roots[h.Seq] = ""
		}
	}
	var before []byte
	for line := range lines {
		l := w.read(int64(len(w.links))+1, line)
		if n := len(w.links); n > 0 && (l.seq != w.links[n-1].seq+1 || l.prev != w.links[n-1].hash) {
			w.form(w.links[n-1], before)
		}
		before = line
		w.links = append(w.links, l)
		w.tree.add(l.hash)
		if _, noted := w.roots[w.tree.size]; noted {
			w.roots[w.tree.size] = w.tree.root()
		}
	}
	if n := len(w.links); n > 0 {
		w.form(w.links[n-1], before)
	}
	return w.judge(heads)
}

// form looks whether a line that the next one does not confirm is in canonical form. That takes ten times as long as the
// rest, and of a line that is confirmed it says nothing that its hash does not.
func (w *walk) form(l link, line []byte) {
	if l.seq == 0 {
		return
	}
	if canon, err := Canonical(line); err != nil || !bytes.Equal(canon, line) {
		w.Add(l.seq, Altered, "entry %d is not in canonical form: it was altered", l.seq)
	}
}

// read looks at one line by itself.
func (w *walk) read(position int64, line []byte) link {
	l := link{hash: DigestOf(line)}
	var e struct {
		Seq      int64           `json:"seq"`
		Prev     string          `json:"prev"`
		Kind     Kind            `json:"kind"`
		Redacted *StandIn        `json:"redacted"`
		Body     json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(line, &e); err != nil || e.Seq == 0 {
		w.Add(position, Malformed, "line %d is not a ledger entry", position)
		return l
	}
	l.seq = e.Seq
	l.prev, l.linked = parseDigest(e.Prev)
	if e.Redacted != nil {
		w.cuts.standIn(l.seq, e.Redacted.Digest, Hash(line))
	}
	if e.Kind == KindRedaction {
		w.cuts.redaction(l.seq, e.Body)
	}
	if l.linked == (l.seq == 1) || (l.seq == 1 && e.Prev != "") {
		w.Add(l.seq, Altered, "entry %d says %q of the entry before it: it was altered, or what came before was dropped", l.seq, short(e.Prev))
	}
	return l
}

// judge says what the lines say of each other and what the heads say of them.
func (w *walk) judge(heads []Head) Report {
	w.Entries = int64(len(w.links))
	if last := w.Entries - 1; last >= 0 {
		w.Head = Head{Seq: w.links[last].seq, Hash: w.links[last].hash.String(), Root: w.tree.root()}
	}
	if w.plain = w.inOrder(); !w.plain {
		w.order()
	}
	w.chain()
	w.cut()
	for _, h := range heads {
		w.noted(h)
	}
	sort.SliceStable(w.Problems, func(i, j int) bool { return w.Problems[i].Seq < w.Problems[j].Seq })
	w.Limits = limits(w.Head, heads)
	return w.Report
}

func (w *walk) inOrder() bool {
	for i := range w.links {
		if w.links[i].seq != int64(i)+1 {
			return false
		}
	}
	return true
}

// order finds what stands in the wrong place and what is not there at all.
func (w *walk) order() {
	seen := map[int64]bool{}
	var highest int64
	for _, l := range w.links {
		switch {
		case l.seq == 0:
			continue
		case seen[l.seq]:
			w.Add(l.seq, Reordered, "entry %d is there more than once", l.seq)
		case l.seq < highest:
			w.Add(l.seq, Reordered, "entry %d stands after entry %d", l.seq, highest)
		}
		seen[l.seq] = true
		highest = max(highest, l.seq)
	}
	malformed := slices.ContainsFunc(w.links, func(l link) bool { return l.seq == 0 })
	want := int64(1)
	for _, s := range slices.Sorted(maps.Keys(seen)) {
		missing := s - want
		switch {
		case missing == 1 && malformed: // it is the one that cannot be read
		case missing == 1:
			w.Add(want, Dropped, "entry %d is missing", want)
		case missing > 1:
			w.Add(want, Dropped, "entries %d to %d are missing", want, s-1)
		}
		want = s + 1
	}
}

// at gives the line that carries a number, wherever it stands; nil is none.
func (w *walk) at() func(seq int64) *link {
	if w.plain {
		return func(seq int64) *link {
			if seq < 1 || seq > int64(len(w.links)) {
				return nil
			}
			return &w.links[seq-1]
		}
	}
	bySeq := make(map[int64]*link, len(w.links))
	for i := range w.links {
		bySeq[w.links[i].seq] = &w.links[i]
	}
	return func(seq int64) *link { return bySeq[seq] }
}

// linked tells whether lines that stand in their order all link to the one before.
func (w *walk) linked() bool {
	for i := 1; i < len(w.links); i++ {
		if w.links[i].prev != w.links[i-1].hash {
			return false
		}
	}
	return true
}

// chain compares each entry's link with the line that carries the number before it.
func (w *walk) chain() {
	if w.plain && w.linked() {
		return
	}
	at := w.at()
	for i := range w.links {
		l := &w.links[i]
		if !l.linked || l.seq < 2 {
			continue
		}
		if before := at(l.seq - 1); before != nil && before.hash != l.prev {
			w.Add(before.seq, Altered, "entry %d was altered, or the link of entry %d to it", before.seq, l.seq)
		}
	}
}

// noted compares the ledger with a head that was noted earlier.
func (w *walk) noted(h Head) {
	if h.Seq == 0 {
		return
	}
	at := w.at()(h.Seq)
	switch {
	case at != nil && at.hash.String() != h.Hash:
		w.Add(h.Seq, Rewritten, "entry %d is not the one that the noted head %s names: it was altered or the record was rewritten", h.Seq, short(h.Hash))
	case at != nil && h.Root != "" && w.roots[h.Seq] != h.Root:
		w.Add(h.Seq, Rewritten, "entries 1 to %d are not those that the noted root %s names: one was altered or the record was rewritten", h.Seq, short(h.Root))
	case at == nil && w.Head.Seq < h.Seq:
		w.Add(h.Seq, Truncated, "the record ends at entry %d, but a head was noted at entry %d: entries at the end are missing", w.Head.Seq, h.Seq)
	}
}

// limits says what the lines cannot show by themselves. A head with a root was kept elsewhere.
func limits(end Head, heads []Head) []string {
	var kept int64
	for _, h := range heads {
		if h.Root != "" {
			kept = max(kept, h.Seq)
		}
	}
	switch {
	case end.Seq == 0:
		return []string{"an empty record and one whose entries were all removed look the same without a checkpoint that was kept elsewhere"}
	case kept > 0:
		return []string{fmt.Sprintf("whoever can write the database can cut entries off the end down to entry %d, which the checkpoint is about, and rewrite those after it", kept)}
	default:
		return []string{
			"whoever can write the database can cut entries off the end and rewrite the head beside them, or rewrite the whole chain; " +
				"only a checkpoint that was kept elsewhere shows it",
		}
	}
}

func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}
