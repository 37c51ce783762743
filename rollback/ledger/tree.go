package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// Digest is the SHA-256 of a line: what the next line calls its prev, and the leaf of the tree.
type Digest [sha256.Size]byte

// String is the digest in hex, as prev has it.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// DigestOf is the digest of a stored line; of one that stands in for another it is the digest of that other line, as it
// says itself. [Verify] finds a stand-in that no redaction made.
func DigestOf(line []byte) Digest {
	if s := standInOf(line); s != nil {
		if d, ok := parseDigest(s.Digest); ok {
			return d
		}
	}
	return sha256.Sum256(line)
}

// parseDigest reads what prev has: 64 lower-case hex digits.
func parseDigest(text string) (d Digest, ok bool) {
	if len(text) != 2*len(d) || strings.ToLower(text) != text {
		return d, false
	}
	_, err := hex.Decode(d[:], []byte(text))
	return d, err == nil
}

// tree is a Merkle tree (RFC 6962) that grows leaf by leaf and holds the right edge alone, so that a million entries need
// no room. A leaf is the digest of a line and not the line, so that the chain and the tree say one thing of an entry.
type tree struct {
	size int64
	edge []tlog.Hash          // the roots of the complete subtrees, the largest first
	keep map[int64]*tlog.Hash // hashes that a proof needs, by their stored index
}

func (t *tree) add(d Digest) {
	h := tlog.RecordHash(d[:])
	n := t.size
	t.note(0, n, h)
	for level := 0; n&1 == 1; level++ {
		n >>= 1
		last := len(t.edge) - 1
		h = tlog.NodeHash(t.edge[last], h)
		t.edge = t.edge[:last]
		t.note(level+1, n, h)
	}
	t.edge = append(t.edge, h)
	t.size++
}

func (t *tree) note(level int, n int64, h tlog.Hash) {
	if len(t.keep) == 0 {
		return
	}
	if want, ok := t.keep[tlog.StoredHashIndex(level, n)]; ok {
		*want = h
	}
}

// root is the hash over everything so far, in base64; "" of an empty tree.
func (t *tree) root() string {
	if t.size == 0 {
		return ""
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h.String()
}

// errShort is a ledger that ends before what is asked for.
var errShort = errors.New("the record is shorter")

// prove makes a proof in one walk: what it needs is asked of it first, with hashes that say nothing.
func prove[P ~[]tlog.Hash](digests iter.Seq2[Digest, error], size int64, proof func(tlog.HashReader) (P, error)) ([]string, error) {
	t := tree{keep: map[int64]*tlog.Hash{}}
	_, err := proof(tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		for _, i := range indexes {
			t.keep[i] = new(tlog.Hash)
		}
		return make([]tlog.Hash, len(indexes)), nil
	}))
	if err != nil {
		return nil, err
	}
	for d, err := range digests {
		if err != nil {
			return nil, err
		}
		if t.add(d); t.size == size {
			break
		}
	}
	if t.size < size {
		return nil, fmt.Errorf("%w: it has %d entries, and %d were noted", errShort, t.size, size)
	}
	hashes, err := proof(tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, at := range indexes {
			out[i] = *t.keep[at]
		}
		return out, nil
	}))
	if err != nil {
		return nil, err
	}
	out := make([]string, len(hashes))
	for i, h := range hashes {
		out[i] = h.String()
	}
	return out, nil
}
