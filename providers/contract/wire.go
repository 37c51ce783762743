package contract

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/backout-dev/backout/providers"
)

type comparison struct{ found []Difference }

func (c *comparison) breaking(path, format string, args ...any) {
	c.found = append(c.found, Difference{Path: path, Breaking: true, Text: providers.Clean(fmt.Sprintf(format, args...))})
}

func (c *comparison) careful(path, format string, args ...any) {
	c.found = append(c.found, Difference{Path: path, Text: providers.Clean(fmt.Sprintf(format, args...))})
}

func (c *comparison) message(name string, had, has described[*descriptorpb.DescriptorProto]) {
	if had.it == nil {
		if !has.it.GetOptions().GetMapEntry() { // its field tells
			c.breaking(has.path, "the message %s was not there", name)
		}
		return
	}
	before := map[int32]*descriptorpb.FieldDescriptorProto{}
	for _, f := range had.it.GetField() {
		before[f.GetNumber()] = f
	}
	for _, f := range has.it.GetField() {
		old := before[f.GetNumber()]
		delete(before, f.GetNumber())
		at := name + "." + f.GetName()
		switch {
		case old == nil && required(f):
			c.breaking(has.path, "%s is required and was not there: what the older one writes is refused", at)
		case old == nil:
			c.careful(has.path, "%s was not there: the older one does not look at it and does not fill it", at)
		default:
			c.field(has.path, at, old, f, oneof(had.it, old) != oneof(has.it, f))
		}
	}
	for _, f := range had.it.GetField() {
		if before[f.GetNumber()] == nil {
			continue
		}
		if required(f) {
			c.breaking(has.path, "%s.%s was required and is no longer there: the older one refuses what lacks it", name, f.GetName())
		} else {
			c.careful(has.path, "%s.%s is no longer filled", name, f.GetName())
		}
	}
}

func required(f *descriptorpb.FieldDescriptorProto) bool {
	return f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REQUIRED
}

// oneof is the name of the group that a field is in, "" none. A field that is only marked optional is in none.
func oneof(m *descriptorpb.DescriptorProto, f *descriptorpb.FieldDescriptorProto) string {
	if f.OneofIndex == nil || f.GetProto3Optional() || int(f.GetOneofIndex()) >= len(m.GetOneofDecl()) {
		return ""
	}
	return m.GetOneofDecl()[f.GetOneofIndex()].GetName()
}

func (c *comparison) field(path, at string, had, has *descriptorpb.FieldDescriptorProto, moved bool) {
	repeated := func(f *descriptorpb.FieldDescriptorProto) bool {
		return f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	}
	switch {
	case had.GetName() != has.GetName():
		c.breaking(path, "%s has the number (%d) that %s had", at, has.GetNumber(), had.GetName())
	case had.GetType() != has.GetType() && wire(had) == wire(has) && wire(has) != "":
		c.careful(path, "%s is another type (%s, it was %s) with the same form on the wire", at, typeName(has), typeName(had))
	case had.GetType() != has.GetType(), !sameName(had.GetTypeName(), has.GetTypeName()):
		c.breaking(path, "%s is another type (%s, it was %s)", at, typeName(has), typeName(had))
	case repeated(had) != repeated(has):
		c.breaking(path, "%s is repeated on one side only", at)
	case required(had) && !required(has):
		c.breaking(path, "%s was required: the older one refuses what lacks it", at)
	case required(has) && !required(had):
		c.breaking(path, "%s is required: what the older one leaves out is refused", at)
	case strings.TrimPrefix(had.GetTypeName(), ".") != strings.TrimPrefix(has.GetTypeName(), "."):
		c.careful(path, "%s has a type by another name (%s, it was %s), which may be another one", at, typeName(has), typeName(had))
	case moved:
		c.careful(path, "%s stands in another oneof", at)
	}
}

// wire is how a type stands on the wire; types of the same form can be read as each other, if the values fit.
func wire(f *descriptorpb.FieldDescriptorProto) string {
	switch f.GetType() {
	case descriptorpb.FieldDescriptorProto_TYPE_INT32, descriptorpb.FieldDescriptorProto_TYPE_INT64, descriptorpb.FieldDescriptorProto_TYPE_UINT32,
		descriptorpb.FieldDescriptorProto_TYPE_UINT64, descriptorpb.FieldDescriptorProto_TYPE_BOOL:
		return "varint"
	case descriptorpb.FieldDescriptorProto_TYPE_SINT32, descriptorpb.FieldDescriptorProto_TYPE_SINT64:
		return "zigzag"
	case descriptorpb.FieldDescriptorProto_TYPE_FIXED32, descriptorpb.FieldDescriptorProto_TYPE_SFIXED32:
		return "4 bytes"
	case descriptorpb.FieldDescriptorProto_TYPE_FIXED64, descriptorpb.FieldDescriptorProto_TYPE_SFIXED64:
		return "8 bytes"
	case descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES:
		return "text"
	default:
		return ""
	}
}

func typeName(f *descriptorpb.FieldDescriptorProto) string {
	if f.GetTypeName() != "" {
		return f.GetTypeName()
	}
	return strings.ToLower(strings.TrimPrefix(f.GetType().String(), "TYPE_"))
}

// sameName compares names of types as they were written: one may say more of where it stands than the other.
func sameName(a, b string) bool {
	a, b = "."+strings.TrimPrefix(a, "."), "."+strings.TrimPrefix(b, ".")
	return strings.HasSuffix(a, b) || strings.HasSuffix(b, a)
}

func (c *comparison) enum(name string, had, has described[*descriptorpb.EnumDescriptorProto]) {
	if had.it == nil {
		return // the field that uses it tells
	}
	before, now := numbers(had.it), numbers(has.it)
	for _, v := range has.it.GetValue() {
		old := before[v.GetNumber()]
		switch {
		case len(old) == 0:
			c.careful(has.path, "%s.%s was not there: the older one has to bear a value that it does not know", name, v.GetName())
		case slices.Contains(old, v.GetName()):
		case slices.Contains(now[v.GetNumber()], old[0]):
			c.careful(has.path, "%s.%s is another name of %s, which the older one does not know", name, v.GetName(), old[0])
		default:
			c.breaking(has.path, "%s.%s has the number (%d) that %s had", name, v.GetName(), v.GetNumber(), old[0])
		}
	}
}

// numbers are the names of an enum by their number; one may have several.
func numbers(e *descriptorpb.EnumDescriptorProto) map[int32][]string {
	out := map[int32][]string{}
	for _, v := range e.GetValue() {
		out[v.GetNumber()] = append(out[v.GetNumber()], v.GetName())
	}
	return out
}

func (c *comparison) service(name string, had, has described[*descriptorpb.ServiceDescriptorProto]) {
	if had.it == nil {
		c.breaking(has.path, "the service %s was not there", name)
		return
	}
	before := map[string]*descriptorpb.MethodDescriptorProto{}
	for _, m := range had.it.GetMethod() {
		before[m.GetName()] = m
	}
	for _, m := range has.it.GetMethod() {
		old := before[m.GetName()]
		switch {
		case old == nil:
			c.breaking(has.path, "the call %s.%s was not there", name, m.GetName())
		case !sameName(old.GetInputType(), m.GetInputType()), !sameName(old.GetOutputType(), m.GetOutputType()),
			old.GetClientStreaming() != m.GetClientStreaming(), old.GetServerStreaming() != m.GetServerStreaming():
			c.breaking(has.path, "the call %s.%s takes or gives something else", name, m.GetName())
		case strings.TrimPrefix(old.GetInputType(), ".") != strings.TrimPrefix(m.GetInputType(), "."),
			strings.TrimPrefix(old.GetOutputType(), ".") != strings.TrimPrefix(m.GetOutputType(), "."):
			c.careful(has.path, "the call %s.%s has types by other names, which may be other ones", name, m.GetName())
		}
	}
}
