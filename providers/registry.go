package providers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sort"
	"time"
)

// FieldType is the type of a setting.
type FieldType string

// The types of settings. A secret is given as {env: NAME}, {file: PATH} or {command: [ARG...]} and arrives resolved.
const (
	FieldString   FieldType = "string"
	FieldInt      FieldType = "int"
	FieldFloat    FieldType = "float"
	FieldBool     FieldType = "bool"
	FieldDuration FieldType = "duration"
	FieldStrings  FieldType = "strings"
	FieldMap      FieldType = "map"
	FieldObjects  FieldType = "objects" // a list of mappings; Fields describes one
	FieldObject   FieldType = "object"
	FieldSecret   FieldType = "secret"
)

// Field describes one setting of a provider, for checking a configuration, for its JSON schema and for the docs.
type Field struct {
	Name     string
	Type     FieldType
	Required bool
	Default  any
	Enum     []string
	Help     string
	Fields   []Field
}

// Environment is what the command that starts a provider gives to it. Now, Log and Archive are never nil.
type Environment struct {
	Name        string // the provider's name in the configuration
	Environment string // prod, staging, ...; what its changes and alerts get where it knows no better
	Dir         string // the directory that relative paths are relative to
	Now         func() time.Time
	Log         *slog.Logger
	Archive     Archive
}

// Factory makes providers of one type.
type Factory struct {
	Type   string
	Help   string
	Fields []Field
	// New makes a provider. It does no I/O beyond what is local and instant; settings were checked against Fields.
	// decode fills a struct (yaml tags) from the settings and rejects what the struct does not know.
	New func(env Environment, decode func(into any) error) (Provider, error)
}

// Registry holds the factories by type. The zero value is empty and ready.
type Registry struct{ byType map[string]Factory }

// Register adds a factory. A second one of the same type, or one without a type or New, is an error.
func (r *Registry) Register(f Factory) error {
	if f.Type == "" || f.New == nil {
		return errors.New("register provider: no type or no constructor")
	}
	if _, ok := r.byType[f.Type]; ok {
		return fmt.Errorf("register provider: type %q is there already", f.Type)
	}
	if r.byType == nil {
		r.byType = map[string]Factory{}
	}
	r.byType[f.Type] = f
	return nil
}

// Lookup finds a factory by type.
func (r *Registry) Lookup(typ string) (Factory, bool) {
	f, ok := r.byType[typ]
	return f, ok
}

// Types lists the registered types, sorted.
func (r *Registry) Types() []string {
	types := make([]string, 0, len(r.byType))
	for t := range r.byType {
		types = append(types, t)
	}
	sort.Strings(types)
	return types
}

// NoArchive is an Archive that keeps nothing.
type NoArchive struct{}

// Put implements Archive; it forgets.
func (NoArchive) Put(context.Context, string, string, []byte) error { return nil }

// Get implements Archive; nothing is ever there.
func (NoArchive) Get(context.Context, string, string) ([]byte, error) { return nil, ErrNotFound }

// Keys implements Archive; there are none.
func (NoArchive) Keys(context.Context, string, string) ([]string, error) { return nil, nil }
