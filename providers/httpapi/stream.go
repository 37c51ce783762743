package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/backout-dev/backout/providers"
)

// JSON decodes one JSON value, unknown fields ignored. What is no JSON is an error that says what came instead.
func JSON(r io.Reader, into any) error {
	body, err := sniff(r)
	if err != nil {
		return err
	}
	return Garbled(json.NewDecoder(body).Decode(into))
}

// Array decodes a JSON array element by element, so that memory does not grow with it. each returns [ErrStop] to end early.
func Array[T any](r io.Reader, each func(T) error) error {
	dec, err := NewDecoder(r)
	if err != nil {
		return err
	}
	if err := dec.Delim('['); err != nil {
		return err
	}
	return Elements(dec, each)
}

// Decoder reads one JSON value piece by piece. One piece may take 4 MiB.
type Decoder struct {
	*json.Decoder
	pace *paced
}

// NewDecoder makes a decoder. What begins like a web page is an error that says so.
func NewDecoder(r io.Reader) (*Decoder, error) {
	body, err := sniff(r)
	if err != nil {
		return nil, err
	}
	pace := &paced{r: body, left: maxElement}
	return &Decoder{Decoder: json.NewDecoder(pace), pace: pace}, nil
}

// Elements decodes the elements of an array whose opening bracket was read, and the closing one.
func Elements[T any](dec *Decoder, each func(T) error) error {
	for dec.More() {
		var v T
		dec.pace.left = maxElement
		if err := dec.Decode(&v); err != nil {
			return Garbled(err)
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return dec.Delim(']')
}

// Delim reads one delimiter.
func (d *Decoder) Delim(want json.Delim) error {
	tok, err := d.Token()
	if err != nil {
		return Garbled(err)
	}
	if tok != want {
		return providers.Retryable(fmt.Errorf("answered something else than the API promises: %.40q where %q was due", fmt.Sprint(tok), want))
	}
	return nil
}

// maxElement is the most bytes that one element of an array may take: a decoder keeps the whole of it in memory.
const maxElement = 4 << 20

type paced struct {
	r    io.Reader
	left int
}

func (p *paced) Read(b []byte) (int, error) {
	if p.left <= 0 {
		return 0, providers.Permanent(fmt.Errorf("one element of the answer is larger than %d MiB", maxElement>>20))
	}
	n, err := p.r.Read(b[:min(len(b), p.left)])
	p.left -= n
	return n, err
}

// Garbled explains a decoder's error; errors of the connection and those with a class pass through.
func Garbled(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return providers.Retryable(errors.New("the answer ends in the middle"))
	case errors.As(err, &syntax), errors.As(err, &typ):
		return providers.Retryable(fmt.Errorf("answered something that is not the API's JSON: %w", err))
	}
	return err
}

// sniff looks at the first byte that is not white space: web pages also come with the wrong content type.
func sniff(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 32<<10)
	for {
		c, err := b.ReadByte()
		if err != nil {
			return nil, Garbled(err)
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case '<':
			return nil, errHTML
		}
		return b, b.UnreadByte()
	}
}
