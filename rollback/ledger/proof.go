package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"golang.org/x/mod/sumdb/tlog"
)

// ProofSchema names the document that a proof is kept as.
const ProofSchema = "backout.ledger-proof/v1"

const (
	maxProof  = 16 << 20 // the line of an entry may be long
	maxHashes = 128
)

// Proof shows to somebody who does not hold the ledger that an entry is in the one that a checkpoint names (Entry is not
// zero), or that the ledger of one checkpoint begins with that of an earlier one (From is not empty).
type Proof struct {
	Checkpoint string   `json:"checkpoint"` // its text
	From       string   `json:"from,omitempty"`
	Entry      int64    `json:"entry,omitempty"`
	Digest     string   `json:"digest,omitempty"`
	Line       string   `json:"line,omitempty"`
	Hashes     []string `json:"hashes"`
}

// Shown is what a proof that holds has shown. Line is empty where only the digest of the entry was shown.
type Shown struct {
	Checkpoint Checkpoint
	From       *Checkpoint
	Entry      int64
	Line       []byte
}

// ProveEntry makes the proof that the entry is in the ledger of the checkpoint.
func ProveEntry(digests iter.Seq2[Digest, error], c Checkpoint, seq int64) ([]string, error) {
	if seq < 1 || seq > c.Head.Seq {
		return nil, fmt.Errorf("the checkpoint is over entries 1 to %d: it shows nothing of entry %d", c.Head.Seq, seq)
	}
	return prove(digests, c.Head.Seq, func(r tlog.HashReader) (tlog.RecordProof, error) { return tlog.ProveRecord(c.Head.Seq, seq-1, r) })
}

// ProveGrowth makes the proof that the ledger of the checkpoint begins with that of the earlier one.
func ProveGrowth(digests iter.Seq2[Digest, error], from, c Checkpoint) ([]string, error) {
	if from.Head.Seq > c.Head.Seq {
		return nil, fmt.Errorf("the earlier checkpoint is over %d entries, the later one over %d", from.Head.Seq, c.Head.Seq)
	}
	return prove(digests, c.Head.Seq, func(r tlog.HashReader) (tlog.TreeProof, error) { return tlog.ProveTree(c.Head.Seq, from.Head.Seq, r) })
}

// ReadProof reads a proof; it says nothing of whether the proof holds.
func ReadProof(r io.Reader) (Proof, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxProof+1))
	if err != nil {
		return Proof{}, fmt.Errorf("read the proof: %w", err)
	}
	if len(data) > maxProof {
		return Proof{}, fmt.Errorf("a proof has at most %d bytes", maxProof)
	}
	var doc struct {
		Schema string `json:"schema"`
		Proof
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return Proof{}, fmt.Errorf("read the proof: %w", err)
	}
	if doc.Schema != ProofSchema {
		return Proof{}, fmt.Errorf("read the proof: its schema is %q, not %s", doc.Schema, ProofSchema)
	}
	return doc.Proof, nil
}

// Check looks whether the proof holds, with nothing but itself. What it shows is worth as much as its checkpoint: compare
// that with one that you hold.
func (p Proof) Check() (Shown, error) {
	c, err := ParseCheckpoint(p.Checkpoint)
	if err != nil {
		return Shown{}, err
	}
	root, err := tlog.ParseHash(c.Head.Root)
	if err != nil {
		return Shown{}, err
	}
	if len(p.Hashes) > maxHashes {
		return Shown{}, fmt.Errorf("the proof has %d hashes, and none needs more than %d", len(p.Hashes), maxHashes)
	}
	hashes := make([]tlog.Hash, len(p.Hashes))
	for i, h := range p.Hashes {
		if hashes[i], err = tlog.ParseHash(h); err != nil {
			return Shown{}, fmt.Errorf("hash %d of the proof: %w", i+1, err)
		}
	}
	shown := Shown{Checkpoint: c, Entry: p.Entry}
	switch {
	case p.From != "" && p.Entry == 0:
		from, err := ParseCheckpoint(p.From)
		if err != nil {
			return Shown{}, err
		}
		shown.From = &from
		return shown, checkGrowth(hashes, c, root, from)
	case p.From == "" && p.Entry > 0:
		if p.Line != "" {
			shown.Line = []byte(p.Line)
		}
		return shown, p.checkEntry(hashes, c, root)
	default:
		return Shown{}, errors.New("a proof is about one entry or about one earlier checkpoint")
	}
}

func (p Proof) checkEntry(hashes []tlog.Hash, c Checkpoint, root tlog.Hash) error {
	digest, ok := parseDigest(p.Digest)
	if !ok {
		return fmt.Errorf("%q is no digest of a line", p.Digest)
	}
	if p.Line != "" {
		var l struct {
			Seq int64 `json:"seq"`
		}
		if Hash([]byte(p.Line)) != p.Digest {
			return errors.New("the line is not the one that the digest names: it was altered")
		}
		if err := json.Unmarshal([]byte(p.Line), &l); err != nil || l.Seq != p.Entry {
			return fmt.Errorf("the line is not that of entry %d", p.Entry)
		}
	}
	if p.Entry > c.Head.Seq {
		return fmt.Errorf("the checkpoint is over entries 1 to %d: it shows nothing of entry %d", c.Head.Seq, p.Entry)
	}
	if err := tlog.CheckRecord(hashes, c.Head.Seq, root, p.Entry-1, tlog.RecordHash(digest[:])); err != nil {
		return fmt.Errorf("entry %d is not shown to be in the ledger of the checkpoint: %w", p.Entry, err)
	}
	return nil
}

func checkGrowth(hashes []tlog.Hash, c Checkpoint, root tlog.Hash, from Checkpoint) error {
	if c.Origin != from.Origin {
		return fmt.Errorf("the checkpoints are of two ledgers, %s and %s", from.Origin, c.Origin)
	}
	if from.Head.Seq > c.Head.Seq {
		return fmt.Errorf("the earlier checkpoint is over %d entries, the later one over %d", from.Head.Seq, c.Head.Seq)
	}
	old, err := tlog.ParseHash(from.Head.Root)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(hashes, c.Head.Seq, root, from.Head.Seq, old); err != nil {
		return fmt.Errorf("the ledger of the checkpoint is not shown to begin with that of the earlier one: %w", err)
	}
	return nil
}
