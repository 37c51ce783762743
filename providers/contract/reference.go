package contract

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// side is one version, with the files of it that were read. It sees nothing but the files that it is given.
type side struct {
	read    Files
	files   map[string]*yaml.Node
	dialect string
	cost    int // of following references
}

// place is a node with the file that it stands in.
type place struct {
	side *side
	file string
	node *yaml.Node
}

func (p place) at(key string) place          { return place{p.side, p.file, get(p.node, key)} }
func (p place) here(n *yaml.Node) place      { return place{p.side, p.file, n} }
func (p place) is() bool                     { return p.node != nil }
func (p place) list(key string) []*yaml.Node { return items(get(p.node, key)) }

func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

const mostFiles = 200 // that one document refers to

// root reads a file of the version.
func (s *side) root(name string) (place, error) {
	if n, ok := s.files[name]; ok {
		return place{s, name, n}, nil
	}
	if len(s.files) >= mostFiles {
		return place{}, fmt.Errorf("it refers to more than %d files", mostFiles)
	}
	text, ok, err := s.read(name)
	if err != nil {
		return place{}, err
	}
	if !ok {
		return place{}, fmt.Errorf("%s, which it refers to, is not in the commit", name)
	}
	n, err := parseTree(text)
	if err != nil {
		return place{}, fmt.Errorf("%s: %w", name, err)
	}
	s.files[name] = n
	return place{s, name, n}, nil
}

// resolve follows references until there is none. What stands beside one is an error unless it only documents: not everybody reads it.
func (s *side) resolve(p place) (place, error) {
	for range 50 {
		ref := get(p.node, "$ref")
		if ref == nil {
			return p, nil
		}
		if i := slices.IndexFunc(keys(p.node), func(k string) bool { return !beside(k) }); i >= 0 {
			return p, fmt.Errorf("the reference to %s has %s beside it, which is not compared", value(ref), keys(p.node)[i])
		}
		next, err := s.follow(p, value(ref))
		if err != nil {
			return p, err
		}
		p = next
	}
	return p, errors.New("a reference leads round in a circle")
}

// beside are the keys that may stand beside a reference without altering what it says.
func beside(k string) bool {
	switch k {
	case "$ref", "$defs", "definitions", "$schema", "$id":
		return true
	}
	return documenting(k)
}

// follow goes one reference further: to another file of the same version, and in it to what the fragment points at.
func (s *side) follow(p place, ref string) (place, error) {
	u, err := url.Parse(ref)
	if err != nil || ref == "" {
		return p, unresolved(ref)
	}
	fragment := u.Fragment
	u.Fragment, u.RawFragment = "", ""
	name := p.file
	if whole := u.String(); whole != "" && whole != value(get(s.files[p.file], "$id")) {
		name = path.Join(path.Dir(p.file), u.Path)
		if u.IsAbs() || u.Host != "" || u.RawQuery != "" || strings.HasPrefix(u.Path, "/") || strings.HasPrefix(name, "../") {
			return p, fmt.Errorf("the reference to %s leaves the repository", ref)
		}
	}
	to, err := s.root(name)
	if err != nil || fragment == "" {
		return to, err
	}
	return to.pointed(fragment, ref)
}

func unresolved(ref string) error { return fmt.Errorf("the reference to %s is not resolved", ref) }

// pointed goes down by the names that a fragment gives.
func (p place) pointed(fragment, ref string) (place, error) {
	if !strings.HasPrefix(fragment, "/") {
		return p, unresolved(ref) // by an anchor
	}
	for part := range strings.SplitSeq(fragment[1:], "/") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		if p.side.cost += len(p.node.Content); p.side.cost > mostCost {
			return p, errors.New("it is too large to compare")
		}
		next := get(p.node, part)
		if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(items(p.node)) {
			next = items(p.node)[i]
		}
		if p = p.here(next); next == nil {
			return p, unresolved(ref)
		}
	}
	return p, nil
}

// documenting are the keys that alter nothing.
func documenting(key string) bool {
	switch key {
	case "title", "description", "summary", "example", "examples", "externalDocs", "deprecated", "$comment", "tags", "operationId":
		return true
	}
	return false
}
