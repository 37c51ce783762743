package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// MaxSize is far above any sensible policy; a larger file is somebody's mistake.
const MaxSize = 1 << 20

// maxDepth is how deep a policy's sections may lie in each other.
const maxDepth = 24

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// Parse reads a policy that stands alone. What is wrong with it comes as an [Error] with every place.
func Parse(name string, data []byte) (*Policy, error) { return parse(name, data, nil) }

// ParseOver reads a team's policy that lies over an organisation's: it may name the other's groups and roles, and may not
// fill them.
func ParseOver(name string, data []byte, organisation *Policy) (*Policy, error) {
	return parse(name, data, organisation)
}

func parse(name string, data []byte, under *Policy) (*Policy, error) {
	r := &reader{file: name, env: newConditions(), groups: map[string]bool{}, roles: map[string]bool{}}
	root := r.document(data)
	sum := sha256.Sum256(data)
	p := &Policy{Name: name, Digest: "sha256:" + hex.EncodeToString(sum[:])}
	if root != nil {
		r.policy(p, root, under)
	}
	if len(r.problems) > 0 {
		return nil, &Error{Problems: r.problems}
	}
	return p, nil
}

// document is the one document of a file, nil with a problem where it cannot be read.
func (r *reader) document(data []byte) *yaml.Node {
	if len(data) > MaxSize {
		r.report(nil, "", "is larger than %d KiB: not a policy", MaxSize>>10)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		r.report(nil, "", "is empty: begin with version: 1")
		return nil
	} else if err != nil {
		r.syntax(err)
		return nil
	}
	switch err := dec.Decode(&more); {
	case err == nil:
		r.report(&more, "", "begins a second document: only one is read")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err)
		return nil
	}
	if len(doc.Content) != 1 || !r.plain(doc.Content[0], 0) {
		return nil
	}
	return doc.Content[0]
}

func (r *reader) syntax(err error) {
	n, why := &yaml.Node{Line: 1, Column: 1}, err.Error()
	if m := yamlLine.FindStringSubmatch(why); m != nil {
		n.Line, _ = strconv.Atoi(m[1])
		why = m[2]
	}
	r.report(n, "", "is not valid YAML: %s (half written?)", why)
}

// plain reports what makes a file say something else than what is read in it: aliases, and sections without end.
func (r *reader) plain(n *yaml.Node, depth int) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.report(n, "", "is an alias or its anchor: write out what it stands for, a policy is read by people")
		return false
	}
	if depth > maxDepth {
		r.report(n, "", "lies more than %d levels deep", maxDepth)
		return false
	}
	for _, c := range n.Content {
		if !r.plain(c, depth+1) {
			return false
		}
	}
	return true
}

// Pinned reports whether the bytes of a file are those that somebody named by their digest.
func Pinned(data []byte, digest string) error {
	sum := sha256.Sum256(data)
	if is := "sha256:" + hex.EncodeToString(sum[:]); is != digest {
		return fmt.Errorf("is %s and not the %s that is pinned: look at what was altered, then pin the new digest", is, digest)
	}
	return nil
}
