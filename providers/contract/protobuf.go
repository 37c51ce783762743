// Package contract compares what two versions of a program write and read, by the files that describe it. It looks backwards: what may be
// in use with the newer one that the older one lacks or reads in another way. It reads no disk and asks nobody.
package contract

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/backout-dev/backout/providers"
)

// Difference is one thing that the newer version has and the older one has not, or not so. Breaking: one of the two does not
// understand the other. Unclear: whether they do cannot be told. Else something is not looked at, or not there, that the other counts on.
type Difference struct {
	Path     string // of the file that describes it, in the newer version where it is there
	Breaking bool
	Unclear  bool
	Text     string
}

// Protobuf compares .proto files by the rules of the wire format and of what clients call, from each path's text. A file that both
// have alike may be left out: types are compared by name. An error says which file cannot be read.
func Protobuf(older, newer map[string]string) ([]Difference, error) {
	had, err := index(older)
	if err != nil {
		return nil, fmt.Errorf("before: %w", err)
	}
	has, err := index(newer)
	if err != nil {
		return nil, fmt.Errorf("after: %w", err)
	}
	c := &comparison{}
	for _, name := range slices.Sorted(maps.Keys(has.messages)) {
		c.message(name, had.messages[name], has.messages[name])
	}
	for _, name := range slices.Sorted(maps.Keys(had.messages)) {
		if _, there := has.messages[name]; !there {
			c.careful(had.messages[name].path, "what is served no longer has the message %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(has.enums)) {
		c.enum(name, had.enums[name], has.enums[name])
	}
	for _, name := range slices.Sorted(maps.Keys(has.services)) {
		c.service(name, had.services[name], has.services[name])
	}
	return c.found, nil
}

// described is a message, an enum or a service with where it stands.
type described[T any] struct {
	path string
	it   T
}

type described3 struct {
	messages map[string]described[*descriptorpb.DescriptorProto]
	enums    map[string]described[*descriptorpb.EnumDescriptorProto]
	services map[string]described[*descriptorpb.ServiceDescriptorProto]
}

// index reads files one by one. Nothing is linked, so what they import need not be here.
func index(files map[string]string) (described3, error) {
	out := described3{
		map[string]described[*descriptorpb.DescriptorProto]{},
		map[string]described[*descriptorpb.EnumDescriptorProto]{},
		map[string]described[*descriptorpb.ServiceDescriptorProto]{},
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		f, err := parse(path, files[path])
		if err != nil {
			return out, err
		}
		prefix := f.GetPackage()
		for _, m := range f.GetMessageType() {
			out.message(path, prefix, m)
		}
		for _, e := range f.GetEnumType() {
			out.enums[joined(prefix, e.GetName())] = described[*descriptorpb.EnumDescriptorProto]{path, e}
		}
		for _, s := range f.GetService() {
			out.services[joined(prefix, s.GetName())] = described[*descriptorpb.ServiceDescriptorProto]{path, s}
		}
		for _, x := range f.GetExtension() { // as if it stood in what it extends
			name := "extension of " + strings.TrimPrefix(x.GetExtendee(), ".")
			d := out.messages[name]
			if d.it == nil {
				d = described[*descriptorpb.DescriptorProto]{path, &descriptorpb.DescriptorProto{}}
			}
			d.it.Field = append(d.it.Field, x)
			out.messages[name] = d
		}
	}
	return out, nil
}

func (d *described3) message(path, prefix string, m *descriptorpb.DescriptorProto) {
	name := joined(prefix, m.GetName())
	d.messages[name] = described[*descriptorpb.DescriptorProto]{path, m}
	for _, n := range m.GetNestedType() {
		d.message(path, name, n)
	}
	for _, e := range m.GetEnumType() {
		d.enums[joined(name, e.GetName())] = described[*descriptorpb.EnumDescriptorProto]{path, e}
	}
}

func joined(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// parse reads one file. The parser's own failure on odd text is an error like any other.
func parse(path, text string) (f *descriptorpb.FileDescriptorProto, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = nil, fmt.Errorf("%s cannot be parsed: %v", providers.Clean(path), p)
		}
	}()
	var first error
	h := reporter.NewHandler(reporter.NewReporter(func(e reporter.ErrorWithPos) error {
		first = e
		return e
	}, nil))
	ast, err := parser.Parse(path, strings.NewReader(text), h)
	if err == nil {
		var r parser.Result
		if r, err = parser.ResultFromAST(ast, true, h); err == nil && r != nil {
			return r.FileDescriptorProto(), nil
		}
	}
	if first != nil {
		err = first
	}
	if err == nil {
		err = errors.New("there is nothing in it")
	}
	return nil, errors.New(providers.Clean(err.Error()))
}
