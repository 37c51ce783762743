package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/gowebpki/jcs"
)

// maxExact is the largest integer that the numbers of RFC 8785 (IEEE 754 doubles) hold exactly.
const maxExact = 1 << 53

// Head is the end of a ledger: the number of the last entry and the hash of its line. The zero value is an empty ledger.
// Root is that of the Merkle tree over the lines, in base64; empty where nobody reckoned it.
type Head struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash"`
	Root string `json:"root,omitempty"`
}

// Canonical turns a JSON document into its canonical form (RFC 8785). It refuses integers that the form cannot hold
// exactly, because it would change them silently: write such a number as a string.
func Canonical(doc []byte) ([]byte, error) {
	if err := exactNumbers(doc); err != nil {
		return nil, err
	}
	out, err := jcs.Transform(doc)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	return out, nil
}

// Line is the entry's line: canonical JSON without a line feed, with its time in UTC.
func Line(e Entry) ([]byte, error) {
	e.At = e.At.UTC()
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("ledger entry %d: %w", e.Seq, err)
	}
	line, err := Canonical(raw)
	if err != nil {
		return nil, fmt.Errorf("ledger entry %d: %w", e.Seq, err)
	}
	return line, nil
}

// Hash is the hex SHA-256 of a line or of a raw payload.
func Hash(b []byte) string {
	return Digest(sha256.Sum256(b)).String()
}

// Next gives the entry its place after head, scrubs what people typed of secrets, and returns it with its line and the
// new head. A zero At becomes now.
func Next(head Head, e Entry, now time.Time) (Entry, []byte, Head, error) {
	e.Seq, e.Prev, e.Redacted = head.Seq+1, head.Hash, nil
	if e.At.IsZero() {
		e.At = now
	}
	e.At = e.At.UTC().Round(0)
	e.Text = Scrub(e.Text)
	if len(e.Body) > 0 {
		body, err := ScrubJSON(e.Body)
		if err != nil {
			return Entry{}, nil, head, fmt.Errorf("ledger entry %d: body: %w", e.Seq, err)
		}
		if e.Body, err = Canonical(body); err != nil {
			return Entry{}, nil, head, fmt.Errorf("ledger entry %d: body: %w", e.Seq, err)
		}
	}
	line, err := Line(e)
	if err != nil {
		return Entry{}, nil, head, err
	}
	return e, line, Head{Seq: e.Seq, Hash: Hash(line)}, nil
}

func exactNumbers(doc []byte) error {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("canonical JSON: %w", err)
		}
		n, ok := tok.(json.Number)
		if !ok {
			continue
		}
		i, err := strconv.ParseInt(n.String(), 10, 64)
		if (err == nil && (i > maxExact || i < -maxExact)) || errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("canonical JSON: the number %s cannot be held exactly: write it as a string", n)
		}
	}
}
