package git

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"
)

// How much of one field is kept. Of a longer one the middle is dropped: the end holds the trailers.
const (
	keepHead = 256 << 10
	keepTail = 256 << 10
	keepNote = 4 << 20 // each way
)

// records reads fields that end with NUL. A commit's text cannot hold NUL, and a mark that no text can know begins each
// record.
type records struct {
	in   *bufio.Reader
	mark string
}

// newMark is different in every run, so that a path or a message cannot pretend to be the beginning of a commit.
func newMark() string { return "commit-" + rand.Text() }

// next reads one field; io.EOF at the end. Text after the last NUL is not a field.
func (r *records) next(head, tail int) (string, error) {
	var kept []byte
	dropped := false
	for {
		part, err := r.in.ReadSlice(0)
		full := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !full {
			return "", err
		}
		if !full {
			part = part[:len(part)-1]
		}
		kept = append(kept, part...)
		if len(kept) > head+2*tail+len(part) {
			kept = append(kept[:head], kept[len(kept)-tail:]...)
			dropped = true
		}
		if full {
			continue
		}
		if len(kept) > head+tail || dropped {
			cutAt := max(head, len(kept)-tail)
			kept = append(append(kept[:head:head], '\n'), kept[cutAt:]...)
		}
		return string(kept), nil
	}
}

// find reads on to the next mark and gives the fields before it to other.
func (r *records) find(other func(string) error) (found bool, err error) {
	for {
		field, err := r.next(64<<10, 0)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if field == r.mark {
			return true, nil
		}
		if err := other(field); err != nil {
			return false, err
		}
	}
}
