package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile is far above any sensible configuration; a larger file is somebody's mistake.
const maxFile = 4 << 20

// source is one file that was read, with its own nodes.
type source struct {
	path string
	root *yaml.Node // a mapping; empty where the file is empty
}

// readFile reads one configuration file. A syntax error names the line.
func readFile(path string) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return source{}, &Error{Problems: []Problem{{File: path, Message: "cannot be read: " + reason(err)}}}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return source{}, &Error{Problems: []Problem{{File: path, Message: "cannot be read: " + reason(err)}}}
	}
	if len(data) > maxFile {
		return source{}, &Error{Problems: []Problem{{File: path, Message: fmt.Sprintf("is larger than %d MiB: not a configuration", maxFile>>20)}}}
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return source{}, &Error{Problems: []Problem{syntax(path, err, data)}}
	}
	var more yaml.Node
	switch err := dec.Decode(&more); {
	case err == nil:
		return source{}, &Error{Problems: []Problem{{File: path, Line: more.Line, Column: 1, Message: "begins a second document: only one is read, put both under one set of names"}}}
	case !errors.Is(err, io.EOF):
		return source{}, &Error{Problems: []Problem{syntax(path, err, data)}}
	}
	root := &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
	if len(doc.Content) > 0 && doc.Content[0].Tag != "!!null" {
		root = doc.Content[0]
	}
	return source{path: path, root: root}, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// syntax says where a file stops being YAML, and of a tab that it is one: nobody sees it, and the parser does not name it.
func syntax(path string, err error, data []byte) Problem {
	p := Problem{File: path, Message: "is not valid YAML: " + err.Error()}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Column, p.Message = 1, "is not valid YAML: "+m[2]+" (half written?)"
		if lines := strings.Split(string(data), "\n"); p.Line <= len(lines) {
			line := lines[p.Line-1]
			indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
			if at := strings.IndexByte(indent, '\t'); at >= 0 {
				p.Column, p.Message = at+1, "is not valid YAML: a tab indents this line: YAML is indented with spaces"
			}
		}
	}
	return p
}

// reason is an I/O error without the path, which the problem already names.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// projectFile looks for backout.yaml from dir upwards, and stops at the top of a git work tree. What is there by that name
// counts, a link to nothing included: another file further up would be somebody else's.
func projectFile(dir string) string {
	for {
		for _, name := range []string{"backout.yaml", "backout.yml"} {
			path := filepath.Join(dir, name)
			if exists(path) {
				return path
			}
		}
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return ""
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// found reads a file that was looked for by its name. It has to be a file: a pipe that nobody writes to would hold up the
// start for ever, while one that the user names may be written to by a shell.
func found(path string) (source, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return source{}, &Error{Problems: []Problem{{File: path, Message: "is not a file"}}}
	}
	return readFile(path)
}

// child finds the value of a key in a mapping, nil where it is not there.
func child(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}
