package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// ExportSchema names the document that a ledger is exported as: a line of JSON that says which ledger it is, then one for each entry.
const ExportSchema = "backout.ledger-export/v1"

// maxExported bounds one line of an export: an entry with its payload.
const maxExported = 256 << 20

// ExportHead is the first line of an export.
type ExportHead struct {
	Schema   string    `json:"schema"`
	Origin   string    `json:"origin"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Payloads bool      `json:"payloads"` // they are in it
}

// Exported is an entry of an export: its line as it is stored, byte by byte, and what lies beside it. Digest is that of the line that
// was written: of a redacted entry not the one of Line.
type Exported struct {
	Line       string   `json:"line"`
	Digest     string   `json:"digest"`
	Signatures []string `json:"signatures,omitempty"` // as ssh-keygen -Y sign writes them, over what [Signable] gives
	Payload    []byte   `json:"payload,omitempty"`    // base64
}

// ReadExport reads an export: its head, and its entries one after another. After an error the sequence ends.
func ReadExport(r io.Reader) (ExportHead, iter.Seq2[Exported, error], error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxExported)
	var head ExportHead
	if !lines.Scan() {
		return head, nil, errors.Join(errors.New("no export of a ledger: it is empty"), lines.Err())
	}
	if err := json.Unmarshal(lines.Bytes(), &head); err != nil || head.Schema != ExportSchema {
		return head, nil, fmt.Errorf("no export of a ledger: its first line does not say %s", ExportSchema)
	}
	return head, func(yield func(Exported, error) bool) {
		for n := 2; lines.Scan(); n++ {
			var e Exported
			dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&e); err != nil {
				yield(e, fmt.Errorf("line %d of the export: %w", n, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Exported{}, fmt.Errorf("read the export: %w", err))
		}
	}, nil
}

// VerifyExport looks at an export as a ledger is looked at where it is stored: the chain, checkpoints that were kept elsewhere, signatures, and
// the payloads that are in it. The journal is not in it, and is not compared.
func VerifyExport(r io.Reader, signers *Signers, require int64, held ...Checkpoint) (Report, Signatures, error) {
	head, entries, err := ReadExport(r)
	if err != nil {
		return Report{}, Signatures{}, err
	}
	aside := Report{OK: true} // what is wrong with signatures
	v := exportWalk{
		head: head, missing: map[string]int64{}, taken: map[string]bool{},
		witness: witness{origin: head.Origin, signers: signers, require: require, report: &aside},
	}
	var heads []Head
	for _, c := range held {
		if c.Origin == "" || c.Origin == head.Origin {
			heads = append(heads, c.Head)
		}
	}
	lines := func(yield func([]byte) bool) {
		for e, failed := range entries {
			if failed != nil {
				err = failed
				return
			}
			v.take(&e)
			if !yield([]byte(e.Line)) {
				return
			}
		}
	}
	report := Verify(lines, heads...)
	if err != nil {
		return Report{}, Signatures{}, err
	}
	report.Origin = head.Origin
	for _, c := range held {
		if c.Origin != "" && c.Origin != head.Origin {
			report.Add(report.Head.Seq, Foreign, "the checkpoint is of the ledger %s, and this is %s", c.Origin, head.Origin)
		}
	}
	v.judge(&report)
	signed := v.witness.done()
	report.OK, report.Problems = report.OK && aside.OK, append(report.Problems, aside.Problems...)
	report.Limits = append(report.Limits, "an export holds no journal: whether it says the same is not compared")
	return report, signed, nil
}

// exportWalk is one verification of an export under way.
type exportWalk struct {
	head    ExportHead
	witness witness
	off     []int64 // what is said beside the line is not of the line
	bad     []int64 // their payload is another one
	missing map[string]int64
	taken   map[string]bool // payloads that were redacted
}

func (v *exportWalk) take(e *Exported) {
	line := []byte(e.Line)
	var said struct {
		Seq     int64  `json:"seq"`
		Kind    Kind   `json:"kind"`
		Payload string `json:"payload"`
		Body    struct {
			Payload string `json:"payload"`
		} `json:"body"`
	}
	_ = json.Unmarshal(line, &said) // a line that is no entry is told by the chain
	w := Witnessed{Seq: said.Seq, Digest: DigestOf(line), Line: line}
	if w.Digest.String() != e.Digest {
		v.off = append(v.off, said.Seq)
	}
	for _, armored := range e.Signatures {
		s := Signature{Seq: said.Seq}
		if blob, err := Unarmored(armored); err == nil {
			s.Blob = blob
			if sig, err := ReadSSHSig(blob); err == nil {
				s.Key = fingerprint(sig.Key)
			}
		}
		w.Signatures = append(w.Signatures, s)
	}
	v.witness.look(&w)
	if said.Kind == KindRedaction && said.Body.Payload != "" {
		v.taken[said.Body.Payload] = true
	}
	switch {
	case e.Payload == nil && (said.Payload == "" || said.Payload == Hash(nil)):
	case e.Payload == nil:
		v.missing[said.Payload] = said.Seq
	case Hash(e.Payload) != said.Payload:
		v.bad = append(v.bad, said.Seq)
	}
}

func (v *exportWalk) judge(r *Report) {
	for _, seq := range v.off {
		r.Add(seq, Altered, "the digest beside the line of entry %d is not that of the line", seq)
	}
	for _, seq := range v.bad {
		r.Add(seq, Unbound, "the payload of entry %d was altered", seq)
	}
	for digest, seq := range v.missing {
		if v.head.Payloads && !v.taken[digest] {
			r.Add(seq, Unbound, "the payload of entry %d is not there", seq)
		}
	}
	if !v.head.Payloads {
		r.Limits = append(r.Limits, "the payloads are not in this export")
	}
}
