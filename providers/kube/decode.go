package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A large cluster has some hundred megabytes of objects, of which little is kept. Reading them goes by this decoder, which gives
// what apimachinery's would (int64 where a number is whole, float64 otherwise), knows the words that come again and again, and
// passes over what nobody asked for.

const (
	maxDepth = 1000 // of values in values
	maxKnown = 8192 // words of one list that are kept once
	maxWord  = 64   // bytes of what is worth looking up
)

var errNotJSON = errors.New("the answer is no JSON that can be read")

// decoder reads values from JSON. It keeps nothing of data.
type decoder struct {
	data  []byte
	at    int
	known map[string]string // shared by the pages of a list
	slim  bool              // leave managedFields out
}

// page is the answer to a list, with its items still as they came.
type page struct {
	kind, apiVersion, version, more string
	items                           []byte
}

// pageOf takes the answer to a list apart.
func pageOf(data []byte, known map[string]string) (p page, err error) {
	d := decoder{data: data, known: known}
	err = d.object(func(key string) error {
		switch key {
		case "items":
			d.blank()
			from := d.at
			if err := d.skip(0); err != nil {
				return err
			}
			p.items = data[from:d.at]
			return nil
		case "kind", "apiVersion", "metadata":
			v, err := d.value(0)
			switch key {
			case "metadata":
				m, _ := v.(map[string]any)
				p.version, _ = m["resourceVersion"].(string)
				p.more, _ = m["continue"].(string)
			case "kind":
				p.kind, _ = v.(string)
			default:
				p.apiVersion, _ = v.(string)
			}
			return err
		}
		return d.skip(0)
	})
	if err == nil && d.next() != 0 {
		err = fmt.Errorf("%w: it goes on after its end", errNotJSON)
	}
	if err == nil && p.kind == "" {
		err = fmt.Errorf("%w: it is of no kind", errNotJSON)
	}
	return p, err
}

// each gives the objects of a page one after the other, until the reader has enough.
func (p *page) each(known map[string]string, slim bool, take func(*Object) bool) (enough bool, err error) {
	if len(p.items) == 0 || bytes.Equal(p.items, []byte("null")) {
		return false, nil
	}
	d := decoder{data: p.items, known: known, slim: slim}
	kind := strings.TrimSuffix(p.kind, "List")
	err = d.array(func() error {
		v, err := d.value(0)
		if err != nil {
			return err
		}
		m, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%w: an item is no object", errNotJSON)
		}
		if m["kind"] == nil {
			m["kind"], m["apiVersion"] = kind, p.apiVersion // items do not say what the list says for them
		}
		if !take(&Object{Object: m}) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return true, nil
	}
	return false, err
}

var errEnough = errors.New("the reader has enough")

func (d *decoder) blank() {
	for d.at < len(d.data) {
		switch d.data[d.at] {
		case ' ', '\n', '\t', '\r':
			d.at++
		default:
			return
		}
	}
}

// next is the first byte of what comes, 0 at the end.
func (d *decoder) next() byte {
	d.blank()
	if d.at == len(d.data) {
		return 0
	}
	return d.data[d.at]
}

func (d *decoder) expect(c byte) error {
	if d.next() != c {
		return fmt.Errorf("%w: byte %d is not %q", errNotJSON, d.at, c)
	}
	d.at++
	return nil
}

// object reads the members of an object; each reads the value.
func (d *decoder) object(each func(key string) error) error {
	if err := d.expect('{'); err != nil {
		return err
	}
	if d.next() == '}' {
		d.at++
		return nil
	}
	for {
		key, err := d.text()
		if err == nil {
			err = d.expect(':')
		}
		if err == nil {
			err = each(key)
		}
		if err != nil {
			return err
		}
		if d.next() != ',' {
			return d.expect('}')
		}
		d.at++
	}
}

func (d *decoder) array(each func() error) error {
	if err := d.expect('['); err != nil {
		return err
	}
	if d.next() == ']' {
		d.at++
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if d.next() != ',' {
			return d.expect(']')
		}
		d.at++
	}
}

func (d *decoder) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: it is too deep", errNotJSON)
	}
	switch d.next() {
	case '{':
		m := map[string]any{}
		slim := d.slim && depth == 0
		err := d.object(func(key string) error {
			if slim && key == "metadata" {
				v, err := d.slimMetadata()
				m[key] = v
				return err
			}
			v, err := d.value(depth + 1)
			m[key] = v
			return err
		})
		return m, err
	case '[':
		l := []any{}
		err := d.array(func() error {
			v, err := d.value(depth + 1)
			l = append(l, v)
			return err
		})
		return l, err
	case '"':
		return d.text()
	}
	return d.scalar()
}

// slimMetadata reads metadata without managedFields, which are half of an object.
func (d *decoder) slimMetadata() (map[string]any, error) {
	m := map[string]any{}
	err := d.object(func(key string) error {
		if key == "managedFields" {
			return d.skip(0)
		}
		v, err := d.value(1)
		m[key] = v
		return err
	})
	return m, err
}

// scalar reads what is neither text nor made of other values.
func (d *decoder) scalar() (any, error) {
	from := d.at
	for d.at < len(d.data) && !ends(d.data[d.at]) {
		d.at++
	}
	switch word := string(d.data[from:d.at]); word {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null":
		return nil, nil
	default:
		return number(word, from)
	}
}

// ends reports whether a byte stands after a value and is none of it.
func ends(c byte) bool {
	return c <= ' ' || c == ',' || c == ']' || c == '}' || c == ':'
}

func number(word string, at int) (any, error) {
	if !json.Valid([]byte(word)) {
		return nil, fmt.Errorf("%w: byte %d begins no value", errNotJSON, at)
	}
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNotJSON, err)
	}
	return f, nil
}

// quoted is the text that comes, between its quotes, and whether something in it is escaped.
func (d *decoder) quoted() (raw []byte, escaped bool, err error) {
	if err := d.expect('"'); err != nil {
		return nil, false, err
	}
	from := d.at
	for {
		i := bytes.IndexByte(d.data[d.at:], '"')
		if i < 0 {
			return nil, false, fmt.Errorf("%w: a text does not end", errNotJSON)
		}
		part := d.data[d.at : d.at+i]
		d.at += i + 1
		n := 0
		for n < len(part) && part[len(part)-1-n] == '\\' {
			n++
		}
		escaped = escaped || bytes.IndexByte(part, '\\') >= 0
		if n%2 == 0 {
			return d.data[from : d.at-1], escaped, nil
		}
	}
}

func (d *decoder) text() (string, error) {
	raw, escaped, err := d.quoted()
	switch {
	case err != nil:
		return "", err
	case escaped || !plainText(raw):
		var s string
		if err := json.Unmarshal(append(append([]byte{'"'}, raw...), '"'), &s); err != nil {
			return "", fmt.Errorf("%w: %w", errNotJSON, err)
		}
		return s, nil
	case len(raw) > maxWord:
		return string(raw), nil
	}
	if s, ok := d.known[string(raw)]; ok {
		return s, nil
	}
	s := string(raw)
	if len(d.known) < maxKnown {
		d.known[s] = s
	}
	return s, nil
}

// plainText reports whether text stands for itself.
func plainText(raw []byte) bool {
	for _, c := range raw {
		if c < ' ' {
			return false
		}
		if c >= utf8.RuneSelf {
			return utf8.Valid(raw)
		}
	}
	return true
}

// skip passes over one value.
func (d *decoder) skip(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: it is too deep", errNotJSON)
	}
	switch d.next() {
	case '{':
		return d.members(depth)
	case '[':
		return d.array(func() error { return d.skip(depth + 1) })
	case '"':
		_, _, err := d.quoted()
		return err
	}
	_, err := d.scalar()
	return err
}

func (d *decoder) members(depth int) error {
	d.at++
	if d.next() == '}' {
		d.at++
		return nil
	}
	for {
		if _, _, err := d.quoted(); err != nil {
			return err
		}
		if err := d.expect(':'); err != nil {
			return err
		}
		if err := d.skip(depth + 1); err != nil {
			return err
		}
		if d.next() != ',' {
			return d.expect('}')
		}
		d.at++
	}
}
