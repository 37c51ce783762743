package incident

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
)

// MaxDocument is the size in bytes that one document may have for Read.
const MaxDocument = 256 << 20

// Read reads documents: one that spans lines (.json), or one a line (.jsonl). An error names the line at which its
// document begins. After an error the sequence goes on with the next document where there is one; the caller decides.
func Read(r io.Reader) iter.Seq2[Document, error] { return ReadMax(r, MaxDocument) }

// ReadMax is Read with another limit on the size of one document. It holds one document in memory at a time.
func ReadMax(r io.Reader, limit int) iter.Seq2[Document, error] {
	return func(yield func(Document, error) bool) {
		s := splitter{r: bufio.NewReaderSize(r, 1<<16), limit: limit}
		for {
			raw, line, err := s.next()
			if errors.Is(err, io.EOF) {
				return
			}
			var d Document
			if err == nil {
				d, err = Decode(raw)
			}
			if err != nil {
				err = fmt.Errorf("line %d: %w", line, err)
			}
			if !yield(d, err) || s.ended {
				return
			}
		}
	}
}

// splitter finds the JSON values of a stream without decoding them, and counts lines.
type splitter struct {
	r     *bufio.Reader
	limit int
	line  int
	ended bool

	buf             []byte
	depth           int
	quoted, escaped bool
}

// next gives the next value and the line at which it begins; io.EOF after the last.
func (s *splitter) next() (raw []byte, begins int, err error) {
	s.buf, s.depth, s.quoted, s.escaped = s.buf[:0], 0, false, false
	for {
		part, err := s.r.ReadSlice('\n')
		if len(s.buf) == 0 && len(bytes.TrimSpace(part)) > 0 {
			begins = s.line + 1
		}
		if begins > 0 {
			s.buf = append(s.buf, part...)
			s.scan(part)
		}
		switch {
		case len(s.buf) > s.limit:
			s.ended = true
			return nil, begins, fmt.Errorf("the document is larger than %d bytes", s.limit)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return s.last(begins, err)
		}
		s.line++
		if s.quoted { // a string never goes over a line's end: what comes next may be whole
			return nil, begins, errors.New("the document is not complete: a string is not closed")
		}
		if begins > 0 && s.depth <= 0 {
			return s.value(), begins, nil
		}
	}
}

// last is what there is at the end of the stream.
func (s *splitter) last(begins int, err error) ([]byte, int, error) {
	switch {
	case !errors.Is(err, io.EOF):
		s.ended = true
		return nil, max(begins, s.line+1), fmt.Errorf("read incident file: %w", err)
	case begins == 0:
		return nil, 0, io.EOF
	case s.depth > 0 || s.quoted:
		return nil, begins, errors.New("the document is not complete")
	}
	return s.value(), begins, nil
}

// value is the value without the byte order mark that some editors put before it.
func (s *splitter) value() []byte { return bytes.TrimPrefix(s.buf, []byte("\xef\xbb\xbf")) }

func (s *splitter) scan(b []byte) {
	for _, c := range b {
		switch {
		case s.escaped:
			s.escaped = false
		case s.quoted && c == '\\':
			s.escaped = true
		case c == '"':
			s.quoted = !s.quoted
		case s.quoted:
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			s.depth--
		}
	}
}
