package ledger

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Range is a row of entries. It is written as 7 or 7-12.
type Range struct{ From, To int64 }

// String implements fmt.Stringer.
func (r Range) String() string {
	if r.From == r.To {
		return strconv.FormatInt(r.From, 10)
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}

// MarshalText implements encoding.TextMarshaler.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Ranges are entries, in their order.
type Ranges []Range

func (r *Ranges) add(seq int64) {
	if n := len(*r); n > 0 && (*r)[n-1].To == seq-1 {
		(*r)[n-1].To = seq
		return
	}
	*r = append(*r, Range{seq, seq})
}

// Count is how many entries they are.
func (r Ranges) Count() (n int64) {
	for _, one := range r {
		n += one.To - one.From + 1
	}
	return n
}

// Signatures is what is known of who signed the entries.
type Signatures struct {
	By       []SignedBy `json:"by,omitempty"` // one for each key and whom it belongs to, in the order of their first entries
	Unsigned Ranges     `json:"unsigned,omitempty"`
	False    Ranges     `json:"false,omitempty"` // a signature that does not hold lies beside these
	Entries  int64      `json:"entries"`
}

// SignedBy are the entries that one key signed. Without principals, the key is not known, or was not valid for them.
type SignedBy struct {
	Key        string   `json:"key"` // its fingerprint
	Principals []string `json:"principals,omitempty"`
	Entries    Ranges   `json:"entries"`
	// Others are those of its entries whose actor it may not sign for: somebody else's deed, signed by whoever did it here.
	Others Ranges `json:"others,omitempty"`
}

// Witnessed is an entry with the signatures beside it.
type Witnessed struct {
	Seq        int64
	Digest     Digest // of the line that was written
	Line       []byte // that is stored
	Signatures []Signature
}

// witness checks the signatures of entries as they come.
type witness struct {
	origin  string
	signers *Signers // nil: whose keys they are, nobody said
	require int64
	report  *Report
	out     Signatures
	unknown Ranges // entries from require on that nobody who is known signed
}

// CheckSignatures looks at the signatures beside the entries of a ledger. From entry require on (0: none), each has to have one
// by a key that signers knows. What is wrong is put on the report.
func CheckSignatures(entries iter.Seq2[Witnessed, error], origin string, signers *Signers, require int64, r *Report) (Signatures, error) {
	w := witness{origin: origin, signers: signers, require: require, report: r}
	for e, err := range entries {
		if err != nil {
			return Signatures{}, err
		}
		w.look(&e)
	}
	return w.done(), nil
}

// done tells of the entries that nobody who is known signed.
func (w *witness) done() Signatures {
	for _, u := range w.unknown {
		what := "entry " + u.String() + " is"
		if u.From != u.To {
			what = "entries " + u.String() + " are"
		}
		w.report.Add(u.From, Nameless, "%s not signed by a key that is known, and from entry %d on each has to be", what, w.require)
	}
	return w.out
}

// look checks one entry.
func (w *witness) look(e *Witnessed) {
	w.out.Entries++
	if len(e.Signatures) == 0 {
		w.out.Unsigned.add(e.Seq)
	}
	var said struct {
		Actor string    `json:"actor"`
		At    time.Time `json:"at"`
	}
	if len(e.Signatures) > 0 && json.Unmarshal(e.Line, &said) != nil {
		said.Actor = "" // what is wrong with the line the chain tells
	}
	known := false
	text := Signable(w.origin, e.Seq, e.Digest.String())
	for i := range e.Signatures {
		s, err := ReadSSHSig(e.Signatures[i].Blob)
		if err == nil {
			err = s.Verify(EntryNamespace, text)
		}
		if err == nil && fingerprint(s.Key) != e.Signatures[i].Key {
			err = fmt.Errorf("it is by another key than %s", short(e.Signatures[i].Key))
		}
		if err != nil {
			w.report.Add(e.Seq, Forged, "a signature of entry %d does not hold: %v", e.Seq, err)
			if n := len(w.out.False); n == 0 || w.out.False[n-1].To != e.Seq {
				w.out.False.add(e.Seq)
			}
			continue
		}
		known = w.count(e.Seq, s.Key, said.Actor, said.At) || known
	}
	if w.require > 0 && e.Seq >= w.require && !known {
		w.unknown.add(e.Seq)
	}
}

// count puts a signature that holds to those of its key, and tells whether the key is known.
func (w *witness) count(seq int64, key ssh.PublicKey, actor string, at time.Time) bool {
	by := SignedBy{Key: fingerprint(key)}
	if w.signers != nil {
		by.Principals = w.signers.Who(key, EntryNamespace, at)
	}
	i := slices.IndexFunc(w.out.By, func(b SignedBy) bool { return b.Key == by.Key && slices.Equal(b.Principals, by.Principals) })
	if i < 0 {
		i, w.out.By = len(w.out.By), append(w.out.By, by)
	}
	w.out.By[i].Entries.add(seq)
	if len(by.Principals) > 0 && !w.signers.May(actor, key, EntryNamespace, at) {
		w.out.By[i].Others.add(seq)
	}
	return len(by.Principals) > 0
}

// Text says which entries, as many as one line has room for.
func (r Ranges) Text() string {
	const shown = 8
	names := make([]string, 0, shown)
	for _, one := range r[:min(len(r), shown)] {
		names = append(names, one.String())
	}
	if len(r) > shown {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}
