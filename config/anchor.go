package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Anchor is a place where checkpoints of the record are kept, out of reach of whoever can write the record. One of File, GitNote,
// GitTag and Command is set; paths are absolute.
type Anchor struct {
	File    string   `yaml:"file"`
	GitNote string   `yaml:"git_note"`
	GitTag  string   `yaml:"git_tag"`
	Push    string   `yaml:"push"` // the remote that the note or tag is pushed to, "" none
	Command []string `yaml:"command"`
	Read    []string `yaml:"read"` // a program that prints what the command kept
	When    string   `yaml:"when"` // run, asked
}

// String names the anchor as the command line does.
func (a *Anchor) String() string {
	switch {
	case a.File != "":
		return "file:" + a.File
	case a.GitNote != "":
		return "git-note:" + a.GitNote
	case a.GitTag != "":
		return "git-tag:" + a.GitTag
	default:
		return "command " + strings.Join(a.Command, " ")
	}
}

var anchorKinds = []string{"file", "git_note", "git_tag", "command"}

func anchorFields() []Field {
	return []Field{
		{Name: "file", Type: String, Help: "a file that checkpoints are added to"},
		{Name: "git_note", Type: String, Help: "a repository: they are added to a note of its HEAD, in refs/notes/backout-ledger"},
		{Name: "git_tag", Type: String, Help: "a repository: each becomes an annotated tag, backout-ledger/..."},
		{Name: "push", Type: String, Help: "the remote that the note or tag is pushed to (default: none)"},
		{Name: "command", Type: Strings, Help: "a program that is given the checkpoint on its standard input; no shell"},
		{Name: "read", Type: Strings, Help: "a program that prints what the command kept, for 'backout ledger verify --anchors'"},
		{Name: "when", Type: String, Default: "run", Enum: []string{"run", "asked"}, Help: "after each run, or only by 'backout ledger checkpoint --anchor configured'"},
	}
}

// anchors checks that each is one thing.
func (c *checker) anchors(list *yaml.Node, key string) {
	if list == nil || list.Kind != yaml.SequenceNode {
		return // told already
	}
	for i, entry := range list.Content {
		if entry.Kind == yaml.MappingNode {
			c.anchor(entry, fmt.Sprintf("%s[%d]", key, i))
		}
	}
}

func (c *checker) anchor(entry *yaml.Node, at string) {
	var kinds []string
	for _, name := range anchorKinds {
		if _, v := child(entry, name); v != nil {
			kinds = append(kinds, name)
		}
	}
	_, push := child(entry, "push")
	_, read := child(entry, "read")
	switch {
	case len(kinds) != 1:
		c.report(entry, at, "is one of %s, and this has %d of them", strings.Join(anchorKinds, ", "), len(kinds))
	case push != nil && !strings.HasPrefix(kinds[0], "git_"):
		c.report(push, join(at, "push"), "is for git_note and git_tag")
	case read != nil && kinds[0] != "command":
		c.report(read, join(at, "read"), "is for command: what a %s holds is read without it", kinds[0])
	}
	for _, name := range []string{"command", "read"} {
		if _, v := child(entry, name); v != nil && v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
			c.report(v, join(at, name), "names no program")
		}
	}
}

// anchorsOf are those of the strongest layer that has any.
func anchorsOf(layers []layer) (out []Anchor, err error) {
	for _, l := range layers {
		_, section := child(l.node, "ledger")
		k, list := child(section, "anchors")
		if list == nil {
			continue
		}
		if err := list.Decode(&out); err != nil {
			return nil, &Error{Problems: []Problem{{File: l.file, Line: k.Line, Column: k.Column, Key: "ledger.anchors", Message: err.Error()}}}
		}
		for i := range out {
			for _, p := range []*string{&out[i].File, &out[i].GitNote, &out[i].GitTag} {
				*p = absolute(*p, filepath.Dir(l.file))
			}
			if !slices.Contains([]string{"run", "asked"}, out[i].When) {
				out[i].When = "run"
			}
		}
		return out, nil
	}
	return nil, nil
}

// ParseAnchor reads an anchor as the command line names it: file:PATH, git-note:REPO or git-tag:REPO. Relative paths start at dir.
func ParseAnchor(text, dir string) (Anchor, error) {
	kind, path, ok := strings.Cut(text, ":")
	if !ok || path == "" {
		return Anchor{}, fmt.Errorf("%q is not file:PATH, git-note:REPO or git-tag:REPO", text)
	}
	path = absolute(path, dir)
	switch kind {
	case "file":
		return Anchor{File: path}, nil
	case "git-note":
		return Anchor{GitNote: path}, nil
	case "git-tag":
		return Anchor{GitTag: path}, nil
	default:
		return Anchor{}, fmt.Errorf("%q is not file:PATH, git-note:REPO or git-tag:REPO", text)
	}
}
